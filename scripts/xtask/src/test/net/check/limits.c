// SPDX-License-Identifier: MIT OR Apache-2.0
/* Limits: many sockets, dying with them, slow readers, and what a send costs. */
#include "check.h"

#define MANY 1000
#define ROUNDS 50
#define SENDS 8
#define PIECE 512

/* Opens sockets until none is to be had; how many. */
static int open_all(int *fds, int most)
{
	int count = 0;

	while (count < most && (fds[count] = socket(AF_INET, SOCK_STREAM, 0)) >= 0)
		count++;
	return count;
}

/* The limit is an error; what is open goes on; everything comes back. */
static void flood(void)
{
	static int fds[8192];
	char bytes[8];
	int ends[2], first, second, error;
	long before;

	allow_descriptors();
	before = sockets_of_server();
	tcp_pair(AF_INET, ends);
	first = open_all(fds, 8192);
	error = errno;
	CHECK(first >= MANY && (error == EMFILE || error == ENOBUFS));
	send_all(ends[0], "goes on", 7);
	CHECK(read_all(ends[1], bytes, 7) == 7 && !memcmp(bytes, "goes on", 7));
	for (int i = 0; i < first; i++)
		close(fds[i]);
	second = open_all(fds, 8192);
	CHECK(second >= first - 8);
	for (int i = 0; i < second; i++)
		close(fds[i]);
	close(ends[0]);
	close(ends[1]);
	printf("  %d sockets, then %s\n", first, strerror(error));
	for (int i = 0; i < 100 && sockets_of_server() > before + 2; i++)
		usleep(50000);
	CHECK(sockets_of_server() <= before + 2);
}

/* A process is killed with all that it has open. */
static void killed(void)
{
	int ready[2], status, count = 0;
	long before;
	pid_t child;

	allow_descriptors();
	before = sockets_of_server();
	CHECK(pipe(ready) == 0);
	child = fork();
	if (child == 0) {
		static int fds[MANY];

		CHECK(open_all(fds, MANY) == MANY);
		CHECK(write(ready[1], "x", 1) == 1);
		pause();
	}
	CHECK(read(ready[0], &status, 1) == 1);
	CHECK(sockets_of_server() >= before + MANY);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	while (sockets_of_server() > before + 2 && count++ < 100)
		usleep(50000);
	CHECK(sockets_of_server() <= before + 2);
}

/* One that does not read hurts nobody else, and loses nothing. */
static void slow_reader(void)
{
	static unsigned char out[50000], in[50000];
	int slow[2], quick[2];
	size_t sent = 0, at = 0;
	ssize_t got;

	tcp_pair(AF_INET, slow);
	tcp_pair(AF_INET, quick);
	set_blocking(slow[0], 0);
	fill(out, sizeof(out), 9);
	while ((got = send(slow[0], out + sent % sizeof(out), sizeof(out) - sent % sizeof(out), MSG_NOSIGNAL)) > 0 ||
	       is_ready(slow[0], POLLOUT, 100))
		sent += got > 0 ? got : 0;
	CHECK(sent > 0);
	for (int i = 0; i < 20; i++) {
		send_all(quick[0], out, 2000);
		CHECK(read_all(quick[1], in, 2000) == 2000 && !memcmp(in, out, 2000));
	}
	close(slow[0]);
	while ((got = read(slow[1], in, sizeof(in))) > 0)
		for (ssize_t i = 0; i < got; i++, at++)
			CHECK(in[i] == out[at % sizeof(out)]);
	CHECK(got == 0 && at == sent);
}

static long long exits_but_the_timers(void)
{
	return exits_of("total") - exits_of("timer") - exits_of("external_interrupt");
}

static int by_size(const void *a, const void *b)
{
	const long long *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

static long long median(long long *values)
{
	qsort(values, ROUNDS, sizeof(*values), by_size);
	return values[ROUNDS / 2];
}

/* Sends that find room, and reads of what has arrived, cause no exit. */
static void no_exits(void)
{
	static long long sending[ROUNDS], receiving[ROUNDS], looking[ROUNDS];
	static char bytes[SENDS * PIECE];
	long long send_exits, read_exits, look_exits, before;
	int ends[2];

	tcp_pair(AF_INET, ends);
	for (int round = 0; round < ROUNDS; round++) {
		before = exits_but_the_timers();
		looking[round] = exits_but_the_timers() - before;
		before = exits_but_the_timers();
		for (int i = 0; i < SENDS; i++)
			CHECK(send(ends[0], bytes, PIECE, 0) == PIECE);
		sending[round] = exits_but_the_timers() - before;
		usleep(20000);
		before = exits_but_the_timers();
		for (int i = 0; i < SENDS; i++)
			CHECK(read(ends[1], bytes, PIECE) == PIECE);
		receiving[round] = exits_but_the_timers() - before;
	}
	send_exits = median(sending);
	read_exits = median(receiving);
	look_exits = median(looking);
	printf("  exits, medians: %lld for %d sends, %lld for %d reads, %lld for looking\n", send_exits, SENDS, read_exits,
	       SENDS, look_exits);
	/* The median leaves out what the other CPU did now and then; one exit for each would be SENDS more. */
	CHECK(send_exits - look_exits <= 1 && read_exits - look_exits <= 1);
}

const struct check limits[] = {
	{ "limit-of-sockets", flood },
	{ "killed-with-sockets", killed },
	{ "slow-reader", slow_reader },
	{ "no-exits", no_exits },
	{ NULL, NULL },
};
