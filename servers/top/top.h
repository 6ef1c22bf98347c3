/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * sm-top: what the partitions of a running SawMill do.
 *
 * It reads blocks of counters (servers/proto/src/statistics.rs) from /proc/sawmill/statistics, or out of a log of
 * root's, and shows the difference of two of them. It is built against nolibc, like sm-init.
 */
#ifndef SAWMILL_TOP_H
#define SAWMILL_TOP_H

#define PARTITIONS_MAX 16
#define EXITS_MAX 24
#define NAME_BYTES 24

typedef unsigned long long count_t;

/* Counters of one partition, summed over its vCPUs. */
struct partition {
	char name[NAME_BYTES];
	char life[NAME_BYTES];
	count_t restarts, vcpus;
	count_t pages, frames, quota_pages;
	count_t run, calls, served;
	count_t exits[EXITS_MAX];
};

/* One reading of all counters. */
struct reading {
	count_t tsc, khz;
	int partitions;
	struct partition of[PARTITIONS_MAX];
	int exits;
	char exit_names[EXITS_MAX][NAME_BYTES];
	count_t pool_pages, pool_free;
};

/* read.c: the last complete block in text, and the one before; both 0 when absent. */
int parse_last_two(char *text, struct reading *last, struct reading *before);

/* What happened between two readings: a partition that started again counts from its start. */
struct change {
	count_t ticks, khz;
	struct partition of[PARTITIONS_MAX];
};
void change_between(struct change *change, const struct reading *before, const struct reading *last);
count_t exits_of(const struct partition *partition, const struct reading *reading);

/* show.c: as text, as JSON; `in_place` draws over what was drawn before. */
void show_table(const struct reading *last, const struct change *change, int in_place);
void show_json(const struct reading *last, const struct change *change);

#endif
