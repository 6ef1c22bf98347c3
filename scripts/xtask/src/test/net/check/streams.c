// SPDX-License-Identifier: MIT OR Apache-2.0
/* Streams: data, ends, errors, flags, urgent data, sendfile. */
#include "check.h"

#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/time.h>

#include <linux/sockios.h>

#define LENGTH (600 * 1000)

/* A child sends back all it gets; then compares. */
static void echo_over(int family)
{
	static unsigned char out[LENGTH], in[LENGTH];
	int ends[2];

	tcp_pair(family, ends);
	fill(out, LENGTH, 7);
	if (fork() == 0) {
		static char bytes[40000];
		ssize_t got;

		close(ends[0]);
		while ((got = read(ends[1], bytes, sizeof(bytes))) > 0)
			send_all(ends[1], bytes, got);
		_exit(got != 0);
	}
	close(ends[1]);
	if (fork() == 0) {
		send_all(ends[0], out, LENGTH);
		CHECK(shutdown(ends[0], SHUT_WR) == 0);
		_exit(0);
	}
	CHECK(read_all(ends[0], in, LENGTH) == LENGTH);
	CHECK(memcmp(in, out, LENGTH) == 0);
	CHECK(read(ends[0], in, 1) == 0);
	for (int child = 0; child < 2; child++) {
		int status = -1;

		CHECK(wait(&status) > 0 && status == 0);
	}
}

static void echo(void)
{
	echo_over(AF_INET);
}

static void echo_ipv6(void)
{
	echo_over(AF_INET6);
}

/* shutdown(2) of what is not connected fails, and leaves a mark. */
static void shut_listener(void)
{
	struct sockaddr_storage address;
	int listener = bound(AF_INET, SOCK_STREAM, &address), fd;

	CHECK_ERROR(shutdown(listener, SHUT_RDWR), ENOTCONN);
	CHECK(listen(listener, 1) == 0);
	set_blocking(listener, 0);
	CHECK_ERROR(accept(listener, NULL, NULL), EAGAIN);
	fd = connected_to(&address);
	CHECK(is_ready(listener, POLLIN, 5000) & POLLIN);
	CHECK(accept(listener, NULL, NULL) >= 0);
	close(fd);
}

static void half_closed(void)
{
	char bytes[16];
	int ends[2];

	tcp_pair(AF_INET, ends);
	send_all(ends[0], "first", 5);
	CHECK(shutdown(ends[0], SHUT_WR) == 0);
	CHECK(send(ends[0], "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE);
	CHECK(read_all(ends[1], bytes, sizeof(bytes)) == 5 && !memcmp(bytes, "first", 5));
	send_all(ends[1], "second", 6);
	CHECK(read(ends[0], bytes, sizeof(bytes)) == 6);
	CHECK(is_ready(ends[1], POLLIN | POLLRDHUP, 1000) & POLLRDHUP);
	close(ends[1]);
	CHECK(read(ends[0], bytes, sizeof(bytes)) == 0);
	CHECK(is_ready(ends[0], POLLIN, 1000) & POLLHUP);
}

static void refused(void)
{
	struct sockaddr_storage address;
	int unused = bound(AF_INET, SOCK_STREAM, &address), fd, error = 0;
	socklen_t length = sizeof(error);

	close(unused);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	CHECK_ERROR(connect(fd, (struct sockaddr *)&address, size_of(&address)), ECONNREFUSED);
	close(fd);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (connect(fd, (struct sockaddr *)&address, size_of(&address)) == -1 && errno == EINPROGRESS) {
		CHECK(is_ready(fd, POLLOUT, 5000) & POLLERR);
		CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == ECONNREFUSED);
	} else {
		CHECK(errno == ECONNREFUSED);
	}
	close(fd);
}

static void reset(void)
{
	struct linger linger = { 1, 0 };
	char byte;
	int ends[2];

	tcp_pair(AF_INET, ends);
	CHECK(setsockopt(ends[1], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) == 0);
	close(ends[1]);
	CHECK_ERROR(read(ends[0], &byte, 1), ECONNRESET);
	CHECK_ERROR(send(ends[0], &byte, 1, MSG_NOSIGNAL), EPIPE);
}

static void flags(void)
{
	char bytes[16] = "";
	int ends[2], waiting = 0;

	tcp_pair(AF_INET, ends);
	CHECK_ERROR(recv(ends[1], bytes, 1, MSG_DONTWAIT), EAGAIN);
	send_all(ends[0], "abcdef", 6);
	CHECK(recv(ends[1], bytes, 3, MSG_PEEK) == 3 && !memcmp(bytes, "abc", 3));
	CHECK(is_ready(ends[1], POLLIN, 1000) == POLLIN);
	CHECK(ioctl(ends[1], FIONREAD, &waiting) == 0 && waiting == 6);
	if (fork() == 0) {
		usleep(100000);
		send_all(ends[0], "ghi", 3);
		_exit(0);
	}
	CHECK(recv(ends[1], bytes, 9, MSG_WAITALL) == 9 && !memcmp(bytes, "abcdefghi", 9));
	wait(NULL);
	send_all(ends[0], "12345", 5);
	CHECK(recv(ends[1], NULL, 5, MSG_TRUNC | MSG_WAITALL) == 5);
}

/* More is asked for than there is room for here: no call waits for ever. */
static void large_steps(void)
{
	static char bytes[150000];
	int ends[2], least = 6000;
	pid_t sender;

	tcp_pair(AF_INET, ends);
	sender = fork();
	if (sender == 0) {
		send_all(ends[0], bytes, sizeof(bytes));
		pause();
	}
	CHECK(recv(ends[1], bytes, 100000, MSG_PEEK | MSG_WAITALL) > 0);
	CHECK(read_all(ends[1], bytes, 5000) == 5000);
	CHECK(recv(ends[1], bytes, 6000, MSG_PEEK | MSG_WAITALL) == 6000);
	CHECK(read_all(ends[1], bytes, 5000) == 5000);
	CHECK(setsockopt(ends[1], SOL_SOCKET, SO_RCVLOWAT, &least, sizeof(least)) == 0);
	CHECK(is_ready(ends[1], POLLIN, 5000) & POLLIN);
	least = 100000;
	CHECK(setsockopt(ends[1], SOL_SOCKET, SO_RCVLOWAT, &least, sizeof(least)) == 0);
	CHECK(is_ready(ends[1], POLLIN, 5000) & POLLIN);
	CHECK(recv(ends[1], bytes, sizeof(bytes) - 10000, MSG_WAITALL) == sizeof(bytes) - 10000);
	kill(sender, SIGTERM);
}

static void timeouts(void)
{
	struct timeval limit = { 0, 200000 }, before, after, passed;
	char byte;
	int ends[2];

	tcp_pair(AF_INET, ends);
	CHECK(setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0);
	gettimeofday(&before, NULL);
	CHECK_ERROR(read(ends[0], &byte, 1), EAGAIN);
	gettimeofday(&after, NULL);
	timersub(&after, &before, &passed);
	CHECK(passed.tv_sec == 0 ? passed.tv_usec >= 190000 : passed.tv_sec < 10);
}

static void urgent(void)
{
	char bytes[16];
	int ends[2], is_mark = 0;

	tcp_pair(AF_INET, ends);
	send_all(ends[0], "ab", 2);
	CHECK(send(ends[0], "!", 1, MSG_OOB) == 1);
	CHECK(is_ready(ends[1], POLLPRI, 2000) & POLLPRI);
	send_all(ends[0], "cd", 2);
	usleep(50000);
	CHECK(recv(ends[1], bytes, 1, MSG_OOB) == 1 && bytes[0] == '!');
	CHECK(recv(ends[1], bytes, sizeof(bytes), 0) == 2 && !memcmp(bytes, "ab", 2));
	CHECK(ioctl(ends[1], SIOCATMARK, &is_mark) == 0 && is_mark == 1);
	CHECK(recv(ends[1], bytes, sizeof(bytes), 0) == 2 && !memcmp(bytes, "cd", 2));
}

static void from_file(void)
{
	static unsigned char out[200000], in[200000];
	char name[] = "/tmp/checkXXXXXX";
	int file = mkstemp(name), ends[2];
	off_t offset = 0;

	fill(out, sizeof(out), 3);
	CHECK(file >= 0 && write(file, out, sizeof(out)) == sizeof(out));
	tcp_pair(AF_INET, ends);
	if (fork() == 0) {
		while (offset < (off_t)sizeof(out))
			CHECK(sendfile(ends[0], file, &offset, sizeof(out) - offset) > 0);
		_exit(0);
	}
	CHECK(read_all(ends[1], in, sizeof(in)) == sizeof(in));
	CHECK(memcmp(in, out, sizeof(in)) == 0);
	wait(NULL);
	unlink(name);
}

/* From one connection into another through a pipe, by splice. */
static void through_pipe(void)
{
	static unsigned char out[100000], in[100000];
	int from[2], to[2], middle[2], status;
	ssize_t got, put;

	fill(out, sizeof(out), 4);
	tcp_pair(AF_INET, from);
	tcp_pair(AF_INET, to);
	CHECK(pipe(middle) == 0);
	if (fork() == 0) {
		send_all(from[0], out, sizeof(out));
		_exit(0);
	}
	close(from[0]);
	if (fork() == 0) {
		while ((got = splice(from[1], NULL, middle[1], NULL, 65536, SPLICE_F_MOVE)) > 0)
			for (; got > 0; got -= put)
				CHECK((put = splice(middle[0], NULL, to[0], NULL, got, 0)) > 0);
		CHECK(got == 0);
		_exit(0);
	}
	close(to[0]);
	CHECK(read_all(to[1], in, sizeof(in)) == sizeof(in) && !memcmp(in, out, sizeof(in)));
	CHECK(read(to[1], in, 1) == 0);
	for (int child = 0; child < 2; child++)
		CHECK(wait(&status) > 0 && status == 0);
}

/* Both listen on one port; each connection arrives at one of them. */
static void reuse_port(void)
{
	struct sockaddr_storage address;
	int one = 1, first, second = socket(AF_INET, SOCK_STREAM, 0), seen = 0;

	first = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(setsockopt(first, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) == 0);
	CHECK(setsockopt(second, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) == 0);
	close(bound(AF_INET, SOCK_STREAM, &address));
	CHECK(bind(first, (struct sockaddr *)&address, size_of(&address)) == 0 && listen(first, 16) == 0);
	CHECK(bind(second, (struct sockaddr *)&address, size_of(&address)) == 0 && listen(second, 16) == 0);
	for (int i = 0; i < 16; i++) {
		int fd = connected_to(&address);

		usleep(2000);
		if (is_ready(first, POLLIN, 100) & POLLIN) {
			close(accept(first, NULL, NULL));
			seen |= 1;
		} else {
			CHECK(is_ready(second, POLLIN, 1000) & POLLIN);
			close(accept(second, NULL, NULL));
			seen |= 2;
		}
		close(fd);
	}
	CHECK(seen == 3);
}

/* Tries to connect without waiting; how many of the attempts are through after a while. */
static int connect_many(const struct sockaddr_storage *address, int *fds, int count)
{
	int through = 0;

	for (int i = 0; i < count; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		CHECK(connect(fds[i], (const struct sockaddr *)address, size_of(address)) == 0 || errno == EINPROGRESS);
	}
	usleep(300000);
	for (int i = 0; i < count; i++)
		through += is_ready(fds[i], POLLOUT, 0) == POLLOUT;
	return through;
}

/* One more than the backlog is let in before accept(2); the others follow as it makes room. */
static void backlog(void)
{
	struct sockaddr_storage address;
	int listener = bound(AF_INET, SOCK_STREAM, &address), fds[6], through = 0;

	CHECK(listen(listener, 0) == 0);
	CHECK(connect_many(&address, fds, 3) == 1);
	close(fds[1]);
	close(fds[2]);
	close(accept(listener, NULL, NULL));
	CHECK(listen(listener, 2) == 0);
	CHECK(connect_many(&address, fds, 6) == 3);
	for (int i = 0; i < 3; i++)
		CHECK(accept(listener, NULL, NULL) >= 0);
	for (int i = 0; i < 200 && through < 6; i++) {
		usleep(100000);
		through = 0;
		for (int fd = 0; fd < 6; fd++)
			through += is_ready(fds[fd], POLLOUT, 0) == POLLOUT;
	}
	CHECK(through == 6);
}

const struct check streams[] = {
	{ "stream-echo", echo },
	{ "stream-echo-ipv6", echo_ipv6 },
	{ "stream-shut-listener", shut_listener },
	{ "stream-half-closed", half_closed },
	{ "stream-refused", refused },
	{ "stream-reset", reset },
	{ "stream-flags", flags },
	{ "stream-large-steps", large_steps },
	{ "stream-timeouts", timeouts },
	{ "stream-urgent", urgent },
	{ "stream-sendfile", from_file },
	{ "stream-splice", through_pipe },
	{ "stream-reuse-port", reuse_port },
	{ "stream-backlog", backlog },
	{ NULL, NULL },
};
