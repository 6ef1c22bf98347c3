// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Cases of sockets: between two processes of one system, over Unix sockets and over IPv4's loopback address.
 *
 * A system without IPv4 says so and skips the case.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

static pid_t peer;
/* Our end and the peer's; the peer answers each byte with a byte, or only counts bytes in the stream cases. */
static int ours = -1, theirs = -1;

static void close_ends(void)
{
	if (ours >= 0)
		close(ours);
	if (theirs >= 0)
		close(theirs);
	ours = theirs = -1;
}

static struct sockaddr_in loopback(in_port_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = port };

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return address;
}

static int name_of(int socket, struct sockaddr_in *address)
{
	socklen_t length = sizeof(*address);

	return getsockname(socket, (struct sockaddr *)address, &length);
}

static int connect_tcp(struct context *context)
{
	struct sockaddr_in address = loopback(0);
	int one = 1;
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	if (listener < 0)
		return cannot(context, "cannot open a TCP socket");
	ours = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(listener, 1) != 0 ||
	    name_of(listener, &address) != 0 || connect(ours, (struct sockaddr *)&address, sizeof(address)) != 0) {
		cannot(context, "cannot connect over TCP");
		close(listener);
		return -1;
	}
	theirs = accept(listener, NULL, NULL);
	close(listener);
	if (theirs < 0)
		return cannot(context, "cannot accept over TCP");
	setsockopt(ours, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(theirs, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return 0;
}

static int connect_udp(struct context *context)
{
	struct sockaddr_in first = loopback(0), second = loopback(0);

	ours = socket(AF_INET, SOCK_DGRAM, 0);
	if (ours < 0)
		return cannot(context, "cannot open a UDP socket");
	theirs = socket(AF_INET, SOCK_DGRAM, 0);
	if (bind(ours, (struct sockaddr *)&first, sizeof(first)) != 0 ||
	    bind(theirs, (struct sockaddr *)&second, sizeof(second)) != 0 ||
	    name_of(ours, &first) != 0 || name_of(theirs, &second) != 0 ||
	    connect(ours, (struct sockaddr *)&second, sizeof(second)) != 0 ||
	    connect(theirs, (struct sockaddr *)&first, sizeof(first)) != 0)
		return cannot(context, "cannot connect over UDP");
	return 0;
}

static int connect_unix(struct context *context)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
		return cannot(context, "cannot open Unix sockets");
	ours = pair[0];
	theirs = pair[1];
	return 0;
}

static void echo(void)
{
	char byte;

	while (recv(theirs, &byte, 1, 0) == 1)
		if (send(theirs, &byte, 1, 0) != 1)
			break;
}

/* Answers once for all bytes of a run, so that the sender knows when they have arrived. */
static void swallow(long bytes)
{
	static char buffer[65536];
	long got = 0;
	ssize_t length;

	while ((length = recv(theirs, buffer, sizeof(buffer), 0)) > 0) {
		got += length;
		if (got >= bytes) {
			got -= bytes;
			if (send(theirs, buffer, 1, 0) != 1)
				break;
		}
	}
}

static int start_peer(struct context *context, int connected, long swallowed)
{
	if (connected != 0)
		return -1;
	peer = fork();
	if (peer < 0)
		return cannot(context, "cannot fork");
	if (peer == 0) {
		close(ours);
		if (swallowed)
			swallow(swallowed);
		else
			echo();
		_exit(0);
	}
	close(theirs);
	theirs = -1;
	return 0;
}

static int prepare_unix(struct context *context)
{
	return start_peer(context, connect_unix(context), 0);
}

static int prepare_udp(struct context *context)
{
	return start_peer(context, connect_udp(context), 0);
}

static int prepare_tcp(struct context *context)
{
	return start_peer(context, connect_tcp(context), 0);
}

static int prepare_stream(struct context *context)
{
	return start_peer(context, connect_tcp(context), context->operations * RECORD_BYTES);
}

static long run_round_trip(struct context *context)
{
	char byte = 0;

	for (long i = 0; i < context->operations; i++)
		if (send(ours, &byte, 1, 0) != 1 || recv(ours, &byte, 1, 0) != 1)
			return -1;
	return context->operations;
}

static long run_stream(struct context *context)
{
	char byte;
	long left = context->operations * RECORD_BYTES;

	while (left > 0) {
		ssize_t length = send(ours, record, RECORD_BYTES < left ? RECORD_BYTES : (size_t)left, 0);

		if (length <= 0)
			return -1;
		left -= length;
	}
	return recv(ours, &byte, 1, 0) == 1 ? context->operations : -1;
}

static void finish_peer(struct context *context)
{
	(void)context;
	close_ends();
	if (peer > 0) {
		kill(peer, SIGKILL);
		waitpid(peer, NULL, 0);
	}
	peer = 0;
}

static long run_open(struct context *context)
{
	for (long i = 0; i < context->operations; i++) {
		int file = socket(AF_INET, SOCK_DGRAM, 0);

		if (file < 0) {
			cannot(context, "cannot open a UDP socket");
			return -1;
		}
		close(file);
	}
	return context->operations;
}

const struct bench_case socket_cases[] = {
	{ .name = "unix-round-trip", .unit = "round trip of one byte over Unix sockets", .operations = 500,
	  .prepare = prepare_unix, .run = run_round_trip, .finish = finish_peer },
	{ .name = "socket", .unit = "UDP socket opened and closed", .operations = 500, .run = run_open },
	{ .name = "udp-round-trip", .unit = "round trip of one byte over UDP, loopback", .operations = 300,
	  .prepare = prepare_udp, .run = run_round_trip, .finish = finish_peer },
	{ .name = "tcp-round-trip", .unit = "round trip of one byte over TCP, loopback", .operations = 300,
	  .prepare = prepare_tcp, .run = run_round_trip, .finish = finish_peer },
	{ .name = "tcp-stream", .unit = "4 KB sent over TCP, loopback", .operations = 256,
	  .prepare = prepare_stream, .run = run_stream, .finish = finish_peer },
};
const size_t socket_case_count = sizeof(socket_cases) / sizeof(socket_cases[0]);
