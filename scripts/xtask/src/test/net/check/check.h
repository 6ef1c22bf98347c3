/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Checks of sockets: what the files of this program share. */
#ifndef CHECK_H
#define CHECK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Ends the case with a line that says where, what, and the last error. */
void failed(const char *file, int line, const char *what) __attribute__((noreturn));
#define CHECK(condition) ((condition) ? (void)0 : failed(__FILE__, __LINE__, #condition))
#define CHECK_ERROR(call, number) CHECK((call) == -1 && errno == (number))

/* A case runs in a process of its own. */
struct check {
	const char *name;
	void (*run)(void);
};

/* lose.c, neighbour.c, abuse.c; the status of the run. */
int abuse(void);
int lose(void);
int neighbour(void);

extern const struct check streams[], datagrams[], sharing[], limits[], rights[], sending[], closing[];

/* As many as this program may need. */
void allow_descriptors(void);
/* A socket bound to a port of the loopback address; *address says which. */
int bound(int family, int type, struct sockaddr_storage *address);
socklen_t size_of(const struct sockaddr_storage *address);
int connected_to(const struct sockaddr_storage *address);
/* Two ends of a TCP connection over the loopback device. */
void tcp_pair(int family, int ends[2]);
void send_all(int fd, const void *bytes, size_t length);
/* Reads until length bytes are there or the end; how many there are. */
size_t read_all(int fd, void *bytes, size_t length);
/* Writes bytes that depend on their position and on seed only. */
void fill(unsigned char *bytes, size_t length, unsigned int seed);
int is_ready(int fd, short events, int timeout_ms);
void set_blocking(int fd, int is_blocking);
/* Sockets that the network's server has, from /proc/net/sockstat. */
long sockets_of_server(void);
/* Memory that it could still use, KiB, from its /proc/meminfo. */
long memory_of_server(void);

#endif
