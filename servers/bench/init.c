// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Being the first process: `init=/sawmill-bench` on stock Linux needs no other program on the image.
 *
 * Mounts what the cases read, runs the benchmark in a child (the first process has privileges over signals that
 * no benchmark should have), syncs and powers off. With `SAWMILL_BENCH_COPY=/dev/sda:/dev/pmem0` on the kernel's
 * command line the image is first copied to the second disk, which becomes the root: so that a memory disk,
 * which no boot loader can fill for stock Linux, holds the same image.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "bench.h"

#define COPY_BYTES 65536
#define NEW_ROOT "/tmp"

static int copy_blocks(int from, int to)
{
	static char block[COPY_BYTES] __attribute__((aligned(4096)));
	static const char zeros[COPY_BYTES];
	off_t offset = 0;
	ssize_t length;

	/* The memory starts as zeros: what is zero need not be written. */
	while ((length = pread(from, block, sizeof(block), offset)) > 0) {
		if (memcmp(block, zeros, (size_t)length) != 0 && pwrite(to, block, (size_t)length, offset) != length)
			return -1;
		offset += length;
	}
	return length == 0 ? fsync(to) : -1;
}

/* Copies disk FROM to disk TO and makes TO the root, as "FROM:TO" says. */
static int move_to(char *from_and_to)
{
	char *colon = strchr(from_and_to, ':');

	if (!colon)
		return -1;
	*colon = 0;
	int from = open(from_and_to, O_RDONLY), to = open(colon + 1, O_RDWR);
	int done = from >= 0 && to >= 0 && copy_blocks(from, to) == 0;

	if (from >= 0) {
		posix_fadvise(from, 0, 0, POSIX_FADV_DONTNEED);
		close(from);
	}
	if (to >= 0)
		close(to);
	if (!done || mount(colon + 1, NEW_ROOT, "ext2", 0, NULL) != 0)
		return -1;
	return chdir(NEW_ROOT) == 0 && chroot(".") == 0 && chdir("/") == 0 ? 0 : -1;
}

/* The screen, where the console is a serial line and there is one, too; -1 otherwise. */
static int screen = -1;

static ssize_t write_both(void *unused, const char *text, size_t length)
{
	(void)unused;
	if (screen >= 0 && write(screen, text, length) < 0)
		screen = -1;
	return write(STDOUT_FILENO, text, length);
}

/* Lets what is printed appear on the screen as well. */
static void show_on_screen(void)
{
	cookie_io_functions_t functions = { .write = write_both };
	FILE *both;

	screen = open("/dev/tty0", O_WRONLY | O_NOCTTY | O_CLOEXEC);
	both = screen >= 0 ? fopencookie(NULL, "w", functions) : NULL;
	if (both)
		stdout = both;
}

static void end(int status)
{
	sync();
	mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY, NULL);
	printf("A report of this: scripts/bench-compare.sh --read LOG, with what the serial line said.\n");
	printf("SAWMILL-END status=%d reason=exit\n", status);
	fflush(stdout);
	tcdrain(STDOUT_FILENO);
	/* A power-off can swallow what the serial line still holds. */
	usleep(20000);
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

/* Returns in the child that shall run the cases; the first process itself never returns. */
void run_as_first_process(void)
{
	char *copy = getenv("SAWMILL_BENCH_COPY");
	int status = 0;

	show_on_screen();
	if (copy && move_to(copy) != 0) {
		printf("sawmill-bench: cannot move to the memory disk: %s\n", strerror(errno));
		end(1);
	}
	mount("proc", "/proc", "proc", 0, NULL);
	pid_t child = fork();

	if (child == 0)
		return;
	if (child < 0)
		perror("sawmill-bench: cannot fork");
	else
		waitpid(child, &status, 0);
	end(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}
