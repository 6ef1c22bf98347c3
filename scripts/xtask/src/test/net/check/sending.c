// SPDX-License-Identifier: MIT OR Apache-2.0
/* Options that change how data is sent: TCP_NODELAY, SO_ZEROCOPY. Stock Linux passes these checks, too. */
#include "check.h"

#include <linux/errqueue.h>

#define LARGE 300000

static int nodelay_of(int fd)
{
	socklen_t length = sizeof(int);
	int value = -1;

	CHECK(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &length) == 0 && length == sizeof(value));
	return value;
}

static int set_nodelay(int fd, int value)
{
	return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, sizeof(value));
}

/* It is what was set last: before and after connect, on a listener, whose connections take it over. */
static void nodelay(void)
{
	struct sockaddr_storage address;
	int listener = bound(AF_INET, SOCK_STREAM, &address), fd = socket(AF_INET, SOCK_STREAM, 0), end;
	char small = 1;

	CHECK(nodelay_of(fd) == 0);
	CHECK(set_nodelay(fd, 1) == 0 && nodelay_of(fd) == 1);
	CHECK(set_nodelay(fd, 0) == 0 && nodelay_of(fd) == 0);
	CHECK(set_nodelay(fd, 7) == 0);
	CHECK_ERROR(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &small, sizeof(small)), EINVAL);
	CHECK_ERROR(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, NULL, sizeof(int)), EFAULT);
	CHECK(set_nodelay(listener, 1) == 0);
	CHECK(listen(listener, 4) == 0);
	CHECK(connect(fd, (struct sockaddr *)&address, size_of(&address)) == 0);
	CHECK(nodelay_of(fd) == 1);
	end = accept(listener, NULL, NULL);
	CHECK(end >= 0 && nodelay_of(end) == 1);
	CHECK(set_nodelay(listener, 0) == 0);
	close(connected_to(&address));
	close(end);
	end = accept(listener, NULL, NULL);
	CHECK(end >= 0 && nodelay_of(end) == 0);
	CHECK_ERROR(set_nodelay(socket(AF_INET, SOCK_DGRAM, 0), 1), ENOPROTOOPT);
}

/* Reads what the error queue says of sends with MSG_ZEROCOPY until that of number last is there. */
static void expect_notices(int fd, unsigned int last)
{
	unsigned int next = 0;

	while (next <= last) {
		char control[128];
		struct msghdr message = { .msg_control = control, .msg_controllen = sizeof(control) };
		struct sock_extended_err *notice;
		struct cmsghdr *header;

		CHECK(is_ready(fd, 0, 2000) & POLLERR);
		CHECK(recvmsg(fd, &message, MSG_ERRQUEUE) == 0 && message.msg_flags & MSG_ERRQUEUE);
		header = CMSG_FIRSTHDR(&message);
		CHECK(header && (header->cmsg_level == SOL_IP ? header->cmsg_type == IP_RECVERR :
			header->cmsg_level == SOL_IPV6 && header->cmsg_type == IPV6_RECVERR));
		notice = (struct sock_extended_err *)CMSG_DATA(header);
		CHECK(notice->ee_origin == SO_EE_ORIGIN_ZEROCOPY && notice->ee_errno == 0);
		/* Nothing leaves the machine, so Linux copies, as we do. */
		CHECK(notice->ee_code == SO_EE_CODE_ZEROCOPY_COPIED);
		/* A range, and neighbours may be told together. */
		CHECK(notice->ee_info == next && notice->ee_data >= next && notice->ee_data <= last);
		next = notice->ee_data + 1;
	}
	CHECK(!(is_ready(fd, 0, 0) & POLLERR));
	CHECK_ERROR(recv(fd, &next, 1, MSG_ERRQUEUE | MSG_DONTWAIT), EAGAIN);
}

static void zerocopy(int family)
{
	static unsigned char out[LARGE], in[LARGE];
	int ends[2], one = 1;

	tcp_pair(family, ends);
	/* Not asked for: the flag means nothing. */
	CHECK(send(ends[0], "hello", 5, MSG_ZEROCOPY) == 5 && read_all(ends[1], in, 5) == 5);
	CHECK(!(is_ready(ends[0], 0, 0) & POLLERR));
	CHECK(setsockopt(ends[0], SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)) == 0);
	fill(out, sizeof(out), 1);
	if (fork() == 0) {
		CHECK(send(ends[0], out, 5, MSG_ZEROCOPY) == 5);
		/* Without the flag there is no number for it. */
		CHECK(send(ends[0], out + 5, 5, 0) == 5);
		for (size_t sent = 10; sent < sizeof(out);) {
			ssize_t part = send(ends[0], out + sent, sizeof(out) - sent, MSG_ZEROCOPY);

			CHECK(part == (ssize_t)(sizeof(out) - sent));
			sent += part;
		}
		expect_notices(ends[0], 1);
		_exit(0);
	}
	CHECK(read_all(ends[1], in, sizeof(in)) == sizeof(in) && !memcmp(in, out, sizeof(in)));
	CHECK(wait(&one) > 0 && one == 0);
}

static void zerocopy_stream(void)
{
	zerocopy(AF_INET);
}

static void zerocopy_ipv6(void)
{
	zerocopy(AF_INET6);
}

static void zerocopy_datagram(void)
{
	struct sockaddr_storage address;
	int from = socket(AF_INET, SOCK_DGRAM, 0), to = bound(AF_INET, SOCK_DGRAM, &address), one = 1;
	char bytes[2000] = "";

	CHECK(setsockopt(from, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)) == 0);
	for (int number = 0; number < 3; number++) {
		CHECK(sendto(from, bytes, sizeof(bytes), MSG_ZEROCOPY, (struct sockaddr *)&address,
			     size_of(&address)) == sizeof(bytes));
		CHECK(recv(to, bytes, sizeof(bytes), 0) == sizeof(bytes));
	}
	expect_notices(from, 2);
}

const struct check sending[] = {
	{ "sending-nodelay", nodelay },
	{ "sending-zerocopy-stream", zerocopy_stream },
	{ "sending-zerocopy-ipv6", zerocopy_ipv6 },
	{ "sending-zerocopy-datagram", zerocopy_datagram },
	{ NULL, NULL },
};
