// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * A command on the terminal: its own session with a controlling terminal, so that job control and Ctrl-C work.
 */
#include "init.h"

static int terminal = -1;
static int shell_pid;

static void set_size(int rows, int columns)
{
	struct winsize size = { .ws_row = rows, .ws_col = columns };

	my_syscall3(__NR_ioctl, terminal, TIOCSWINSZ, &size);
}

static void handle(unsigned char kind, const unsigned char *payload, unsigned int length)
{
	if (kind == RUN_TERMINAL_SIZE && length == 4)
		set_size(payload[0] | payload[1] << 8, payload[2] | payload[3] << 8);
	if (kind == RUN_KILL && length == 1 && shell_pid > 0)
		kill(shell_pid, payload[0]);
}

static void start(const struct spec *spec)
{
	int fd;

	setsid();
	fd = open(spec->terminal, O_RDWR);
	if (fd < 0)
		exit(126);
	my_syscall3(__NR_ioctl, fd, TIOCSCTTY, 1);
	dup2(fd, 0);
	dup2(fd, 1);
	dup2(fd, 2);
	if (fd > 2)
		close(fd);
	child_exec(spec);
}

struct outcome interactive_run(const struct spec *spec)
{
	struct outcome outcome = { RUN_EXITED, 126 };
	struct pollfd waits[2];
	int watch;

	terminal = open(spec->terminal, O_RDWR | O_NOCTTY);
	if (terminal < 0)
		return outcome;
	my_syscall3(__NR_fcntl, terminal, SET_DESCRIPTOR_FLAGS, CLOSE_ON_EXEC_FLAG);
	set_size(spec->rows, spec->columns);
	shell_pid = fork();
	if (shell_pid == 0)
		start(spec);
	watch = child_watch(shell_pid);
	while (shell_pid > 0) {
		waits[0] = (struct pollfd){ .fd = channel_fd(), .events = POLLIN };
		waits[1] = (struct pollfd){ .fd = watch, .events = POLLIN };
		sys_poll(waits, 2, watch < 0 ? REAP_PACE_MS : -1);
		if (waits[0].revents & POLLIN)
			frame_receive(handle);
		if (child_reap(shell_pid, &outcome))
			break;
	}
	my_syscall3(__NR_ioctl, terminal, TCSBRK, 1);
	close(terminal);
	return outcome;
}
