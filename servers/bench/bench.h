/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * sawmill-bench: the cases, what they share, and how one is measured.
 *
 * A case is measured in runs. Before each run `prepare` brings the system into the wanted state, untimed;
 * `run` does the operations, timed as a whole by the time stamp counter; `finish` cleans up, untimed.
 * The same static binary runs on stock Linux and on the multiserver.
 */
#ifndef SAWMILL_BENCH_H
#define SAWMILL_BENCH_H

#include <stdint.h>
#include <stddef.h>

#define RECORD_BYTES 4096L
#define MAX_RUNS 64
#define MAX_PARAMETERS 10
#define REASON_BYTES 160

/* What a case works with; one per case and parameter, zeroed before the first `prepare`. */
struct context {
	long parameter;            /* of the case: bytes of a file, number of entries */
	long operations;           /* wanted in one run */
	int file;                  /* open file of the case, -1 when none */
	int generation;            /* number of the run, for fresh names */
	char path[256];            /* file or directory of the case */
	char reason[REASON_BYTES]; /* why the case cannot run */
};

/* Which lengths of a case are measured. */
enum set { SET_SHORT, SET_FULL };

struct bench_case {
	const char *name;
	const char *unit;                      /* what one operation is */
	long parameters[MAX_PARAMETERS];       /* of the full set; ends with the first 0 after index 0 */
	long short_parameters[MAX_PARAMETERS]; /* of the short set */
	long operations;                       /* in one run, unless the parameter decides */
	int is_waiting;                        /* for others than this machine: `busy` is what it costs */
	int is_whole;                          /* a whole job: no run to warm up, and not by default */
	int (*prepare)(struct context *);
	long (*run)(struct context *);         /* returns the operations done, negative on failure */
	void (*finish)(struct context *);
};

extern const struct bench_case data_cases[], name_cases[], process_cases[], memory_cases[], tree_cases[];
extern const struct bench_case socket_cases[], nic_cases[], whole_cases[];
extern const size_t data_case_count, name_case_count, process_case_count, memory_case_count, tree_case_count;
extern const size_t socket_case_count, nic_case_count, whole_case_count;

/* cases_nic.c: "ADDRESS:PORT" of the peer outside; NULL without one. */
extern const char *peer_address;

/* Time stamp counter with all earlier instructions done. */
static inline uint64_t timestamp(void)
{
	uint32_t low, high;

	__asm__ volatile("lfence; rdtsc; lfence" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

/* shared.c */
extern char record[RECORD_BYTES];
extern const char *self_path;
extern const char *work_dir;
int cannot(struct context *context, const char *what);
int make_file(struct context *context, const char *name, long bytes);
void close_file(struct context *context);
int make_dir(struct context *context, const char *name);
void entry_path(char *path, size_t size, const struct context *context, const char *kind, long number);
int make_entries(struct context *context, const char *kind, long count);
void remove_entries(struct context *context, const char *kind, long count);
int drop_caches(struct context *context, const char *what);

/* exits.c: VM exits by reason, where the system tells them. */
#define MAX_COUNTERS 64
struct counters {
	int known;  /* whether the system told anything */
	int count;
	struct counter { char name[32]; uint64_t value; } of[MAX_COUNTERS];
};
void calibrate_counters(void);
void read_counters(struct counters *counters);
void counters_difference(struct counters *sum, const struct counters *before, const struct counters *after);

/* machine.c: what is measured on, and what its time stamp counter counts. */
void machine_names(char processor[49], char hypervisor[13]);
double ticks_per_us(void);
double ticks_per_multiplication(void);

/* soak.c: idle time. */
int soak_start(void);
uint64_t soak_ticks(void);
void soak_stop(void);

/* report.c: one JSON line per case. */
struct result {
	const struct bench_case *of;
	long parameter;
	long operations;
	int runs;
	double samples[MAX_RUNS]; /* TSC per operation */
	double busy[MAX_RUNS];    /* the same less idle time, in cases that wait */
	struct counters exits;    /* summed over the runs */
};
void report_start(void);
void report_result(const struct result *result);
void report_skipped(const struct bench_case *of, long parameter, const char *reason);
void report_end(int status);

/* table.c: the same for people. */
void table_add(const struct bench_case *of, long parameter, double ticks);
void table_print(void);

/* init.c: being the first process of a system. */
void run_as_first_process(void);

#endif
