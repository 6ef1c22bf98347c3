// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * The results once more, for whoever sits before the machine.
 */
#include <stdio.h>

#include "bench.h"

/* So many columns that a screen of 80 by 25 holds it. */
#define TABLE_COLUMNS 3
#define TITLE_WIDTH 17
#define TABLE_MAX 96
/* The test waits for it. */
#define TABLE_END "Report: scripts/bench-compare.sh --read LOG-OF-SERIAL-LINE. Now switch off.\n"

static struct table_line {
	const char *name;
	long parameter;
	double ticks;
} table[TABLE_MAX];
static int table_lines;

void table_add(const struct bench_case *of, long parameter, double ticks)
{
	if (table_lines < TABLE_MAX)
		table[table_lines++] = (struct table_line){ of->name, parameter, ticks };
}

static void put_line(const struct table_line *line)
{
	int width = printf("%s", line->name);

	if (line->parameter > 1)
		width += printf(line->parameter % 1024 ? " %ld" : " %ldK",
				line->parameter % 1024 ? line->parameter : line->parameter / 1024);
	printf("%*s%7.0f ", width < TITLE_WIDTH ? TITLE_WIDTH - width : 1, "", line->ticks);
}

/* Ticks per operation, as said since the start. */
void table_print(void)
{
	int rows = (table_lines + TABLE_COLUMNS - 1) / TABLE_COLUMNS;

	printf("\fsawmill-bench, ticks per operation (median):\n");
	for (int row = 0; row < rows; row++) {
		for (int at = row; at < table_lines; at += rows)
			put_line(&table[at]);
		putchar('\n');
	}
	printf(TABLE_END);
	fflush(stdout);
}
