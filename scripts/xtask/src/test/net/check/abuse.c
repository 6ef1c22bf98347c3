// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Sockets used at random while their server answers nonsense: calls may fail as they like, but they end, and a program
 * that is killed is gone.
 */
#include "check.h"

#include <net/if.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <time.h>

#define PROGRAMS 24
#define AT_ONCE 3
#define SOCKETS 12
#define STEPS 250
#define PATIENCE_S 20

static const int options[][2] = {
	{ SOL_SOCKET, SO_REUSEADDR }, { SOL_SOCKET, SO_ERROR },	    { SOL_SOCKET, SO_KEEPALIVE }, { SOL_SOCKET, SO_SNDBUF },
	{ IPPROTO_TCP, TCP_NODELAY }, { IPPROTO_TCP, TCP_INFO },    { IPPROTO_IP, IP_TTL },	  { IPPROTO_IPV6, 26 },
	{ SOL_SOCKET, SO_LINGER },    { IPPROTO_IP, IP_RECVERR },
};

static void be_impatient(int fd)
{
	struct timeval patience = { .tv_usec = 30000 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
}

static int opened(void)
{
	static const int types[] = { SOCK_STREAM, SOCK_STREAM, SOCK_DGRAM, SOCK_RAW };
	int fd = random() % 8 == 0 ? socket(AF_NETLINK, SOCK_RAW, 0) :
				     socket(random() % 2 ? AF_INET : AF_INET6, types[random() % 4],
					    random() % 4 ? 0 : IPPROTO_ICMP);

	if (fd >= 0)
		be_impatient(fd);
	return fd;
}

static void message(int fd, int is_sent, int flags)
{
	static char bytes[40000], name[128], control[256];
	struct iovec pieces[2] = { { bytes, random() % sizeof(bytes) }, { bytes, random() % 100 } };
	struct msghdr message = { .msg_iov = pieces, .msg_iovlen = random() % 3 };

	if (random() % 2) {
		message.msg_name = name;
		message.msg_namelen = is_sent ? (socklen_t)random() % 40 : sizeof(name);
	}
	if (!is_sent) {
		message.msg_control = control;
		message.msg_controllen = random() % sizeof(control);
		recvmsg(fd, &message, flags);
	} else {
		sendmsg(fd, &message, flags | MSG_NOSIGNAL);
	}
}

static void step(int *fds)
{
	static const int flags[] = { 0, 0, MSG_DONTWAIT, MSG_PEEK, MSG_OOB, MSG_ERRQUEUE, MSG_TRUNC, MSG_WAITALL };
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(1 + random() % 5000),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	FILE *file;
	int *fd = &fds[random() % SOCKETS], option = random() % (sizeof(options) / sizeof(options[0]));
	struct sockaddr_storage name;
	struct ifreq request = { .ifr_name = "lo" };
	struct pollfd wait = { .fd = *fd, .events = POLLIN | POLLOUT };
	socklen_t length = sizeof(name);
	char value[200] = "";
	int number;

	switch (*fd < 0 ? 0 : random() % 18) {
	case 0:
		close(*fd);
		*fd = opened();
		break;
	case 1:
		bind(*fd, (struct sockaddr *)&address, sizeof(address));
		break;
	case 2:
		connect(*fd, (struct sockaddr *)&address, sizeof(address));
		break;
	case 3:
		listen(*fd, 5);
		number = accept(*fd, (struct sockaddr *)&name, &length);
		if (number >= 0) {
			close(*fd);
			*fd = number;
			be_impatient(number);
		}
		break;
	case 4:
		setsockopt(*fd, options[option][0], options[option][1], value, random() % 20);
		break;
	case 5:
		length = random() % sizeof(value);
		getsockopt(*fd, options[option][0], options[option][1], value, &length);
		break;
	case 6:
		getsockname(*fd, (struct sockaddr *)&name, &length);
		length = sizeof(name);
		getpeername(*fd, (struct sockaddr *)&name, &length);
		break;
	case 7:
		ioctl(*fd, SIOCGIFADDR, &request);
		ioctl(*fd, SIOCGIFFLAGS, &request);
		ioctl(*fd, FIONREAD, &number);
		ioctl(*fd, TIOCOUTQ, &number);
		break;
	case 8:
		poll(&wait, 1, 10);
		break;
	case 9:
		shutdown(*fd, random() % 3);
		break;
	case 10:
		set_blocking(*fd, random() % 2);
		break;
	case 12:
		file = fopen("/proc/net/tcp", "r");
		while (file && fgets(value, sizeof(value), file))
			;
		if (file)
			fclose(file);
		break;
	case 11: {
		struct ifreq list[8];
		struct ifconf all = { .ifc_len = sizeof(list), .ifc_req = list };

		ioctl(*fd, SIOCGIFCONF, &all);
		break;
	}
	default:
		message(*fd, random() % 2, flags[random() % 8]);
	}
}

static void program(unsigned int seed)
{
	int fds[SOCKETS];

	srandom(seed);
	for (int i = 0; i < SOCKETS; i++)
		fds[i] = opened();
	alarm(PATIENCE_S / 2);
	for (int i = 0; i < STEPS; i++)
		step(fds);
	_exit(0);
}

/* Everything ends, by itself or killed. */
int abuse(void)
{
	int killed = 0, status;

	for (unsigned int round = 0; round < PROGRAMS / AT_ONCE; round++) {
		pid_t children[AT_ONCE];
		time_t end = time(NULL) + PATIENCE_S;

		for (unsigned int i = 0; i < AT_ONCE; i++)
			if ((children[i] = fork()) == 0)
				program(round * AT_ONCE + i);
		for (unsigned int i = 0; i < AT_ONCE; i++) {
			while (waitpid(children[i], &status, WNOHANG) == 0 && time(NULL) < end)
				usleep(20000);
			if (kill(children[i], SIGKILL) == 0)
				waitpid(children[i], &status, 0);
			killed += WIFSIGNALED(status);
		}
	}
	printf("%d programs, %d killed; all have ended\n", PROGRAMS, killed);
	return 0;
}
