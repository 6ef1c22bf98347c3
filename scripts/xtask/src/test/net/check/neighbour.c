// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Two client partitions of one network: this program runs in both.
 *
 * The second (its kernel's command line has the word "neighbour") opens sockets and echoes until it is killed. The first
 * finds that ports are shared as between processes, and that nothing of a dead neighbour is left.
 */
#include "check.h"

#define PORT 7777
#define START_PORT 7778
/* What the server may keep of a client that is gone: rests of slabs. */
#define MEMORY_KEPT_KIB 512
#define MANY 1000
#define PATIENCE 600

static struct sockaddr_in meeting_point(in_port_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };

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

static int meet(in_port_t port)
{
	struct sockaddr_in address = meeting_point(port);

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

static int listener_at(in_port_t port)
{
	struct sockaddr_in address = meeting_point(port);
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	CHECK(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0);
	CHECK(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(listener, 4) == 0);
	return listener;
}

static void second(void)
{
	char bytes[1000];
	int listener, fd;
	ssize_t got;

	/* The first has looked at the server. */
	close(meet(START_PORT));

	for (int i = 0; i < MANY / 2; i++) {
		CHECK(socket(AF_INET, SOCK_STREAM, 0) >= 0);
		CHECK(socket(AF_INET, SOCK_DGRAM, 0) >= 0);
	}
	listener = listener_at(PORT);
	fd = accept(listener, NULL, NULL);
	CHECK(fd >= 0);
	while ((got = read(fd, bytes, sizeof(bytes))) > 0)
		send_all(fd, bytes, got);
	pause();
}

int neighbour(void)
{
	struct sockaddr_in address = meeting_point(PORT);
	int fd, taken = socket(AF_INET, SOCK_STREAM, 0), ends[2], count = 0;
	unsigned char out[1000], in[1000];
	long own = 0, before, during;

	allow_descriptors();
	if (is_second()) {
		second();
		return 0;
	}
	tcp_pair(AF_INET, ends);
	fill(out, sizeof(out), 5);
	fd = listener_at(START_PORT);
	before = memory_of_server();
	close(accept(fd, NULL, NULL));
	close(fd);
	fd = meet(PORT);
	during = memory_of_server();
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
	/* Sockets are freed when RCU says so. */
	for (count = 0; memory_of_server() < before - MEMORY_KEPT_KIB && count < 100; count++)
		usleep(50000);
	printf("KiB available to the server: %ld before, %ld during, %ld after\n", before, during, memory_of_server());
	CHECK(during < before - MEMORY_KEPT_KIB && memory_of_server() >= before - MEMORY_KEPT_KIB);
	/* Ours go on, and the port is free. */
	send_all(ends[0], out, sizeof(out));
	CHECK(read_all(ends[1], in, sizeof(in)) == sizeof(in) && !memcmp(in, out, sizeof(in)));
	close(taken);
	close(listener_at(PORT));
	return 0;
}
