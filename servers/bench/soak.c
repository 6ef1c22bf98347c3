// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Soaks up idle time, so that what a machine does while it waits for somebody else can be told from waiting.
 *
 * A process of the lowest priority reads the time stamp counter in a loop and adds up the steps, except those in
 * which something else ran. Elapsed time less what it soaked up is work: of the program, the kernel, and servers.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

/* Longer steps are somebody else's: a loop takes a few dozen ticks, an interrupt thousands. */
#define STEP_MAX 400

static volatile uint64_t *soaked;
static pid_t soaker;

static void soak(void)
{
	struct sched_param none = { 0 };
	uint64_t last, now;

	sched_setscheduler(0, SCHED_IDLE, &none);
	for (last = timestamp(); getppid() != 1; )
		for (int i = 0; i < 10000; i++, last = now) {
			now = timestamp();
			if (now - last <= STEP_MAX)
				*soaked += now - last;
		}
	_exit(0);
}

/* Starts soaking; 0 when it cannot. */
int soak_start(void)
{
	if (!soaked)
		soaked = mmap(NULL, sizeof(*soaked), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (soaked == MAP_FAILED)
		return 0;
	soaker = fork();
	if (soaker == 0)
		soak();
	return soaker > 0;
}

/* Ticks soaked up so far. */
uint64_t soak_ticks(void)
{
	return soaked && soaked != MAP_FAILED ? *soaked : 0;
}

void soak_stop(void)
{
	if (soaker <= 0)
		return;
	kill(soaker, SIGKILL);
	waitpid(soaker, NULL, 0);
	soaker = 0;
}
