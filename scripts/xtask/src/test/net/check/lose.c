// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * The network's server dies under load: sockets fail at once, files go on, and the next server serves new sockets.
 */
#include "check.h"

#include <time.h>

/* So long it may take until a new socket can be made, in the machine's own time. */
#define RESTART_LIMIT_S 30

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Writes files until it is told to stop; its status is the number of errors. */
static void use_files(int stop)
{
	int errors = 0, number;
	char name[64], bytes[4096] = "";

	for (number = 0; !is_ready(stop, POLLIN, 5); number++) {
		int file;

		snprintf(name, sizeof(name), "/root/file%d", number % 10);
		file = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
		errors += file < 0 || write(file, bytes, sizeof(bytes)) != sizeof(bytes) || fsync(file) != 0;
		close(file);
	}
	printf("%d files written, %d errors\n", number, errors);
	fflush(stdout);
	_exit(errors != 0);
}

static int echo_once(int ends[2])
{
	char bytes[1000] = "";

	for (int turn = 0; turn < 2; turn++) {
		ssize_t done = send(ends[turn], bytes, sizeof(bytes), MSG_NOSIGNAL);

		if (done != sizeof(bytes) || read(ends[!turn], bytes, sizeof(bytes)) <= 0)
			return -1;
	}
	return 0;
}

int lose(void)
{
	struct sockaddr_storage address;
	int ends[2], stop[2], udp, waiting, listener, status;
	long long last, lost, begin;
	pid_t files, sleeper;
	char byte;

	CHECK(pipe(stop) == 0);
	files = fork();
	if (files == 0)
		use_files(stop[0]);
	tcp_pair(AF_INET, ends);
	udp = bound(AF_INET, SOCK_DGRAM, &address);
	listener = bound(AF_INET, SOCK_STREAM, &address);
	CHECK(listen(listener, 1) == 0);
	/* One that sleeps in a read when it happens. */
	sleeper = fork();
	if (sleeper == 0) {
		waiting = accept(listener, NULL, NULL);
		_exit(waiting >= 0);
	}
	printf("transfers begin\n");
	fflush(stdout);
	do {
		last = now_ms();
		/* An emulator passes over idle time. */
		usleep(2000);
	} while (echo_once(ends) == 0);
	lost = now_ms();
	printf("lost after %lld ms: %s\n", lost - last, strerror(errno));
	CHECK(recv(udp, &byte, 1, MSG_DONTWAIT) == -1 && errno != EAGAIN);
	CHECK(is_ready(ends[0], POLLIN, 0) & (POLLHUP | POLLERR));
	CHECK(waitpid(sleeper, &status, 0) == sleeper && status == 0);
	printf("sleeper woken after %lld ms\n", now_ms() - last);
	close(ends[0]);
	close(ends[1]);
	close(udp);
	close(listener);
	begin = now_ms();
	while ((udp = socket(AF_INET, SOCK_DGRAM, 0)) < 0 && now_ms() - begin < RESTART_LIMIT_S * 1000)
		usleep(10000);
	CHECK(udp >= 0);
	tcp_pair(AF_INET, ends);
	for (int i = 0; i < 100; i++)
		CHECK(echo_once(ends) == 0);
	printf("new sockets after %lld ms\n", now_ms() - begin);
	CHECK(write(stop[1], "x", 1) == 1);
	CHECK(waitpid(files, &status, 0) == files && status == 0);
	return 0;
}
