// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Being the first process: `init=/sawmill-bench` on stock Linux needs no other program on the image.
 *
 * Mounts what the cases read, runs the benchmark in a child (the first process has privileges over signals that
 * no benchmark should have), syncs and powers off.
 */
#include <stdio.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "bench.h"

/* Returns 0 in the child that shall run the cases; the first process itself never returns. */
int run_as_first_process(void)
{
	int status = 0;

	mkdir("/proc", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount(NULL, "/", NULL, MS_REMOUNT | MS_NOATIME, NULL);
	pid_t child = fork();

	if (child == 0)
		return 0;
	if (child < 0)
		perror("sawmill-bench: cannot fork");
	else
		waitpid(child, &status, 0);
	sync();
	mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY, NULL);
	printf("SAWMILL-END status=%d reason=exit\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	fflush(stdout);
	tcdrain(STDOUT_FILENO);
	/* A power-off can swallow what the serial line still holds. */
	usleep(20000);
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}
