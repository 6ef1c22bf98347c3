// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * sawmill-bench: measures Linux operations in time stamp counter ticks, one JSON line per case.
 *
 * In an emulator whose counter counts instructions the figures are instructions; on hardware they are cycles.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"

/* Time for whoever passes output on to a screen. */
#define TERMINAL_SETTLES_US 300000

struct options {
	enum set set;
	int runs;
	long scale_percent;
	const char *only; /* NAME,NAME...; NULL means all */
	int list;
	int table; /* the results once more, for people, at the end */
	int mark; /* the last timed run of each case lies between two breakpoints of the emulator; one after the table */
};

static const char usage[] =
	"usage: sawmill-bench [--set short|full] [--only NAME,...] [--runs N] [--scale PERCENT] [--dir DIR]\n"
	"                     [--peer ADDRESS:PORT] [--list] [--mark] [--table]\n";

/* Stops Bochs where magic breakpoints are on; does nothing anywhere else. */
static void breakpoint(void)
{
	__asm__ volatile("xchgw %%bx, %%bx" : : : "memory");
}

static int is_wanted(const char *only, const char *name)
{
	size_t length = strlen(name);

	if (!only)
		return 1;
	for (const char *at = only; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
		if (strncmp(at, name, length) == 0 && (at[length] == ',' || at[length] == 0))
			return 1;
	return 0;
}

/* One untimed run to warm up (but for whole jobs), then the runs that count. */
static void measure(const struct bench_case *of, long parameter, const struct options *options)
{
	static struct counters before, after;
	struct context context = { .parameter = parameter, .file = -1 };
	static struct result result;

	memset(&result, 0, sizeof(result));
	result.of = of;
	result.parameter = parameter;
	context.operations = of->operations * options->scale_percent / 100;
	if (context.operations < 1)
		context.operations = 1;
	if (of->is_waiting && !soak_start()) {
		report_skipped(of, parameter, "idle time cannot be told");
		return;
	}
	for (int run = of->is_whole ? 0 : -1; run < options->runs; run++) {
		context.generation = run + 1;
		long done = -1;
		uint64_t from = 0, to = 0, soaked = 0;

		errno = 0;
		if (!of->prepare || of->prepare(&context) == 0) {
			read_counters(&before);
			int is_marked = options->mark && run == options->runs - 1;

			soaked = soak_ticks();
			if (is_marked)
				breakpoint();
			from = timestamp();
			done = of->run(&context);
			to = timestamp();
			if (is_marked)
				breakpoint();
			soaked = soak_ticks() - soaked;
			read_counters(&after);
			if (done <= 0 && !context.reason[0])
				cannot(&context, "the operation failed");
		}
		if (of->finish)
			of->finish(&context);
		if (done <= 0) {
			soak_stop();
			report_skipped(of, parameter, context.reason);
			return;
		}
		if (run < 0)
			continue;
		result.busy[result.runs] = (double)(to - from - soaked) / (double)done;
		result.samples[result.runs++] = (double)(to - from) / (double)done;
		result.operations = done;
		counters_difference(&result.exits, &before, &after);
	}
	soak_stop();
	report_result(&result);
}

static void measure_all(const struct bench_case *cases, size_t count, const struct options *options)
{
	for (size_t i = 0; i < count; i++) {
		const struct bench_case *of = &cases[i];
		const long *parameters = options->set == SET_FULL ? of->parameters : of->short_parameters;

		if (options->list) {
			printf("%-16s per %s\n", of->name, of->unit);
			continue;
		}
		if (of->is_whole ? !options->only || !is_wanted(options->only, of->name) :
				   !is_wanted(options->only, of->name))
			continue;
		for (int p = 0; p == 0 || (p < MAX_PARAMETERS && parameters[p]); p++)
			measure(of, parameters[p], options);
	}
}

static int parse(int count, char **arguments, struct options *options)
{
	for (int i = 1; i < count; i++) {
		const char *name = arguments[i];

		if (strcmp(name, "--list") == 0) {
			options->list = 1;
			continue;
		}
		if (strcmp(name, "--mark") == 0) {
			options->mark = 1;
			continue;
		}
		if (strcmp(name, "--table") == 0) {
			options->table = 1;
			continue;
		}
		const char *value = i + 1 < count ? arguments[++i] : NULL;

		if (!value)
			return -1;
		if (strcmp(name, "--set") == 0 && strcmp(value, "full") == 0)
			options->set = SET_FULL;
		else if (strcmp(name, "--set") == 0 && strcmp(value, "short") == 0)
			options->set = SET_SHORT;
		else if (strcmp(name, "--only") == 0)
			options->only = strcmp(value, "all") == 0 ? NULL : value;
		else if (strcmp(name, "--runs") == 0)
			options->runs = atoi(value);
		else if (strcmp(name, "--scale") == 0)
			options->scale_percent = atol(value);
		else if (strcmp(name, "--dir") == 0)
			work_dir = value;
		else if (strcmp(name, "--peer") == 0)
			peer_address = value;
		else
			return -1;
	}
	return options->runs >= 1 && options->runs <= MAX_RUNS && options->scale_percent >= 1 ? 0 : -1;
}

/* One CPU for all: a case compares paths, not the luck of placement. */
static void stay_on_one_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void remove_work_files(void)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/data", work_dir);
	unlink(path);
	rmdir(work_dir);
}

/* Since power-on, which is where the time stamp counter starts: firmware, boot loader and all. */
static void report_boot(uint64_t started)
{
	static const struct bench_case boot = { .name = "boot", .unit = "power-on to the start of the program" };
	static struct result result = { .of = &boot, .operations = 1, .runs = 1 };

	result.samples[0] = (double)started;
	read_counters(&result.exits);
	report_result(&result);
}

int main(int count, char **arguments)
{
	uint64_t started = timestamp();
	struct options options = { .set = SET_SHORT, .runs = 5, .scale_percent = 100 };

	if (count == 2 && strcmp(arguments[1], "--exit") == 0)
		_exit(0); /* the program of the fork+exec case */
	if (getpid() == 1) {
		run_as_first_process();
		/* Linux hands over what it does not know of its command line, such as `nokaslr`. */
		for (; count > 1 && arguments[1][0] != '-'; count--, arguments++)
			arguments[1] = arguments[0];
	}
	if (parse(count, arguments, &options) != 0) {
		fputs(usage, stderr);
		return 2;
	}
	if (access(self_path, X_OK) != 0)
		self_path = arguments[0];
	if (!options.list) {
		if (mkdir(work_dir, 0755) != 0 && errno != EEXIST) {
			fprintf(stderr, "sawmill-bench: cannot create %s: %s\n", work_dir, strerror(errno));
			return 1;
		}
		stay_on_one_cpu();
		memset(record, 0x5a, sizeof(record));
		calibrate_counters();
		report_start();
		if (is_wanted(options.only, "boot"))
			report_boot(started);
	}
	measure_all(process_cases, process_case_count, &options);
	measure_all(memory_cases, memory_case_count, &options);
	measure_all(data_cases, data_case_count, &options);
	measure_all(name_cases, name_case_count, &options);
	measure_all(tree_cases, tree_case_count, &options);
	measure_all(socket_cases, socket_case_count, &options);
	measure_all(nic_cases, nic_case_count, &options);
	measure_all(whole_cases, whole_case_count, &options);
	if (!options.list) {
		remove_work_files();
		report_end(0);
		if (options.table)
			table_print();
		if (options.table && options.mark) {
			usleep(TERMINAL_SETTLES_US);
			breakpoint();
		}
		while (options.table)
			pause();
	}
	return 0;
}
