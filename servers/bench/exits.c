// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * VM exits, as the multiserver tells them in /proc/sawmill/exits: lines of "NAME COUNT".
 *
 * The name "total" is the number of all exits of the machine; other names are reasons and related counters
 * ("ipc", "vmfunc"). A system without the file knows of no exits, and the report says null.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

#define COUNTER_FILE "/proc/sawmill/exits"

static int copy_name(char *to, const char *from, size_t length)
{
	if (length == 0 || length >= sizeof(((struct counter *)0)->name))
		return -1;
	for (size_t i = 0; i < length; i++) {
		char c = from[i];
		int plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';

		if (!plain)
			return -1;
		to[i] = c;
	}
	to[length] = 0;
	return 0;
}

void read_counters(struct counters *counters)
{
	static char text[4096];
	int file = open(COUNTER_FILE, O_RDONLY);
	ssize_t length;

	counters->known = 0;
	counters->count = 0;
	if (file < 0)
		return;
	length = read(file, text, sizeof(text) - 1);
	close(file);
	if (length <= 0)
		return;
	text[length] = 0;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		char *space = strchr(line, ' ');
		struct counter *counter = &counters->of[counters->count];

		if (!space || counters->count == MAX_COUNTERS)
			continue;
		if (copy_name(counter->name, line, (size_t)(space - line)) != 0)
			continue;
		counter->value = strtoull(space + 1, NULL, 10);
		counters->count++;
	}
	counters->known = counters->count > 0;
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
