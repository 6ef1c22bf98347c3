// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Two client partitions of one network: this program runs in both.
 *
 * The second (its kernel's command line has the word "neighbour") opens sockets and echoes until it is killed. The first
 * finds that ports are shared as between processes, and that nothing of a dead neighbour is left.
 */
#include "check.h"

#define PORT 7777
#define MANY 1000
#define PATIENCE 600

static struct sockaddr_in meeting_point(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(PORT) };

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return address;
}

static int is_second(void)
{
	char line[1024] = "";
	FILE *file = fopen("/proc/cmdline", "r");

	CHECK(file && fgets(line, sizeof(line), file));
	fclose(file);
	return strstr(line, "neighbour") != NULL;
}

static void second(void)
{
	struct sockaddr_in address = meeting_point();
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1, fd;
	char bytes[1000];
	ssize_t got;

	for (int i = 0; i < MANY / 2; i++) {
		CHECK(socket(AF_INET, SOCK_STREAM, 0) >= 0);
		CHECK(socket(AF_INET, SOCK_DGRAM, 0) >= 0);
	}
	CHECK(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0);
	CHECK(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(listener, 4) == 0);
	fd = accept(listener, NULL, NULL);
	CHECK(fd >= 0);
	while ((got = read(fd, bytes, sizeof(bytes))) > 0)
		send_all(fd, bytes, got);
	pause();
}

static int meet(void)
{
	struct sockaddr_in address = meeting_point();

	for (int i = 0; i < PATIENCE; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
			return fd;
		CHECK(errno == ECONNREFUSED);
		close(fd);
		usleep(50000);
	}
	CHECK(!"the neighbour does not come");
	return -1;
}

int neighbour(void)
{
	struct sockaddr_in address = meeting_point();
	int fd, taken = socket(AF_INET, SOCK_STREAM, 0), one = 1, ends[2], count = 0;
	unsigned char out[1000], in[1000];
	long own = 0;

	allow_descriptors();
	if (is_second()) {
		second();
		return 0;
	}
	tcp_pair(AF_INET, ends);
	fill(out, sizeof(out), 5);
	fd = meet();
	/* Theirs are beyond our view, but the server counts all. */
	CHECK(sockets_of_server() >= MANY);
	CHECK_ERROR(bind(taken, (struct sockaddr *)&address, sizeof(address)), EADDRINUSE);
	printf("met\n");
	fflush(stdout);
	while (send(fd, out, sizeof(out), MSG_NOSIGNAL) == sizeof(out) &&
	       recv(fd, in, sizeof(in), MSG_WAITALL) == sizeof(in)) {
		CHECK(memcmp(in, out, sizeof(in)) == 0);
		own++;
		/* An emulator passes over idle time. */
		usleep(2000);
	}
	printf("the neighbour is gone after %ld turns\n", own);
	CHECK(own > 0);
	close(fd);
	while (sockets_of_server() > 100 && count++ < PATIENCE)
		usleep(50000);
	printf("%ld sockets are left\n", sockets_of_server());
	CHECK(sockets_of_server() <= 100);
	/* Ours go on, and the port is free. */
	send_all(ends[0], out, sizeof(out));
	CHECK(read_all(ends[1], in, sizeof(in)) == sizeof(in) && !memcmp(in, out, sizeof(in)));
	CHECK(setsockopt(taken, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0);
	CHECK(bind(taken, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(taken, 1) == 0);
	return 0;
}
