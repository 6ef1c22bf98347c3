// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Whole jobs of programs that nobody here wrote, each a shell script: what all the operations come to together.
 *
 * They need an image that has the programs; `xtask bench` boots a Debian one for them. The job lies in a directory
 * /jobs of the image: NAME.prepare (optional, untimed) and NAME.run; the scripts run in a directory of their own.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define JOBS "/jobs"
#define SCRIPT_LACKS_PROGRAM 77

/* Runs a job's script to its end; what it says goes nowhere but into the reason of a failure. */
static int run_script(struct context *context, const char *job, const char *part)
{
	char script[128];
	int status;

	snprintf(script, sizeof(script), JOBS "/%s.%s", job, part);
	pid_t child = fork();

	if (child < 0)
		return cannot(context, "cannot fork");
	if (child == 0) {
		int nothing = open("/dev/null", O_RDWR);

		dup2(nothing, 0);
		dup2(nothing, 1);
		if (chdir(context->path) == 0)
			execl("/bin/sh", "sh", script, (char *)NULL);
		_exit(127);
	}
	if (waitpid(child, &status, 0) != child)
		return cannot(context, "cannot wait for the job");
	if (status == 0)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == SCRIPT_LACKS_PROGRAM)
		snprintf(context->reason, sizeof(context->reason), "the image lacks a program that %s needs", job);
	else
		snprintf(context->reason, sizeof(context->reason), "%s ended with status %#x", script, status);
	return -1;
}

static int prepare(struct context *context, const char *job)
{
	char script[128];

	snprintf(script, sizeof(script), JOBS "/%s.run", job);
	if (access(script, R_OK) != 0) {
		snprintf(context->reason, sizeof(context->reason), "the image has no jobs (xtask bench --wholes)");
		return -1;
	}
	if (make_dir(context, job) != 0)
		return -1;
	snprintf(script, sizeof(script), JOBS "/%s.prepare", job);
	return access(script, R_OK) == 0 ? run_script(context, job, "prepare") : 0;
}

static long run(struct context *context, const char *job)
{
	return run_script(context, job, "run") == 0 ? 1 : -1;
}

static void finish(struct context *context)
{
	char command[320];

	if (!context->path[0])
		return;
	snprintf(command, sizeof(command), "rm -rf '%s'", context->path);
	pid_t child = fork();

	if (child == 0) {
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	if (child > 0)
		waitpid(child, NULL, 0);
}

#define JOB(id, name) \
	static int prepare_##id(struct context *context) { return prepare(context, name); } \
	static long run_##id(struct context *context) { return run(context, name); }

JOB(tar, "tar")
JOB(make, "make")
JOB(sqlite, "sqlite3")
JOB(redis_unix, "redis-unix")
JOB(redis, "redis")

#define ENTRY(id, text, what) \
	{ .name = text, .unit = what, .operations = 1, .is_whole = 1, .is_waiting = 1, \
	  .prepare = prepare_##id, .run = run_##id, .finish = finish }

const struct bench_case whole_cases[] = {
	ENTRY(tar, "tar", "tar x of Debian's /usr/include, and sync"),
	ENTRY(make, "make", "make of a small C package with gcc -O2"),
	ENTRY(sqlite, "sqlite3", "3,000 rows inserted in transactions, indexed, queried"),
	ENTRY(redis_unix, "redis-unix", "redis-benchmark, 4,000 requests over a Unix socket"),
	ENTRY(redis, "redis", "redis-benchmark, 4,000 requests over TCP, loopback"),
};
const size_t whole_case_count = sizeof(whole_cases) / sizeof(whole_cases[0]);
