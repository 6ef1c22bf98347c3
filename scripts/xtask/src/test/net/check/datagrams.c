// SPDX-License-Identifier: MIT OR Apache-2.0
/* Datagrams: UDP over IPv4 and IPv6, ping sockets, what rights decide. */
#include "check.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/ip_icmp.h>
#include <sys/ioctl.h>

static void exchange_over(int family)
{
	struct sockaddr_storage first, second, from;
	socklen_t length = sizeof(from);
	int ours = bound(family, SOCK_DGRAM, &first), theirs = bound(family, SOCK_DGRAM, &second);
	char bytes[32];

	for (int i = 0; i < 50; i++) {
		CHECK(sendto(ours, &i, sizeof(i), 0, (struct sockaddr *)&second, size_of(&second)) == sizeof(i));
		CHECK(recvfrom(theirs, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &length) == sizeof(i));
		CHECK(length == size_of(&first) && !memcmp(&from, &first, 8) && !memcmp(bytes, &i, sizeof(i)));
	}
	CHECK(sendto(ours, NULL, 0, 0, (struct sockaddr *)&second, size_of(&second)) == 0);
	CHECK(recv(theirs, bytes, sizeof(bytes), 0) == 0);
}

static void exchange(void)
{
	exchange_over(AF_INET);
}

static void exchange_ipv6(void)
{
	exchange_over(AF_INET6);
}

static void sizes(void)
{
	static unsigned char out[65507], in[65536];
	struct sockaddr_storage address;
	int to = bound(AF_INET, SOCK_DGRAM, &address), from = socket(AF_INET, SOCK_DGRAM, 0);

	CHECK(connect(from, (struct sockaddr *)&address, size_of(&address)) == 0);
	fill(out, sizeof(out), 1);
	for (size_t length = 1; length <= sizeof(out); length = length * 3 + 17) {
		CHECK(send(from, out, length, 0) == (ssize_t)length);
		CHECK(recv(to, in, sizeof(in), MSG_PEEK) == (ssize_t)length);
		CHECK(recv(to, in, sizeof(in), 0) == (ssize_t)length && !memcmp(in, out, length));
	}
	CHECK(send(from, out, sizeof(out), 0) == sizeof(out));
	CHECK(recv(to, in, 10, MSG_TRUNC) == sizeof(out));
	CHECK_ERROR(send(from, in, sizeof(out) + 1, 0), EMSGSIZE);
	CHECK_ERROR(recv(to, in, 1, MSG_DONTWAIT), EAGAIN);
}

/* What ICMP says reaches a connected socket. */
static void unreachable(void)
{
	struct sockaddr_storage address;
	char byte = 0;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	close(bound(AF_INET, SOCK_DGRAM, &address));
	CHECK(connect(fd, (struct sockaddr *)&address, size_of(&address)) == 0);
	CHECK(send(fd, &byte, 1, 0) == 1);
	CHECK(is_ready(fd, POLLIN, 2000) & (POLLERR | POLLIN));
	CHECK_ERROR(recv(fd, &byte, 1, 0), ECONNREFUSED);
}

/* And the next send of one that does not wait for it; the one after that is sent. */
static void refused_later(void)
{
	struct sockaddr_storage address;
	char byte = 0;
	int fd = socket(AF_INET, SOCK_DGRAM, 0), error = 0;
	socklen_t length = sizeof(error);

	close(bound(AF_INET, SOCK_DGRAM, &address));
	CHECK(connect(fd, (struct sockaddr *)&address, size_of(&address)) == 0);
	for (int i = 0; i < 3; i++) {
		CHECK(send(fd, &byte, 1, 0) == 1);
		CHECK_ERROR(send(fd, &byte, 1, 0), ECONNREFUSED);
	}
	CHECK(send(fd, &byte, 1, 0) == 1);
	CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == ECONNREFUSED);
	CHECK_ERROR(recv(fd, &byte, 1, MSG_DONTWAIT), EAGAIN);
}

/* Control data comes along: the address that a datagram was sent to. */
static void control(void)
{
	char space[128], byte = 5;
	struct iovec piece = { &byte, 1 };
	struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1, .msg_control = space,
				  .msg_controllen = sizeof(space) };
	struct sockaddr_storage address;
	int to = bound(AF_INET, SOCK_DGRAM, &address), from = socket(AF_INET, SOCK_DGRAM, 0), one = 1;
	struct cmsghdr *header;

	CHECK(setsockopt(to, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one)) == 0);
	CHECK(sendto(from, &byte, 1, 0, (struct sockaddr *)&address, size_of(&address)) == 1);
	CHECK(recvmsg(to, &message, 0) == 1);
	header = CMSG_FIRSTHDR(&message);
	CHECK(header && header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO);
	CHECK(((struct in_pktinfo *)CMSG_DATA(header))->ipi_addr.s_addr == htonl(INADDR_LOOPBACK));
}

static int peek_offset_of(int fd)
{
	socklen_t length = sizeof(int);
	int value = 0;

	CHECK(getsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &value, &length) == 0);
	return value;
}

static ssize_t peek(int fd, char *bytes, size_t length)
{
	return recv(fd, bytes, length, MSG_PEEK | MSG_DONTWAIT);
}

/* SO_PEEK_OFF: each look goes on where the last one ended, reading moves it back. */
static void peek_offset(void)
{
	struct sockaddr_storage address;
	int to = bound(AF_INET, SOCK_DGRAM, &address), from = socket(AF_INET, SOCK_DGRAM, 0), zero = 0, off = -1, five = 5;
	int stream = socket(AF_INET, SOCK_STREAM, 0);
	char bytes[16] = "";

	CHECK(peek_offset_of(to) == -1);
	CHECK_ERROR(setsockopt(stream, SOL_SOCKET, SO_PEEK_OFF, &zero, sizeof(zero)), EOPNOTSUPP);
	CHECK(connect(from, (struct sockaddr *)&address, size_of(&address)) == 0);
	CHECK(send(from, "abcdef", 6, 0) == 6 && send(from, "", 0, 0) == 0 && send(from, "xyz", 3, 0) == 3);
	/* Here they need not have arrived yet. */
	usleep(50000);
	CHECK(peek(to, bytes, 4) == 4 && peek(to, bytes, 4) == 4 && !memcmp(bytes, "abcd", 4));
	CHECK(setsockopt(to, SOL_SOCKET, SO_PEEK_OFF, &zero, sizeof(zero)) == 0 && peek_offset_of(to) == 0);
	CHECK(peek(to, bytes, 4) == 4 && !memcmp(bytes, "abcd", 4) && peek_offset_of(to) == 4);
	CHECK(peek(to, bytes, 4) == 2 && !memcmp(bytes, "ef", 2) && peek_offset_of(to) == 6);
	CHECK(peek(to, bytes, 4) == 0 && peek_offset_of(to) == 6);
	CHECK(peek(to, bytes, 4) == 3 && !memcmp(bytes, "xyz", 3) && peek_offset_of(to) == 9);
	CHECK(peek(to, bytes, 4) == -1 && errno == EAGAIN);
	if (fork() == 0) {
		usleep(100000);
		CHECK(send(from, "later", 5, 0) == 5);
		_exit(0);
	}
	CHECK(recv(to, bytes, sizeof(bytes), MSG_PEEK) == 5 && !memcmp(bytes, "later", 5) && peek_offset_of(to) == 14);
	wait(NULL);
	CHECK(recv(to, bytes, sizeof(bytes), 0) == 6 && !memcmp(bytes, "abcdef", 6) && peek_offset_of(to) == 8);
	CHECK(setsockopt(to, SOL_SOCKET, SO_PEEK_OFF, &five, sizeof(five)) == 0);
	CHECK(recv(to, bytes, sizeof(bytes), 0) == 0);
	CHECK(peek(to, bytes, 2) == 2 && !memcmp(bytes, "te", 2) && peek_offset_of(to) == 7);
	CHECK(setsockopt(to, SOL_SOCKET, SO_PEEK_OFF, &off, sizeof(off)) == 0);
	CHECK(peek(to, bytes, 4) == 3 && recv(to, bytes, 4, 0) == 3 && recv(to, bytes, 5, 0) == 5);
	CHECK(!memcmp(bytes, "later", 5) && peek_offset_of(to) == -1);
}

static void echo_request(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct icmphdr request = { .type = ICMP_ECHO }, answer;
	int fd = socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);

	CHECK(fd >= 0);
	CHECK(sendto(fd, &request, sizeof(request), 0, (struct sockaddr *)&address, sizeof(address)) > 0);
	CHECK(is_ready(fd, POLLIN, 2000) & POLLIN);
	CHECK(recv(fd, &answer, sizeof(answer), 0) == sizeof(answer) && answer.type == ICMP_ECHOREPLY);
}

/* Users without privilege get neither low ports nor raw sockets. */
static void users(void)
{
	struct sockaddr_in low = { .sin_family = AF_INET, .sin_port = htons(80) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	CHECK(setuid(65534) == 0);
	CHECK_ERROR(bind(fd, (struct sockaddr *)&low, sizeof(low)), EACCES);
	CHECK_ERROR(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), EPERM);
}

/* This partition may not configure the network, whoever asks in it. */
static void no_right(void)
{
	struct {
		struct nlmsghdr header;
		struct ifaddrmsg address;
		struct rtattr attribute;
		in_addr_t value;
	} request = {
		.header = { sizeof(request), RTM_NEWADDR, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE, 1, 0 },
		.address = { .ifa_family = AF_INET, .ifa_prefixlen = 8, .ifa_index = 1 },
		.attribute = { 8, IFA_LOCAL },
		.value = htonl(0x7f000009),
	};
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
	} answer;
	int netlink = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct ifreq interface = { .ifr_name = "lo" };
	struct sockaddr_in *address = (struct sockaddr_in *)&interface.ifr_addr;

	CHECK(send(netlink, &request, sizeof(request), 0) == sizeof(request));
	CHECK(recv(netlink, &answer, sizeof(answer), 0) >= (ssize_t)sizeof(answer));
	CHECK(answer.header.nlmsg_type == NLMSG_ERROR && answer.error.error == -EPERM);
	address->sin_family = AF_INET;
	address->sin_addr.s_addr = htonl(0x7f000009);
	CHECK_ERROR(ioctl(fd, SIOCSIFADDR, &interface), EPERM);
	CHECK_ERROR(ioctl(fd, SIOCSIFFLAGS, &interface), EPERM);
}

const struct check datagrams[] = {
	{ "datagram-exchange", exchange },
	{ "datagram-exchange-ipv6", exchange_ipv6 },
	{ "datagram-sizes", sizes },
	{ "datagram-unreachable", unreachable },
	{ "datagram-refused-later", refused_later },
	{ "datagram-control", control },
	{ "datagram-peek-offset", peek_offset },
	{ "datagram-ping", echo_request },
	{ "rights-of-users", users },
	{ "rights-of-partition", no_right },
	{ NULL, NULL },
};
