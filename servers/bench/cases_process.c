// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Cases of the kernel proper, which no server takes part in: calls, pipes, switches, processes.
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

static long run_null_call(struct context *context)
{
	for (long i = 0; i < context->operations; i++)
		syscall(SYS_getppid);
	return context->operations;
}

/* The peer of the pipe and switch cases; it lives from prepare to finish of one run. */
static pid_t peer;
static int to_peer[2], from_peer[2];

static int prepare_pipe(struct context *context)
{
	if (pipe(to_peer) != 0 || pipe(from_peer) != 0)
		return cannot(context, "cannot create pipes");
	peer = fork();
	if (peer < 0)
		return cannot(context, "cannot fork");
	if (peer == 0) {
		char byte;

		close(to_peer[1]);
		close(from_peer[0]);
		while (read(to_peer[0], &byte, 1) == 1)
			if (write(from_peer[1], &byte, 1) != 1)
				break;
		_exit(0);
	}
	close(to_peer[0]);
	close(from_peer[1]);
	return 0;
}

static long run_pipe(struct context *context)
{
	char byte = 0;

	for (long i = 0; i < context->operations; i++)
		if (write(to_peer[1], &byte, 1) != 1 || read(from_peer[0], &byte, 1) != 1)
			return -1;
	return context->operations;
}

static void finish_pipe(struct context *context)
{
	(void)context;
	close(to_peer[1]);
	close(from_peer[0]);
	if (peer > 0)
		waitpid(peer, NULL, 0);
}

/* Whose turn it is, in memory that both processes share. */
static int *turn;
enum { OURS, PEERS };

static void hand_over(int from, int to)
{
	__atomic_store_n(turn, to, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, turn, FUTEX_WAKE, 1, NULL, NULL, 0);
	while (__atomic_load_n(turn, __ATOMIC_SEQ_CST) != from)
		syscall(SYS_futex, turn, FUTEX_WAIT, to, NULL, NULL, 0);
}

static int prepare_switch(struct context *context)
{
	if (!turn)
		turn = mmap(NULL, sizeof(*turn), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (turn == MAP_FAILED)
		return cannot(context, "cannot share memory");
	*turn = OURS;
	peer = fork();
	if (peer < 0)
		return cannot(context, "cannot fork");
	if (peer == 0) {
		while (*(volatile int *)turn != PEERS)
			syscall(SYS_futex, turn, FUTEX_WAIT, OURS, NULL, NULL, 0);
		for (;;)
			hand_over(PEERS, OURS);
	}
	return 0;
}

/* Two processes wake each other and wait: one hand-over is a switch away, and one brings us back. */
static long run_switch(struct context *context)
{
	for (long i = 0; i < context->operations; i++)
		hand_over(OURS, PEERS);
	return context->operations * 2;
}

static void finish_switch(struct context *context)
{
	(void)context;
	if (peer > 0) {
		kill(peer, SIGKILL);
		waitpid(peer, NULL, 0);
	}
}

static long run_fork(struct context *context)
{
	for (long i = 0; i < context->operations; i++) {
		pid_t child = fork();

		if (child < 0)
			return -1;
		if (child == 0)
			_exit(0);
		if (waitpid(child, NULL, 0) != child)
			return -1;
	}
	return context->operations;
}

static long run_exec(struct context *context)
{
	for (long i = 0; i < context->operations; i++) {
		int status;
		pid_t child = fork();

		if (child < 0)
			return -1;
		if (child == 0) {
			execl(self_path, "sawmill-bench", "--exit", (char *)NULL);
			_exit(127);
		}
		if (waitpid(child, &status, 0) != child || status != 0)
			return -1;
	}
	return context->operations;
}

const struct bench_case process_cases[] = {
	{ .name = "getppid", .unit = "null call", .operations = 20000, .run = run_null_call },
	{ .name = "pipe", .unit = "round trip of one byte", .operations = 1000,
	  .prepare = prepare_pipe, .run = run_pipe, .finish = finish_pipe },
	{ .name = "switch", .unit = "hand-over to another process by futex", .operations = 1000,
	  .prepare = prepare_switch, .run = run_switch, .finish = finish_switch },
	{ .name = "fork", .unit = "fork, exit, wait", .operations = 40, .run = run_fork },
	{ .name = "exec", .unit = "fork, exec of a static program, wait", .operations = 20, .run = run_exec },
};
const size_t process_case_count = sizeof(process_cases) / sizeof(process_cases[0]);
