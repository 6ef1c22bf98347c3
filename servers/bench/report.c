// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * The report: one JSON object per line on standard output, first "start", last "end".
 *
 * Each line is drained before the next case begins, so that no console interrupt falls into a measurement.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <termios.h>
#include <unistd.h>

#include "bench.h"

/* Time for whoever reads a pipe to pass the line on. */
#define PIPE_SETTLES_US 20000

static void drain(void)
{
	putchar('\n');
	fflush(stdout);
	if (tcdrain(STDOUT_FILENO) != 0)
		usleep(PIPE_SETTLES_US);
}

static void put_string(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			putchar('\\');
		if ((unsigned char)*text >= ' ')
			putchar(*text);
	}
	putchar('"');
}

static int by_value(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

/* What reads the figures needs to know of the machine: machine.c. */
static void report_machine(void)
{
	char processor[49], hypervisor[13];

	machine_names(processor, hypervisor);
	printf(",\"processor\":");
	put_string(processor);
	printf(",\"hypervisor\":");
	put_string(hypervisor);
	printf(",\"ticks_per_us\":%.3f,\"ticks_per_multiplication\":%.3f", ticks_per_us(), ticks_per_multiplication());
}

/* Puts samples in order; returns the median. */
static double sort(double *sorted, const double *samples, int runs)
{
	memcpy(sorted, samples, sizeof(double) * (size_t)runs);
	qsort(sorted, (size_t)runs, sizeof(double), by_value);
	return runs % 2 ? sorted[runs / 2] : (sorted[runs / 2 - 1] + sorted[runs / 2]) / 2;
}

void report_start(void)
{
	struct utsname name;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	memset(&name, 0, sizeof(name));
	uname(&name);
	printf("{\"start\":\"sawmill-bench\",\"version\":2,\"system\":\"%s\",\"release\":",
	       access("/proc/sawmill", F_OK) == 0 ? "multiserver" : "stock");
	put_string(name.release);
	report_machine();
	printf(",\"cpus\":%ld,\"exits_known\":", cpus);
	struct counters counters;

	read_counters(&counters);
	printf("%s}", counters.known ? "true" : "false");
	drain();
}

static void put_case(const struct bench_case *of, long parameter)
{
	printf("{\"case\":\"%s\",\"parameter\":%ld,\"unit\":", of->name, parameter);
	put_string(of->unit);
}

void report_result(const struct result *result)
{
	double sorted[MAX_RUNS];
	int runs = result->runs;
	double per = (double)result->operations * runs;

	put_case(result->of, result->parameter);
	double median = sort(sorted, result->samples, runs);

	printf(",\"tsc\":%.1f,\"minimum\":%.1f,\"maximum\":%.1f", median, sorted[0], sorted[runs - 1]);
	table_add(result->of, result->parameter, median);
	if (result->of->is_waiting) {
		median = sort(sorted, result->busy, runs);
		printf(",\"busy\":%.1f,\"busy_minimum\":%.1f,\"busy_maximum\":%.1f", median, sorted[0], sorted[runs - 1]);
	}
	printf(",\"operations\":%ld,\"runs\":%d,\"exits\":", result->operations, runs);
	if (!result->exits.known) {
		printf("null}");
		drain();
		return;
	}
	/* All counters per operation, in one object. */
	for (int i = 0; i < result->exits.count; i++)
		printf("%c\"%s\":%.4f", i ? ',' : '{', result->exits.of[i].name, (double)result->exits.of[i].value / per);
	printf("}}");
	drain();
}

void report_skipped(const struct bench_case *of, long parameter, const char *reason)
{
	put_case(of, parameter);
	printf(",\"skipped\":");
	put_string(reason);
	putchar('}');
	drain();
}

void report_end(int status)
{
	printf("{\"end\":\"sawmill-bench\",\"status\":%d}", status);
	drain();
}
