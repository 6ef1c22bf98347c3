/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * sm-init: the first process of the app partition.
 *
 * It mounts the root, runs one command on the terminal or with pipes, tells the host how it went over
 * the run channel (run.h), puts the file systems in order and powers off. It is built against nolibc.
 */
#ifndef SAWMILL_INIT_H
#define SAWMILL_INIT_H

#include <asm/termbits.h>
#include <asm/termios.h>
#include <asm/ioctls.h>
#include "run.h"

#define ROOT "/newroot"
#define ARGUMENTS_MAX 512

/* Linux's numbers that nolibc leaves out. */
#define CLOSE_ON_EXEC 02000000
#define NON_BLOCKING 04000
#define SET_DESCRIPTOR_FLAGS 2	/* fcntl commands */
#define SET_STATUS_FLAGS 4
#define CLOSE_ON_EXEC_FLAG 1

/* What the host wants done (spec.c). */
struct spec {
	const char *type;	/* of the root's file system */
	const char *source;
	const char *terminal;	/* device files */
	const char *channel;
	int rows, columns;	/* 0: no terminal, pipes */
	char *argv[ARGUMENTS_MAX + 1];
	char *env[ARGUMENTS_MAX + 1];
};

/* How the command ended. */
struct outcome {
	unsigned char kind;	/* RUN_EXITED or RUN_SIGNALED */
	unsigned char value;
};

/* spec.c: reads /spec; NULL or what is wrong with it. */
const char *spec_read(struct spec *spec);

/* frame.c: the run channel. */
int channel_open(const char *device);
int channel_fd(void);
void frame_send(unsigned char kind, const void *payload, unsigned int length);
void frame_send_text(unsigned char kind, const char *text, int error);
/* Reads what is there and hands each complete frame to the handler. */
void frame_receive(void (*handle)(unsigned char kind, const unsigned char *payload, unsigned int length));
void channel_drain(void);

/* mounts.c: the root and what lives in it. */
const char *mounts_make(const struct spec *spec, int *error);
void mounts_undo(void);

/* interactive.c, batch.c: run the command to its end. */
struct outcome interactive_run(const struct spec *spec);
struct outcome batch_run(const struct spec *spec);

/* Where the kernel cannot tell of a process's end, it is looked for this often. */
#define REAP_PACE_MS 200

/* child.c: in the new process, never returns; and waiting for it. */
void child_exec(const struct spec *spec);
int child_watch(int pid);
int child_reap(int pid, struct outcome *outcome);

static inline void sync_all(void)
{
	my_syscall0(__NR_sync);
}

#endif
