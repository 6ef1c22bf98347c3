// SPDX-License-Identifier: MIT OR Apache-2.0
/* close(2) with SO_LINGER: it waits until the peer has everything, or the time is up. Stock Linux passes these, too. */
#include "check.h"

#include <sys/time.h>
#include <time.h>

/* More than both ends and the rings between them take. */
#define PIECE 100000
/* A close that does not wait takes less, with what else the machine does meanwhile. */
#define SOON_MS 700

static long now_ms(void)
{
	struct timespec now;

	CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void set_linger(int fd, int seconds)
{
	struct linger linger = { 1, seconds };

	CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) == 0);
}

/* Sends until nothing more goes; how much that was. */
static size_t send_until_full(int fd)
{
	static char bytes[PIECE];
	size_t sent = 0;
	ssize_t got;

	set_blocking(fd, 0);
	while ((got = send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL)) > 0 || is_ready(fd, POLLOUT, 200))
		sent += got > 0 ? got : 0;
	CHECK(sent > 0);
	return sent;
}

static long close_ms(int fd)
{
	long before = now_ms();

	CHECK(close(fd) == 0);
	return now_ms() - before;
}

/* Closes one end while a child reads what was sent, after 300 ms; returns the time of the close. */
static long close_with_reader(int ends[2])
{
	int word[2], status = -1;
	size_t sent;
	long took;

	CHECK(pipe(word) == 0);
	if (fork() == 0) {
		static char bytes[PIECE];
		size_t filled = 0;
		ssize_t got;

		/* The last one to close it would be the one to wait. */
		close(ends[0]);
		CHECK(read(word[0], &sent, sizeof(sent)) == sizeof(sent));
		usleep(300000);
		while ((got = read(ends[1], bytes, sizeof(bytes))) > 0)
			filled += got;
		_exit(got != 0 || filled != sent);
	}
	sent = send_until_full(ends[0]);
	CHECK(write(word[1], &sent, sizeof(sent)) == sizeof(sent));
	took = close_ms(ends[0]);
	CHECK(wait(&status) > 0 && status == 0);
	return took;
}

/* The time is up before the peer has read: close returns, and the rest goes on its way all the same. */
static void time_is_up(void)
{
	static char bytes[PIECE];
	size_t sent, filled = 0;
	int ends[2];
	ssize_t got;
	long took;

	tcp_pair(AF_INET, ends);
	set_linger(ends[0], 1);
	sent = send_until_full(ends[0]);
	took = close_ms(ends[0]);
	CHECK(took >= 950 && took < 5000);
	while ((got = read(ends[1], bytes, sizeof(bytes))) > 0)
		filled += got;
	CHECK(got == 0 && filled == sent);
}

/* close returns when the peer has all, also when its own end was first. */
static void peer_has_all(void)
{
	int ends[2];
	long took;

	tcp_pair(AF_INET, ends);
	set_linger(ends[0], 60);
	took = close_with_reader(ends);
	CHECK(took >= 250 && took < 30000);
	tcp_pair(AF_INET6, ends);
	set_linger(ends[0], 60);
	CHECK(shutdown(ends[1], SHUT_WR) == 0 && is_ready(ends[0], POLLIN, 5000) & POLLIN);
	took = close_with_reader(ends);
	CHECK(took >= 250 && took < 30000);
}

/* Nothing is on its way, nobody asked to wait, or data was not read: no waiting. */
static void no_wait(void)
{
	struct sockaddr_storage address;
	int ends[2], fd;
	char byte;

	tcp_pair(AF_INET, ends);
	set_linger(ends[0], 60);
	send_all(ends[0], "x", 1);
	CHECK(close_ms(ends[0]) < SOON_MS);
	CHECK(read(ends[1], &byte, 1) == 1 && read(ends[1], &byte, 1) == 0);
	tcp_pair(AF_INET, ends);
	send_until_full(ends[0]);
	CHECK(close_ms(ends[0]) < SOON_MS);
	tcp_pair(AF_INET, ends);
	set_linger(ends[0], 60);
	send_all(ends[1], "unread", 6);
	CHECK(is_ready(ends[0], POLLIN, 5000) & POLLIN);
	send_until_full(ends[0]);
	CHECK(close_ms(ends[0]) < SOON_MS);
	fd = bound(AF_INET, SOCK_STREAM, &address);
	set_linger(fd, 60);
	CHECK(listen(fd, 1) == 0 && close_ms(fd) < SOON_MS);
	fd = bound(AF_INET, SOCK_DGRAM, &address);
	set_linger(fd, 60);
	CHECK(close_ms(fd) < SOON_MS);
}

static void on_alarm(int number)
{
	(void)number;
}

/* A signal ends it; so does the death of the process, which does not linger. */
static void signal_comes(void)
{
	struct itimerval soon = { .it_value = { 0, 300000 } };
	struct sigaction action = { .sa_handler = on_alarm };
	int ends[2], status;
	long took;
	pid_t child;

	tcp_pair(AF_INET, ends);
	set_linger(ends[0], 60);
	send_until_full(ends[0]);
	CHECK(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &soon, NULL) == 0);
	took = close_ms(ends[0]);
	CHECK(took >= 250 && took < 30000);
	tcp_pair(AF_INET, ends);
	set_linger(ends[0], 60);
	send_until_full(ends[0]);
	child = fork();
	if (child == 0)
		pause();
	close(ends[0]);
	took = now_ms();
	kill(child, SIGKILL);
	CHECK(waitpid(child, &status, 0) == child && now_ms() - took < 30000);
}

/* Accepted sockets have what the listener had. */
static void inherited(void)
{
	struct linger linger = { 0, 0 };
	struct sockaddr_storage address;
	int listener = bound(AF_INET, SOCK_STREAM, &address), one = 1, fd, client;
	socklen_t length = sizeof(linger);

	set_linger(listener, 5);
	CHECK(setsockopt(listener, SOL_SOCKET, SO_OOBINLINE, &one, sizeof(one)) == 0);
	CHECK(setsockopt(listener, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one)) == 0);
	CHECK(listen(listener, 1) == 0);
	client = connected_to(&address);
	fd = accept(listener, NULL, NULL);
	CHECK(getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &length) == 0 && linger.l_onoff == 1 && linger.l_linger == 5);
	for (size_t i = 0; i < 2; i++) {
		int value = 0;

		length = sizeof(value);
		CHECK(getsockopt(fd, SOL_SOCKET, i ? SO_OOBINLINE : SO_KEEPALIVE, &value, &length) == 0 && value == 1);
	}
	close(client);
}

const struct check closing[] = {
	{ "linger-time-is-up", time_is_up },
	{ "linger-peer-has-all", peer_has_all },
	{ "linger-no-wait", no_wait },
	{ "linger-signal", signal_comes },
	{ "linger-inherited", inherited },
	{ NULL, NULL },
};
