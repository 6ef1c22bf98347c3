// SPDX-License-Identifier: MIT OR Apache-2.0
/* What a program without privilege may do with sockets, and requests that no honest program makes. */
#include "check.h"

#include <net/if.h>
#include <sys/ioctl.h>

#ifndef IPV6_TRANSPARENT
#define IPV6_TRANSPARENT 75
#endif

#define USER 1000

static int set(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

static void become_user(void)
{
	CHECK(setgid(USER) == 0 && setuid(USER) == 0);
}

/* SO_MARK of one datagram. */
static ssize_t send_marked(int fd, const struct sockaddr_storage *to)
{
	char control[CMSG_SPACE(sizeof(int))] = "";
	struct iovec piece = { "x", 1 };
	struct msghdr message = {
		.msg_name = (void *)to,
		.msg_namelen = size_of(to),
		.msg_iov = &piece,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SO_MARK;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	return sendmsg(fd, &message, 0);
}

static void without_raw(void)
{
	struct sockaddr_storage address;
	int receiver = bound(AF_INET, SOCK_DGRAM, &address), datagram = socket(AF_INET, SOCK_DGRAM, 0);
	int stream = socket(AF_INET, SOCK_STREAM, 0), six = socket(AF_INET6, SOCK_DGRAM, 0);
	unsigned char nothing[8] = { 0, 0, 1, 4 };

	CHECK(set(stream, SOL_IP, IP_TRANSPARENT, 1) == 0 && set(stream, SOL_IP, IP_TRANSPARENT, 0) == 0);
	CHECK(send_marked(datagram, &address) == 1);
	become_user();
	CHECK_ERROR(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), EPERM);
	CHECK_ERROR(set(stream, SOL_IP, IP_TRANSPARENT, 1), EPERM);
	CHECK_ERROR(set(six, SOL_IPV6, IPV6_TRANSPARENT, 1), EPERM);
	CHECK_ERROR(setsockopt(six, SOL_IPV6, IPV6_HOPOPTS, nothing, sizeof(nothing)), EPERM);
	CHECK_ERROR(set(stream, SOL_SOCKET, SO_MARK, 1), EPERM);
	CHECK(set(stream, SOL_TCP, TCP_NODELAY, 1) == 0);
	/* Once bound to a device it stays there. */
	CHECK(setsockopt(stream, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) == 0);
	CHECK_ERROR(setsockopt(stream, SOL_SOCKET, SO_BINDTODEVICE, "", 0), EPERM);
	CHECK_ERROR(send_marked(datagram, &address), EPERM);
	close(receiver);
}

static void port_of_another(void)
{
	struct sockaddr_storage address;
	int first = bound(AF_INET, SOCK_STREAM, &address), second;

	close(first);
	first = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(set(first, SOL_SOCKET, SO_REUSEPORT, 1) == 0);
	CHECK(bind(first, (struct sockaddr *)&address, size_of(&address)) == 0 && listen(first, 1) == 0);
	become_user();
	second = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(set(second, SOL_SOCKET, SO_REUSEPORT, 1) == 0);
	CHECK_ERROR(bind(second, (struct sockaddr *)&address, size_of(&address)), EADDRINUSE);
}

/* The owner of the socket bound to a port, from /proc/net/tcp. */
static long owner_of(const struct sockaddr_storage *address)
{
	unsigned int wanted = ntohs(((const struct sockaddr_in *)address)->sin_port), port;
	FILE *file = fopen("/proc/net/tcp", "r");
	char line[512];
	long owner = -1, found;

	CHECK(file != NULL);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, " %*d: %*x:%x %*x:%*x %*x %*x:%*x %*x:%*x %*x %ld", &port, &found) == 2 && port == wanted)
			owner = found;
	fclose(file);
	return owner;
}

static void owner(void)
{
	struct sockaddr_storage address;

	become_user();
	CHECK(listen(bound(AF_INET, SOCK_STREAM, &address), 1) == 0);
	CHECK(owner_of(&address) == USER);
}

static void lengths(void)
{
	struct ifreq list[8];
	struct ifconf request = { .ifc_len = -1, .ifc_req = list };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), whole;

	CHECK(ioctl(fd, SIOCGIFCONF, &request) == 0 && request.ifc_len == 0);
	request.ifc_len = sizeof(list[0]) + 3;
	CHECK(ioctl(fd, SIOCGIFCONF, &request) == 0 && request.ifc_len == sizeof(list[0]));
	CHECK(!strcmp(list[0].ifr_name, "lo"));
	/* How much there is, and through a socket that has no network. */
	request.ifc_req = NULL;
	CHECK(ioctl(fd, SIOCGIFCONF, &request) == 0);
	whole = request.ifc_len;
	request.ifc_len = sizeof(list);
	request.ifc_req = list;
	CHECK(ioctl(socket(AF_UNIX, SOCK_STREAM, 0), SIOCGIFCONF, &request) == 0 && request.ifc_len == whole);
}

/* The device that a socket is bound to, as the network's server knows it. */
static void device(void)
{
	unsigned int index = if_nametoindex("lo"), found = 0;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	char name[IFNAMSIZ] = "?";
	socklen_t length = sizeof(name);

	CHECK(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &length) == 0 && length == 0);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) == 0);
	length = sizeof(name);
	CHECK(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &length) == 0 && length == 3 && !strcmp(name, "lo"));
	length = sizeof(found);
	CHECK(index > 0 && getsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &found, &length) == 0 && found == index);
	length = 2;
	CHECK_ERROR(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &length), EINVAL);
}

const struct check rights[] = {
	{ "rights-without-raw", without_raw },
	{ "rights-port-of-another", port_of_another },
	{ "rights-owner", owner },
	{ "device-of-socket", device },
	{ "lengths-of-lists", lengths },
	{ NULL, NULL },
};
