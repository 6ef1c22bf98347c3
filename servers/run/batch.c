// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * A command with pipes: its output becomes frames, frames become its input, with bounded buffers both ways.
 */
#include "init.h"

#define SIGNAL_DEFAULT 0
#define SIGNAL_IGNORED 1

enum { INPUT, OUTPUT, ERROR_OUTPUT, STREAMS };

/* Init's ends of the pipes; -1 when closed. */
static int ends[STREAMS];
static int command_pid;

/* Standard input that the command has not taken yet; the host keeps within the credit it was given. */
static unsigned char pending[RUN_INPUT_BUFFER_BYTES];
static unsigned int pending_length;
static int is_input_over;

static void close_end(int stream)
{
	if (ends[stream] >= 0)
		close(ends[stream]);
	ends[stream] = -1;
}

static void give_credit(unsigned int length)
{
	unsigned char bytes[4] = { length, length >> 8, length >> 16, length >> 24 };

	frame_send(RUN_CREDIT, bytes, sizeof(bytes));
}

static void feed(void)
{
	while (pending_length && ends[INPUT] >= 0) {
		long sent = my_syscall3(__NR_write, ends[INPUT], pending, pending_length);

		if (sent == -EAGAIN || sent == -EINTR)
			return;
		if (sent < 0) {
			/* The command does not want its input: take and forget what comes. */
			close_end(INPUT);
			break;
		}
		pending_length -= sent;
		memmove(pending, pending + sent, pending_length);
		give_credit(sent);
	}
	if (ends[INPUT] < 0 && pending_length) {
		give_credit(pending_length);
		pending_length = 0;
	}
	if (is_input_over && !pending_length)
		close_end(INPUT);
}

static void handle(unsigned char kind, const unsigned char *payload, unsigned int length)
{
	switch (kind) {
	case RUN_INPUT:
		if (length > sizeof(pending) - pending_length)
			length = sizeof(pending) - pending_length;
		memcpy(pending + pending_length, payload, length);
		pending_length += length;
		feed();
		break;
	case RUN_INPUT_END:
		is_input_over = 1;
		feed();
		break;
	case RUN_KILL:
		if (length == 1 && command_pid > 0)
			kill(-command_pid, payload[0]);
		break;
	}
}

/* Sends what a pipe holds; 0 when there is nothing now, -1 when it is over. */
static int forward(int stream, unsigned char kind)
{
	static unsigned char bytes[RUN_PAYLOAD_MAX];
	long got = my_syscall3(__NR_read, ends[stream], bytes, sizeof(bytes));

	if (got == -EAGAIN || got == -EINTR)
		return 0;
	if (got <= 0) {
		close_end(stream);
		return -1;
	}
	frame_send(kind, bytes, got);
	return 1;
}

/* Writing into a pipe that the command closed is an error value for init, and a signal for others. */
static void set_broken_pipe_handling(unsigned long handler)
{
	unsigned long action[4] = { handler, 0, 0, 0 };

	my_syscall4(__NR_rt_sigaction, SIGPIPE, action, NULL, 8);
}

static int make_pipes(int pipes[STREAMS][2])
{
	int stream;

	for (stream = 0; stream < STREAMS; stream++) {
		if (my_syscall2(__NR_pipe2, pipes[stream], CLOSE_ON_EXEC))
			return -1;
		ends[stream] = pipes[stream][stream == INPUT];
		my_syscall3(__NR_fcntl, ends[stream], SET_STATUS_FLAGS, NON_BLOCKING);
	}
	return 0;
}

static void start(const struct spec *spec, int pipes[STREAMS][2])
{
	setsid();
	dup2(pipes[INPUT][0], 0);
	dup2(pipes[OUTPUT][1], 1);
	dup2(pipes[ERROR_OUTPUT][1], 2);
	child_exec(spec);
}

struct outcome batch_run(const struct spec *spec)
{
	struct outcome outcome = { RUN_EXITED, 126 };
	int pipes[STREAMS][2];
	struct pollfd waits[STREAMS + 2];
	int watch, stream, is_over = 0;

	set_broken_pipe_handling(SIGNAL_IGNORED);
	if (make_pipes(pipes))
		return outcome;
	command_pid = fork();
	if (command_pid == 0) {
		set_broken_pipe_handling(SIGNAL_DEFAULT);
		start(spec, pipes);
	}
	if (command_pid < 0)
		return outcome;
	for (stream = 0; stream < STREAMS; stream++)
		close(pipes[stream][stream != INPUT]);
	give_credit(RUN_INPUT_BUFFER_BYTES);
	watch = child_watch(command_pid);
	while (!is_over) {
		waits[INPUT] = (struct pollfd){ .fd = pending_length ? ends[INPUT] : -1, .events = POLLOUT };
		waits[OUTPUT] = (struct pollfd){ .fd = ends[OUTPUT], .events = POLLIN };
		waits[ERROR_OUTPUT] = (struct pollfd){ .fd = ends[ERROR_OUTPUT], .events = POLLIN };
		waits[STREAMS] = (struct pollfd){ .fd = channel_fd(), .events = POLLIN };
		waits[STREAMS + 1] = (struct pollfd){ .fd = watch, .events = POLLIN };
		sys_poll(waits, STREAMS + 2, watch < 0 ? REAP_PACE_MS : -1);
		if (waits[STREAMS].revents & POLLIN)
			frame_receive(handle);
		if (waits[INPUT].revents)
			feed();
		if (ends[OUTPUT] >= 0 && waits[OUTPUT].revents)
			forward(OUTPUT, RUN_OUTPUT);
		if (ends[ERROR_OUTPUT] >= 0 && waits[ERROR_OUTPUT].revents)
			forward(ERROR_OUTPUT, RUN_ERROR_OUTPUT);
		is_over = child_reap(command_pid, &outcome);
	}
	/* What the command left in its pipes; a descendant that still writes is not waited for. */
	while (ends[OUTPUT] >= 0 && forward(OUTPUT, RUN_OUTPUT) > 0)
		;
	while (ends[ERROR_OUTPUT] >= 0 && forward(ERROR_OUTPUT, RUN_ERROR_OUTPUT) > 0)
		;
	return outcome;
}
