// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Shows what happened between two readings. nolibc's printf knows no widths, so lines are put together here.
 */
#include "top.h"

#define PAGE_KIB 4
#define LINE_BYTES 256
#define EXITS_FIRST_WIDTH 9

static char line[LINE_BYTES];
static int used;

static void put(const char *text)
{
	while (*text && used < LINE_BYTES - 1)
		line[used++] = *text++;
}

static void put_left(const char *text, int width)
{
	int to = used + width;

	put(text);
	while (used < to && used < LINE_BYTES - 1)
		line[used++] = ' ';
}

static void put_right(const char *text, int width)
{
	int pad = width - (int)strlen(text);

	while (pad-- > 0 && used < LINE_BYTES - 1)
		line[used++] = ' ';
	put(text);
}

/* A number, with `decimals` of its last digits behind a point. */
static const char *digits(count_t value, int decimals)
{
	static char text[32];
	int at = sizeof(text) - 1, done = 0;

	text[at] = 0;
	do {
		if (decimals && done == decimals)
			text[--at] = '.';
		text[--at] = (char)('0' + value % 10);
		value /= 10;
		done++;
	} while (value || done <= decimals);
	return text + at;
}

static void put_number(count_t value, int decimals, int width)
{
	put_right(digits(value, decimals), width);
}

static void flush(int in_place)
{
	if (in_place)
		put("\033[K");
	line[used++] = '\n';
	write(1, line, (size_t)used);
	used = 0;
}

/* Events of a period per second. */
static count_t rate(count_t events, const struct change *change)
{
	return change->ticks ? events * change->khz / (change->ticks / 1000 + !(change->ticks / 1000)) : 0;
}

/* Tenths of a percent of one CPU. */
static count_t share(const struct partition *partition, const struct change *change)
{
	return change->ticks ? partition->run * 1000 / change->ticks : 0;
}

/* Tenths of a microsecond that a server runs per call it serves. */
static count_t length(const struct partition *partition, const struct change *change)
{
	return partition->served ? partition->run * 10000 / change->khz / partition->served : 0;
}

static void show_partition(const struct partition *now, const struct partition *did, const struct change *change)
{
	put_left(now->name, 12);
	put_left(now->life, 8);
	put_number(share(did, change), 1, 6);
	put_number(rate(did->calls, change), 0, 9);
	put_number(rate(did->served, change), 0, 9);
	if (did->served)
		put_number(length(did, change), 1, 9);
	else
		put_right("-", 9);
	put_number(now->pages * PAGE_KIB, 0, 9);
	put_number(now->frames * PAGE_KIB, 0, 8);
	put_number(now->restarts, 0, 9);
}

static int happened(const struct reading *last, const struct change *change, int exit)
{
	int i;

	for (i = 0; i < last->partitions; i++)
		if (change->of[i].exits[exit])
			return 1;
	return 0;
}

static int width_of(const char *name)
{
	int width = (int)strlen(name) + 2;

	return width < EXITS_FIRST_WIDTH ? EXITS_FIRST_WIDTH : width;
}

static void show_exits(const struct reading *last, const struct change *change, int in_place)
{
	int i, exit;

	put_left("exits/s", 12);
	put_right("total", EXITS_FIRST_WIDTH);
	for (exit = 0; exit < last->exits; exit++)
		if (happened(last, change, exit))
			put_right(last->exit_names[exit], width_of(last->exit_names[exit]));
	flush(in_place);
	for (i = 0; i < last->partitions; i++) {
		const struct partition *did = &change->of[i];

		put_left(did->name, 12);
		put_number(rate(exits_of(did, last), change), 0, EXITS_FIRST_WIDTH);
		for (exit = 0; exit < last->exits; exit++)
			if (happened(last, change, exit))
				put_number(rate(did->exits[exit], change), 0, width_of(last->exit_names[exit]));
		flush(in_place);
	}
}

void show_table(const struct reading *last, const struct change *change, int in_place)
{
	int i;

	if (in_place)
		write(1, "\033[H", 3);
	put("sm-top: up ");
	put(digits(last->tsc / last->khz / 100, 1));
	put(" s, the last ");
	put(digits(change->ticks / change->khz / 10, 2));
	put(" s");
	flush(in_place);
	flush(in_place);
	put("partition   life     cpu %  calls/s served/s  us/call      KiB  kernel  restarts");
	flush(in_place);
	for (i = 0; i < last->partitions; i++) {
		show_partition(&last->of[i], &change->of[i], change);
		flush(in_place);
	}
	flush(in_place);
	show_exits(last, change, in_place);
	if (last->pool_pages) {
		flush(in_place);
		put("pool: ");
		put(digits((last->pool_pages - last->pool_free) * PAGE_KIB, 0));
		put(" KiB of ");
		put(digits(last->pool_pages * PAGE_KIB, 0));
		put(" KiB in use");
		flush(in_place);
	}
	if (in_place)
		write(1, "\033[J", 3);
}

static void json_number(const char *key, count_t value, int decimals)
{
	put(",\"");
	put(key);
	put("\":");
	put(digits(value, decimals));
}

static void json_flush(void)
{
	write(1, line, (size_t)used);
	used = 0;
}

void show_json(const struct reading *last, const struct change *change)
{
	int i, exit;

	put("{\"schema\":\"sm-top\",\"version\":1");
	json_number("uptime_s", last->tsc / last->khz / 100, 1);
	json_number("period_s", change->ticks / change->khz, 3);
	json_number("pool_kib", last->pool_pages * PAGE_KIB, 0);
	json_number("pool_used_kib", (last->pool_pages - last->pool_free) * PAGE_KIB, 0);
	put(",\"partitions\":[");
	json_flush();
	for (i = 0; i < last->partitions; i++) {
		const struct partition *now = &last->of[i], *did = &change->of[i];

		put(i ? ",{\"name\":\"" : "{\"name\":\"");
		put(now->name);
		put("\",\"life\":\"");
		put(now->life);
		put("\"");
		json_number("vcpus", now->vcpus, 0);
		json_number("cpu_percent", share(did, change), 1);
		json_number("calls_per_s", rate(did->calls, change), 0);
		json_number("served_per_s", rate(did->served, change), 0);
		json_flush();
		json_number("us_per_call", length(did, change), 1);
		json_number("memory_kib", now->pages * PAGE_KIB, 0);
		json_number("memory_limit_kib", now->quota_pages * PAGE_KIB, 0);
		json_number("kernel_kib", now->frames * PAGE_KIB, 0);
		json_number("restarts", now->restarts, 0);
		json_flush();
		put(",\"exits_per_s\":{\"total\":");
		put(digits(rate(exits_of(did, last), change), 0));
		for (exit = 0; exit < last->exits; exit++) {
			json_number(last->exit_names[exit], rate(did->exits[exit], change), 0);
			json_flush();
		}
		put("}}");
		json_flush();
	}
	put("]}\n");
	json_flush();
}
