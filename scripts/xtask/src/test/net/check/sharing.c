// SPDX-License-Identifier: MIT OR Apache-2.0
/* Readiness, and sockets that several processes or descriptors share. */
#include "check.h"

#include <sys/epoll.h>
#include <sys/ioctl.h>

static int next_event(int epoll, int timeout_ms)
{
	struct epoll_event event = { 0 };
	int count = epoll_wait(epoll, &event, 1, timeout_ms);

	CHECK(count >= 0);
	return count ? (int)event.events : 0;
}

static void epoll_level(void)
{
	struct epoll_event want = { .events = EPOLLIN };
	int ends[2], epoll = epoll_create1(0);
	char bytes[8];

	tcp_pair(AF_INET, ends);
	CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[1], &want) == 0);
	CHECK(next_event(epoll, 0) == 0);
	send_all(ends[0], "abcd", 4);
	CHECK(next_event(epoll, 2000) == EPOLLIN);
	CHECK(read(ends[1], bytes, 2) == 2);
	CHECK(next_event(epoll, 0) == EPOLLIN);
	CHECK(read(ends[1], bytes, 2) == 2);
	CHECK(next_event(epoll, 20) == 0);
	want.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP;
	CHECK(epoll_ctl(epoll, EPOLL_CTL_MOD, ends[1], &want) == 0);
	CHECK(next_event(epoll, 0) == EPOLLOUT);
	close(ends[0]);
	usleep(50000);
	CHECK((next_event(epoll, 2000) & (EPOLLIN | EPOLLRDHUP)) == (EPOLLIN | EPOLLRDHUP));
}

static void epoll_edge(void)
{
	static char bytes[200000];
	struct epoll_event want = { .events = EPOLLIN | EPOLLOUT | EPOLLET };
	int ends[2], epoll = epoll_create1(0), edges = 0;
	size_t sent = 0, received = 0;
	ssize_t got;

	tcp_pair(AF_INET, ends);
	set_blocking(ends[0], 0);
	set_blocking(ends[1], 0);
	CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &want) == 0);
	CHECK(next_event(epoll, 1000) & EPOLLOUT);
	CHECK(next_event(epoll, 20) == 0);
	/* Full: the next edge comes when the peer has read. */
	while ((got = send(ends[0], bytes, sizeof(bytes), MSG_NOSIGNAL)) > 0 || is_ready(ends[0], POLLOUT, 100))
		sent += got > 0 ? got : 0;
	CHECK(errno == EAGAIN);
	while (next_event(epoll, 0))
		;
	while (received < sent) {
		CHECK(is_ready(ends[1], POLLIN, 5000) & POLLIN);
		while ((got = read(ends[1], bytes, sizeof(bytes))) > 0)
			received += got;
	}
	CHECK(next_event(epoll, 2000) & EPOLLOUT);
	/* Each arrival is an edge of its own, read or not. */
	for (int i = 0; i < 5; i++) {
		send_all(ends[1], "x", 1);
		edges += !!(next_event(epoll, 2000) & EPOLLIN);
	}
	CHECK(edges == 5);
}

/* Who has filled the socket and waits for room polls no more than this. */
static void epoll_edge_of_room(void)
{
	static char bytes[200000];
	struct epoll_event want = { .events = EPOLLOUT | EPOLLET };
	int ends[2], epoll = epoll_create1(0);
	pid_t reader;
	ssize_t sent;

	tcp_pair(AF_INET, ends);
	reader = fork();
	if (reader == 0) {
		close(ends[0]);
		while (read(ends[1], bytes, sizeof(bytes)) > 0)
			usleep(1000);
		_exit(0);
	}
	close(ends[1]);
	set_blocking(ends[0], 0);
	CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &want) == 0);
	for (int round = 0; round < 20; round++) {
		CHECK(next_event(epoll, 5000) & EPOLLOUT);
		while ((sent = send(ends[0], bytes, sizeof(bytes), MSG_NOSIGNAL)) > 0)
			;
		CHECK(errno == EAGAIN);
	}
	close(ends[0]);
	waitpid(reader, NULL, 0);
}

static int selected(int fd, fd_set *in, fd_set *out, fd_set *urgent, int seconds)
{
	struct timeval limit = { .tv_sec = seconds };

	FD_ZERO(in);
	FD_ZERO(out);
	FD_ZERO(urgent);
	FD_SET(fd, in);
	FD_SET(fd, urgent);
	/* Room there always is here: it would end the waiting. */
	if (seconds == 0)
		FD_SET(fd, out);
	return select(fd + 1, in, out, urgent, &limit);
}

static void by_select(void)
{
	fd_set in, out, urgent;
	int ends[2];

	tcp_pair(AF_INET, ends);
	CHECK(selected(ends[1], &in, &out, &urgent, 0) == 1 && FD_ISSET(ends[1], &out));
	send_all(ends[0], "x", 1);
	CHECK(selected(ends[1], &in, &out, &urgent, 5) == 1 && FD_ISSET(ends[1], &in));
	CHECK(send(ends[0], "!", 1, MSG_OOB) == 1);
	for (int i = 0; i < 200 && !FD_ISSET(ends[1], &urgent); i++, usleep(10000))
		CHECK(selected(ends[1], &in, &out, &urgent, 5) >= 1);
	CHECK(FD_ISSET(ends[1], &urgent));
}

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
	(void)number;
	signals++;
}

static void sigio(void)
{
	int ends[2];

	tcp_pair(AF_INET, ends);
	signal(SIGIO, count_signal);
	CHECK(fcntl(ends[1], F_SETOWN, getpid()) == 0);
	CHECK(fcntl(ends[1], F_SETFL, O_ASYNC | O_NONBLOCK) == 0);
	signals = 0;
	send_all(ends[0], "x", 1);
	for (int i = 0; i < 200 && !signals; i++)
		usleep(10000);
	CHECK(signals > 0);
}

/* Data that came before the program asked for signals takes none away from what comes later. */
static void sigio_late(void)
{
	int ends[2];

	tcp_pair(AF_INET, ends);
	signal(SIGIO, count_signal);
	send_all(ends[0], "x", 1);
	/* An emulator passes over idle time. */
	usleep(50000);
	CHECK(fcntl(ends[1], F_SETOWN, getpid()) == 0);
	CHECK(fcntl(ends[1], F_SETFL, O_ASYNC) == 0);
	signals = 0;
	send_all(ends[0], "y", 1);
	for (int i = 0; i < 200 && !signals; i++)
		usleep(10000);
	CHECK(signals > 0);
}

/* Four processes accept on one socket and write into another. */
static void forked(void)
{
	struct sockaddr_storage address;
	int listener = bound(AF_INET, SOCK_STREAM, &address), ends[2], ones = 0;
	char byte;

	CHECK(listen(listener, 16) == 0);
	tcp_pair(AF_INET, ends);
	for (int child = 0; child < 4; child++)
		if (fork() == 0) {
			for (int i = 0; i < 5; i++) {
				int fd = accept(listener, NULL, NULL);

				CHECK(fd >= 0);
				send_all(fd, "a", 1);
				close(fd);
				send_all(ends[0], "1", 1);
			}
			_exit(0);
		}
	for (int i = 0; i < 20; i++) {
		int fd = connected_to(&address);

		CHECK(read(fd, &byte, 1) == 1 && byte == 'a');
		CHECK(read(fd, &byte, 1) == 0);
		close(fd);
	}
	/* The last descriptor of the writing end closes it. */
	close(ends[0]);
	while (read(ends[1], &byte, 1) == 1)
		ones++;
	CHECK(ones == 20);
	for (int child = 0, status; child < 4; child++)
		CHECK(wait(&status) > 0 && status == 0);
}

/* A socket goes through a Unix socket to another process. */
static void passed(void)
{
	char space[CMSG_SPACE(sizeof(int))] = "", byte = 0;
	struct iovec piece = { &byte, 1 };
	struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1, .msg_control = space,
				  .msg_controllen = sizeof(space) };
	struct cmsghdr *header;
	int ends[2], unix_ends[2];

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, unix_ends) == 0);
	if (fork() == 0) {
		int fd;

		CHECK(recvmsg(unix_ends[1], &message, 0) == 1);
		header = CMSG_FIRSTHDR(&message);
		CHECK(header && header->cmsg_type == SCM_RIGHTS);
		memcpy(&fd, CMSG_DATA(header), sizeof(fd));
		send_all(fd, "passed", 6);
		_exit(0);
	}
	tcp_pair(AF_INET, ends);
	header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &ends[0], sizeof(int));
	CHECK(sendmsg(unix_ends[0], &message, 0) == 1);
	close(ends[0]);
	{
		char bytes[8];

		CHECK(read_all(ends[1], bytes, sizeof(bytes)) == 6 && !memcmp(bytes, "passed", 6));
	}
	wait(NULL);
}

const struct check sharing[] = {
	{ "select", by_select },
	{ "epoll-level", epoll_level },
	{ "epoll-edge", epoll_edge },
	{ "epoll-edge-of-room", epoll_edge_of_room },
	{ "sigio", sigio },
	{ "sigio-after-data", sigio_late },
	{ "shared-by-fork", forked },
	{ "passed-over-unix", passed },
	{ NULL, NULL },
};
