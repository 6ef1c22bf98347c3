// SPDX-License-Identifier: MIT OR Apache-2.0
/* Limits: many sockets, dying with them, slow readers, and what a send costs. */
#include "check.h"

#include <sched.h>

#define MANY 1000
#define ROUNDS 50
#define SENDS 8
#define PIECE 512

/* How many sockets there are when those of earlier cases, which TCP still ends, are gone. */
static long settled_sockets(void)
{
	long before, now = sockets_of_server();

	for (int i = 0; i < 50; i++) {
		before = now;
		usleep(100000);
		now = sockets_of_server();
		if (now == before && i >= 3)
			break;
	}
	return now;
}

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
	before = settled_sockets();
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
	before = settled_sockets();
	CHECK(pipe(ready) == 0);
	child = fork();
	if (child == 0) {
		static int fds[MANY];

		CHECK(open_all(fds, MANY) == MANY);
		CHECK(write(ready[1], "x", 1) == 1);
		pause();
	}
	CHECK(read(ready[0], &status, 1) == 1);
	CHECK(sockets_of_server() >= before + MANY - 2);
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

/*
 * Exits of this process's CPU, from /proc/sawmill/statistics: all reasons but the interrupts, and its calls, each of
 * which is the server's exit, too.
 */
static long long exits_here(int cpu)
{
	FILE *file = fopen("/proc/sawmill/statistics", "r");
	long long sum = 0, value;
	char line[512], wanted[32], reason[32];
	int is_found = 0, length;

	CHECK(file != NULL);
	snprintf(wanted, sizeof(wanted), "vcpu of=app index=%d ", cpu);
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, wanted, strlen(wanted)) != 0)
			continue;
		is_found = 1;
		for (char *at = line + strlen(wanted); sscanf(at, " %31[a-z_]=%lld%n", reason, &value, &length) == 2; at += length)
			if (strcmp(reason, "run") && strcmp(reason, "served") && strcmp(reason, "injections") &&
			    strcmp(reason, "timer") && strcmp(reason, "external_interrupt"))
				sum += value;
	}
	fclose(file);
	CHECK(is_found);
	return sum;
}

static int by_size(const void *a, const void *b)
{
	const long long *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

struct summary {
	long long sum, median;
};

static struct summary summarize(long long *values)
{
	struct summary summary = { 0, 0 };

	qsort(values, ROUNDS, sizeof(*values), by_size);
	for (int i = 0; i < ROUNDS; i++)
		summary.sum += values[i];
	summary.median = values[ROUNDS / 2];
	return summary;
}

/* Sends that find room, and reads of what has arrived, cause no exit. */
static void no_exits(void)
{
	static long long sending[ROUNDS], receiving[ROUNDS], looking[ROUNDS];
	static char bytes[SENDS * PIECE];
	struct summary send_exits, read_exits, look_exits;
	int ends[2], cpu = sched_getcpu();
	cpu_set_t here;
	long long before;

	/* What other processes do on another CPU is theirs. */
	CHECK(cpu >= 0);
	CPU_ZERO(&here);
	CPU_SET(cpu, &here);
	CHECK(sched_setaffinity(0, sizeof(here), &here) == 0);
	tcp_pair(AF_INET, ends);
	for (int round = 0; round < ROUNDS; round++) {
		before = exits_here(cpu);
		looking[round] = exits_here(cpu) - before;
		before = exits_here(cpu);
		for (int i = 0; i < SENDS; i++)
			CHECK(send(ends[0], bytes, PIECE, 0) == PIECE);
		sending[round] = exits_here(cpu) - before;
		usleep(20000);
		before = exits_here(cpu);
		for (int i = 0; i < SENDS; i++)
			CHECK(read(ends[1], bytes, PIECE) == PIECE);
		receiving[round] = exits_here(cpu) - before;
	}
	send_exits = summarize(sending);
	read_exits = summarize(receiving);
	look_exits = summarize(looking);
	printf("  exits, median and sum: %lld, %lld for %d sends, %lld, %lld for %d reads, %lld, %lld for looking\n",
	       send_exits.median, send_exits.sum, SENDS, read_exits.median, read_exits.sum, SENDS, look_exits.median,
	       look_exits.sum);
	/* One exit for each operation would be SENDS more, in each round. */
	CHECK(send_exits.median - look_exits.median <= 1 && read_exits.median - look_exits.median <= 1);
	/* With a second CPU the server runs meanwhile, and its signals wake others here. */
	if (sysconf(_SC_NPROCESSORS_ONLN) == 1)
		CHECK(send_exits.sum - look_exits.sum <= ROUNDS && read_exits.sum - look_exits.sum <= ROUNDS);
}

const struct check limits[] = {
	{ "limit-of-sockets", flood },
	{ "killed-with-sockets", killed },
	{ "slow-reader", slow_reader },
	{ "no-exits", no_exits },
	{ NULL, NULL },
};
