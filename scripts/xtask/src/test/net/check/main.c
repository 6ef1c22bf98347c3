// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Checks of sockets over the loopback device, each in a process of its own.
 *
 *   check            runs all; a line for each, and a last one that counts
 *   check NAME...    runs these
 *   check abuse      uses sockets at random, of a server that answers nonsense
 *   check neighbour  meets the same program in another partition
 *   check lose       uses sockets and files until the network's server dies, and afterwards
 */
#include "check.h"

#include <sys/resource.h>

#define LIMIT_S 120

void failed(const char *file, int line, const char *what)
{
	int error = errno;

	printf("  %s:%d: %s (last error: %s)\n", strrchr(file, '/') ? strrchr(file, '/') + 1 : file, line, what,
	       strerror(error));
	fflush(stdout);
	_exit(1);
}

void allow_descriptors(void)
{
	struct rlimit limit = { 8192, 8192 };

	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

socklen_t size_of(const struct sockaddr_storage *address)
{
	return address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

int bound(int family, int type, struct sockaddr_storage *address)
{
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)address;
	struct sockaddr_in *four = (struct sockaddr_in *)address;
	socklen_t length = sizeof(*address);
	int fd = socket(family, type, 0);

	CHECK(fd >= 0);
	memset(address, 0, sizeof(*address));
	address->ss_family = family;
	if (family == AF_INET6)
		six->sin6_addr = in6addr_loopback;
	else
		four->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK(bind(fd, (struct sockaddr *)address, size_of(address)) == 0);
	CHECK(getsockname(fd, (struct sockaddr *)address, &length) == 0 && length == size_of(address));
	return fd;
}

int connected_to(const struct sockaddr_storage *address)
{
	int fd = socket(address->ss_family, SOCK_STREAM, 0);

	CHECK(fd >= 0);
	CHECK(connect(fd, (const struct sockaddr *)address, size_of(address)) == 0);
	return fd;
}

void tcp_pair(int family, int ends[2])
{
	struct sockaddr_storage address;
	int listener = bound(family, SOCK_STREAM, &address), one = 1;

	CHECK(listen(listener, 4) == 0);
	ends[0] = connected_to(&address);
	ends[1] = accept(listener, NULL, NULL);
	CHECK(ends[1] >= 0);
	setsockopt(ends[0], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(ends[1], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	close(listener);
}

void send_all(int fd, const void *bytes, size_t length)
{
	const char *at = bytes;

	while (length) {
		ssize_t sent = send(fd, at, length, MSG_NOSIGNAL);

		CHECK(sent > 0);
		at += sent;
		length -= sent;
	}
}

size_t read_all(int fd, void *bytes, size_t length)
{
	size_t filled = 0;
	ssize_t got;

	while (filled < length && (got = read(fd, (char *)bytes + filled, length - filled)) != 0) {
		CHECK(got > 0);
		filled += got;
	}
	return filled;
}

void fill(unsigned char *bytes, size_t length, unsigned int seed)
{
	for (size_t i = 0; i < length; i++)
		bytes[i] = ((i + seed) * 2654435761u) >> 21;
}

int is_ready(int fd, short events, int timeout_ms)
{
	struct pollfd wait = { .fd = fd, .events = events };

	CHECK(poll(&wait, 1, timeout_ms) >= 0);
	return wait.revents;
}

void set_blocking(int fd, int is_blocking)
{
	CHECK(fcntl(fd, F_SETFL, is_blocking ? 0 : O_NONBLOCK) == 0);
}

long sockets_of_server(void)
{
	FILE *file = fopen("/proc/net/sockstat", "r");
	long count = -1;

	CHECK(file && fscanf(file, "sockets: used %ld", &count) == 1);
	fclose(file);
	return count;
}

long memory_of_server(void)
{
	FILE *file = fopen("/proc/net/server_meminfo", "r");
	long count = -1;
	char line[128];

	CHECK(file != NULL);
	while (count < 0 && fgets(line, sizeof(line), file))
		sscanf(line, "MemAvailable: %ld", &count);
	fclose(file);
	CHECK(count > 0);
	return count;
}

static int run(const struct check *check)
{
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		alarm(LIMIT_S);
		check->run();
		fflush(stdout);
		_exit(0);
	}
	waitpid(child, &status, 0);
	if (status == 0)
		printf("ok %s\n", check->name);
	else
		printf("FAILED %s (%s %d)\n", check->name, WIFSIGNALED(status) ? "signal" : "status",
		       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	fflush(stdout);
	return status != 0;
}

int main(int count, char **names)
{
	const struct check *lists[] = { streams, datagrams, sharing, limits, rights, sending, closing };
	int passed = 0, bad = 0;

	if (count == 2 && !strcmp(names[1], "abuse"))
		return abuse();
	if (count == 2 && !strcmp(names[1], "lose"))
		return lose();
	if (count == 2 && !strcmp(names[1], "neighbour"))
		return neighbour();
	for (size_t list = 0; list < sizeof(lists) / sizeof(lists[0]); list++)
		for (const struct check *check = lists[list]; check->name; check++) {
			int is_wanted = count < 2;

			for (int name = 1; name < count; name++)
				is_wanted |= !strcmp(check->name, names[name]);
			if (!is_wanted)
				continue;
			if (run(check))
				bad++;
			else
				passed++;
		}
	printf("%d passed, %d failed\n", passed, bad);
	return bad != 0;
}
