// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * VM exits, as the multiserver tells them in /proc/sawmill/statistics (servers/proto/src/statistics.rs).
 *
 * Counters are sums over all partitions: exits by reason, "total" of them, "ipc" (calls through portals), "vmfunc"
 * (the hypervisor uses none); and by partition "NAME.exits" and "NAME.run" (ticks). A system without the file knows
 * of no exits, and the report says null.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

#define COUNTER_FILE "/proc/sawmill/statistics"

/* Adds to the counter of this name, which comes to be at the first time. */
static void add(struct counters *counters, const char *name, uint64_t value)
{
	int i;

	for (i = 0; i < counters->count; i++)
		if (strcmp(counters->of[i].name, name) == 0)
			break;
	if (i == MAX_COUNTERS)
		return;
	if (i == counters->count) {
		snprintf(counters->of[i].name, sizeof(counters->of[i].name), "%s", name);
		counters->of[i].value = 0;
		counters->count++;
	}
	counters->of[i].value += value;
}

/* Names go into the report as they are. */
static int is_plain(const char *name)
{
	return name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-.")] == 0;
}

/* A line "vcpu of=NAME index=N run=N calls=N served=N injections=N", then REASON=N for each. */
static void read_vcpu(struct counters *counters, char *line)
{
	char of[16] = "", name[32];
	uint64_t exits = 0;

	for (char *state, *word = strtok_r(line, " ", &state); word; word = strtok_r(NULL, " ", &state)) {
		char *text = strchr(word, '=');

		if (!text)
			continue;
		*text++ = 0;
		uint64_t value = strtoull(text, NULL, 10);

		if (!is_plain(word) || (strcmp(word, "of") == 0 && !is_plain(text)))
			return;
		if (strcmp(word, "of") == 0) {
			snprintf(of, sizeof(of), "%s", text);
		} else if (strcmp(word, "run") == 0) {
			snprintf(name, sizeof(name), "%s.run", of);
			add(counters, name, value);
		} else if (strcmp(word, "calls") == 0) {
			add(counters, "ipc", value);
		} else if (strcmp(word, "index") != 0 && strcmp(word, "served") != 0 && strcmp(word, "injections") != 0) {
			add(counters, word, value);
			exits += value;
		}
	}
	snprintf(name, sizeof(name), "%s.exits", of);
	add(counters, name, exits);
	add(counters, "total", exits);
}

void read_counters(struct counters *counters)
{
	static char text[16384];
	int file = open(COUNTER_FILE, O_RDONLY);
	ssize_t got;
	size_t length = 0;

	counters->known = 0;
	counters->count = 0;
	if (file < 0)
		return;
	while ((got = read(file, text + length, sizeof(text) - 1 - length)) > 0)
		length += (size_t)got;
	close(file);
	text[length] = 0;
	for (char *state, *line = strtok_r(text, "\n", &state); line; line = strtok_r(NULL, "\n", &state))
		if (strncmp(line, "vcpu ", 5) == 0)
			read_vcpu(counters, line + 5);
	counters->known = counters->count > 0;
	if (counters->known)
		add(counters, "vmfunc", 0);
}

/* What one reading of the counters adds to them: reading takes exits itself. */
static struct counters cost_of_reading;

void calibrate_counters(void)
{
	static struct counters before, after;

	cost_of_reading.known = 0;
	read_counters(&before); /* the first reading faults pages in */
	read_counters(&before);
	read_counters(&after);
	counters_difference(&cost_of_reading, &before, &after);
}

/* Adds `after - before` to `sum`, less what the reading in between cost. */
void counters_difference(struct counters *sum, const struct counters *before, const struct counters *after)
{
	if (!before->known || !after->known || before->count != after->count)
		return;
	if (!sum->known) {
		*sum = *after;
		for (int i = 0; i < sum->count; i++)
			sum->of[i].value = 0;
	}
	for (int i = 0; i < after->count; i++) {
		uint64_t difference = after->of[i].value - before->of[i].value;
		uint64_t cost = sum != &cost_of_reading && cost_of_reading.known ? cost_of_reading.of[i].value : 0;

		sum->of[i].value += difference > cost ? difference - cost : 0;
	}
}
