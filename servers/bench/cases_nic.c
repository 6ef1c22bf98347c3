// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Cases of sockets through the NIC, with a peer outside of the machine that `xtask bench` runs (`--peer`).
 *
 * The peer's TCP port takes a command byte: 'S' and a number N swallows N bytes, then answers one byte, again and
 * again; 'G' and N: for each byte it gets it sends N bytes; 'E' sends back what comes. Its UDP port sends back.
 * Waiting for the peer is no work of this machine, so `busy` counts in these cases.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "bench.h"

#define MB (1024L * 1024L)
#define SENDFILE_BYTES (16 * MB)
/* A datagram that was lost, and a peer that is gone, must not hold the rest up. */
#define PATIENCE_S 1

const char *peer_address;

static int line = -1;
static char buffer[65536];

static int resolve(struct context *context, struct sockaddr_in *address)
{
	char host[64];
	const char *colon = peer_address ? strchr(peer_address, ':') : NULL;

	memset(address, 0, sizeof(*address));
	address->sin_family = AF_INET;
	if (!colon || (size_t)(colon - peer_address) >= sizeof(host)) {
		snprintf(context->reason, sizeof(context->reason), "no peer outside (xtask bench --nic)");
		return -1;
	}
	memcpy(host, peer_address, (size_t)(colon - peer_address));
	host[colon - peer_address] = 0;
	address->sin_port = htons((uint16_t)atoi(colon + 1));
	return inet_pton(AF_INET, host, &address->sin_addr) == 1 ? 0 : cannot(context, "the peer's address");
}

static int reach(struct context *context, int type)
{
	struct sockaddr_in address;
	struct timeval patience = { .tv_sec = PATIENCE_S };
	int one = 1;

	if (resolve(context, &address) != 0)
		return -1;
	line = socket(AF_INET, type, 0);
	if (line < 0)
		return cannot(context, "cannot open a socket");
	setsockopt(line, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(line, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (type == SOCK_STREAM)
		setsockopt(line, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(line, (struct sockaddr *)&address, sizeof(address)) != 0)
		return cannot(context, "cannot reach the peer");
	return 0;
}

static int order(struct context *context, char command, long bytes)
{
	char text[32];
	int length = snprintf(text, sizeof(text), "%c%ld\n", command, bytes);

	if (reach(context, SOCK_STREAM) != 0)
		return -1;
	return send(line, text, (size_t)length, 0) == length ? 0 : cannot(context, "cannot send to the peer");
}

static int prepare_out(struct context *context)
{
	return order(context, 'S', context->operations * MB);
}

static int prepare_in(struct context *context)
{
	return order(context, 'G', context->operations * MB);
}

static int prepare_echo(struct context *context)
{
	return order(context, 'E', 0);
}

static int prepare_udp(struct context *context)
{
	return reach(context, SOCK_DGRAM);
}

static int prepare_reachable(struct context *context)
{
	int error = prepare_echo(context);

	if (line >= 0)
		close(line);
	line = -1;
	return error;
}

static int prepare_sendfile(struct context *context)
{
	if (make_file(context, "data", SENDFILE_BYTES) != 0)
		return -1;
	return order(context, 'S', SENDFILE_BYTES);
}

static long run_out(struct context *context)
{
	for (long left = context->operations * MB; left > 0; ) {
		ssize_t done = send(line, buffer, sizeof(buffer), 0);

		if (done <= 0)
			return -1;
		left -= done;
	}
	return recv(line, buffer, 1, 0) == 1 ? context->operations : -1;
}

static long run_in(struct context *context)
{
	if (send(line, buffer, 1, 0) != 1)
		return -1;
	for (long left = context->operations * MB; left > 0; ) {
		ssize_t done = recv(line, buffer, sizeof(buffer), 0);

		if (done <= 0)
			return -1;
		left -= done;
	}
	return context->operations;
}

static long run_round_trip(struct context *context)
{
	for (long i = 0; i < context->operations; i++)
		if (send(line, buffer, 1, 0) != 1 || recv(line, buffer, 1, 0) != 1)
			return -1;
	return context->operations;
}

static long run_connect(struct context *context)
{
	for (long i = 0; i < context->operations; i++) {
		if (reach(context, SOCK_STREAM) != 0)
			return -1;
		close(line);
		line = -1;
	}
	return context->operations;
}

static long run_sendfile(struct context *context)
{
	off_t offset = 0;

	while (offset < SENDFILE_BYTES)
		if (sendfile(line, context->file, &offset, (size_t)(SENDFILE_BYTES - offset)) <= 0)
			return -1;
	return recv(line, buffer, 1, 0) == 1 ? SENDFILE_BYTES / MB : -1;
}

static void finish(struct context *context)
{
	if (line >= 0)
		close(line);
	line = -1;
	close_file(context);
}

const struct bench_case nic_cases[] = {
	{ .name = "nic-tcp-out", .unit = "1 MB sent over TCP through the NIC", .operations = 1, .is_waiting = 1,
	  .prepare = prepare_out, .run = run_out, .finish = finish },
	{ .name = "nic-tcp-in", .unit = "1 MB received over TCP through the NIC", .operations = 1, .is_waiting = 1,
	  .prepare = prepare_in, .run = run_in, .finish = finish },
	{ .name = "nic-tcp-round-trip", .unit = "round trip of one byte over TCP through the NIC", .operations = 100,
	  .is_waiting = 1, .prepare = prepare_echo, .run = run_round_trip, .finish = finish },
	{ .name = "nic-udp-round-trip", .unit = "round trip of one byte over UDP through the NIC", .operations = 100,
	  .is_waiting = 1, .prepare = prepare_udp, .run = run_round_trip, .finish = finish },
	{ .name = "nic-connect", .unit = "TCP connection through the NIC made and closed", .operations = 50,
	  .is_waiting = 1, .prepare = prepare_reachable, .run = run_connect, .finish = finish },
	{ .name = "nic-sendfile", .unit = "1 MB of a cached 16 MB file sent by sendfile through the NIC",
	  .operations = 1, .is_waiting = 1, .prepare = prepare_sendfile, .run = run_sendfile, .finish = finish },
};
const size_t nic_case_count = sizeof(nic_cases) / sizeof(nic_cases[0]);
