// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Load on a file system, for tests that take it away from under the load.
 *
 *   load sync DIR        writes records, fsyncs each, and says "synced N"; until killed
 *   load lose DIR        the same until an error; then says how long calls took, and whether the rest goes on
 *   load reread FILE N   reads a cached file N times; says what calls and exits that took
 *
 * Record N is BLOCK bytes at block N % RECORDS of DIR/fN/RECORDS: lines of the number, so that
 * the host can tell each from any other. The directory itself is safe before the first record.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 4096
#define RECORDS 16
#define LINE 16
#define LOST_CALLS 6

static double slowest_ms;

static double now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

static void note(double started)
{
	double ms = now_ms() - started;

	if (ms > slowest_ms)
		slowest_ms = ms;
}

static void fill(char *block, int number)
{
	int i;

	for (i = 0; i < BLOCK; i += LINE) {
		char line[32];

		snprintf(line, sizeof(line), "%07d %07d\n", number, i);
		memcpy(block + i, line, LINE);
	}
}

/* Changes that nobody fsyncs, so that the disk is never at rest. */
static int disturb(const char *dir, int number)
{
	char from[256], to[256];
	int file;

	snprintf(from, sizeof(from), "%s/noise%d", dir, number % 8);
	snprintf(to, sizeof(to), "%s/moved%d", dir, number % 5);
	file = open(from, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (file < 0)
		return -1;
	if (write(file, to, sizeof(to)) != sizeof(to) || close(file))
		return -1;
	if (number % 3 == 0 && rename(from, to))
		return -1;
	return 0;
}

static int record(const char *dir, int number)
{
	char name[256], block[BLOCK];
	int file, parent, status = -1;
	double started = now_ms();

	fill(block, number);
	snprintf(name, sizeof(name), "%s/f%d", dir, number / RECORDS);
	file = open(name, O_WRONLY | O_CREAT, 0600);
	note(started);
	if (file < 0)
		return -1;
	started = now_ms();
	if (pwrite(file, block, BLOCK, (off_t)(number % RECORDS) * BLOCK) == BLOCK && !fsync(file))
		status = 0;
	note(started);
	if (!status && number % RECORDS == 0) {
		/* A new name is only safe when its directory is. */
		parent = open(dir, O_RDONLY | O_DIRECTORY);
		status = parent < 0 ? -1 : fsync(parent);
		if (parent >= 0)
			close(parent);
	}
	started = now_ms();
	if (status) {
		int error = errno;

		close(file);
		errno = error;
	} else {
		status = close(file);
	}
	note(started);
	return status;
}

static int sync_until_killed(const char *dir)
{
	int number;

	mkdir(dir, 0700);
	sync();
	for (number = 0;; number++) {
		if (disturb(dir, number) || record(dir, number)) {
			perror("load");
			return 1;
		}
		printf("synced %d\n", number);
		fflush(stdout);
	}
}

static int lose(const char *dir)
{
	int number = 0, i;

	mkdir(dir, 0700);
	sync();
	while (!disturb(dir, number) && !record(dir, number))
		number++;
	printf("synced %d, then %s\n", number, strerrorname_np(errno));
	for (i = 1; i < LOST_CALLS; i++)
		if (!record(dir, number + i))
			printf("works again\n");
	printf("slowest call %.0f ms\n", slowest_ms);
	fflush(stdout);
	if (mkdir("/run/load", 0700) || rmdir("/run/load"))
		return 1;
	printf("the rest goes on\n");
	return 0;
}

/* The sum of all numbers in @file, or the number after @name; -1: there is none. */
static long long counter(const char *file, const char *name)
{
	char text[4096], *word, *state = NULL;
	long long sum = 0;
	FILE *stream = fopen(file, "r");
	size_t length = stream ? fread(text, 1, sizeof(text) - 1, stream) : 0;

	if (!length)
		return -1;
	fclose(stream);
	text[length] = 0;
	for (word = strtok_r(text, " ,\n", &state); word; word = strtok_r(NULL, " ,\n", &state)) {
		if (name && !strcmp(word, name))
			return atoll(strtok_r(NULL, " ,\n", &state));
		sum += atoll(word);
	}
	return name ? -1 : sum;
}

static int reread(const char *name, int times)
{
	static char block[BLOCK];
	const char *calls = "/sys/module/sawmill/parameters/calls", *exits = "/proc/sawmill/exits";
	int file = open(name, O_RDONLY), round, i;
	long long calls_before, exits_before, ticks;

	if (file < 0)
		return 1;
	/* The first round brings the file into the cache, and these two files' own pages and names. */
	for (round = 0; round < 2; round++) {
		calls_before = counter(calls, NULL);
		exits_before = counter(exits, "total");
		ticks = counter(exits, "timer") + counter(exits, "external_interrupt");
		for (i = 0; i < (round ? times : RECORDS); i++)
			if (pread(file, block, BLOCK, (off_t)(i % RECORDS) * BLOCK) != sizeof(block))
				return 1;
		ticks = counter(exits, "timer") + counter(exits, "external_interrupt") - ticks;
		printf("%s %lld calls, %lld exits, %lld interrupts\n", round ? "cached" : "cold",
		       counter(calls, NULL) - calls_before, counter(exits, "total") - exits_before, ticks);
	}
	return calls_before < 0 || exits_before < 0;
}

int main(int count, char **arguments)
{
	if (count == 3 && !strcmp(arguments[1], "sync"))
		return sync_until_killed(arguments[2]);
	if (count == 3 && !strcmp(arguments[1], "lose"))
		return lose(arguments[2]);
	if (count == 4 && !strcmp(arguments[1], "reread"))
		return reread(arguments[2], atoi(arguments[3]));
	fprintf(stderr, "usage: load sync|lose DIR, or load reread FILE TIMES\n");
	return 2;
}
