// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * sm-top [--json] [--interval SECONDS] [--count N] [FILE]
 *
 * Without FILE, the counters of this machine. FILE is a log that root's blocks go to (hypervisor option `top=1`);
 * the last two of them count.
 */
#include <asm/termbits.h>
#include <asm/ioctls.h>
#include "top.h"

#define COUNTERS "/proc/sawmill/statistics"
/* The end of a log that is looked at: many blocks. */
#define TEXT_BYTES (256 * 1024)

struct options {
	const char *file;
	int is_log, is_json;
	int interval, count;
};

static char text[TEXT_BYTES + 1];

static int is_terminal(int fd)
{
	struct termios settings;

	return ioctl(fd, TCGETS, &settings) == 0;
}

static void complain(const char *what, const char *of)
{
	write(2, "sm-top: ", 8);
	write(2, what, strlen(what));
	write(2, of, strlen(of));
	write(2, "\n", 1);
}

/* Reads a file, or the end of a long one. */
static int read_text(const char *name)
{
	long length = 0, got;
	int fd = open(name, O_RDONLY);

	if (fd < 0)
		return -1;
	got = lseek(fd, 0, SEEK_END);
	lseek(fd, got > TEXT_BYTES ? got - TEXT_BYTES : 0, SEEK_SET);
	while (length < TEXT_BYTES && (got = read(fd, text + length, (size_t)(TEXT_BYTES - length))) > 0)
		length += got;
	text[length] = 0;
	close(fd);
	return length > 0 ? 0 : -1;
}

/* Two readings, a while apart. */
static int take(const struct options *options, struct reading *before, struct reading *last)
{
	int found;

	if (!options->is_log && !last->khz) {
		if (read_text(options->file) || !parse_last_two(text, last, before))
			return -1;
		sleep((unsigned int)options->interval);
	}
	if (read_text(options->file))
		return -1;
	found = parse_last_two(text, last, before);
	if (!found)
		return -1;
	/* The first block of a log: since the start. */
	if (options->is_log && found == 1)
		memset(before, 0, sizeof(*before));
	return 0;
}

static int parse(int count, char **arguments, struct options *options)
{
	int i;

	for (i = 1; i < count; i++) {
		const char *name = arguments[i];

		if (!strcmp(name, "--json")) {
			options->is_json = 1;
		} else if (!strcmp(name, "--interval") && i + 1 < count) {
			options->interval = atoi(arguments[++i]);
		} else if (!strcmp(name, "--count") && i + 1 < count) {
			options->count = atoi(arguments[++i]);
		} else if (name[0] != '-' && !options->is_log) {
			options->file = name;
			options->is_log = 1;
		} else {
			return -1;
		}
	}
	return options->interval >= 1 && options->count >= 0 ? 0 : -1;
}

int main(int count, char **arguments)
{
	static struct reading before, last;
	static struct change change;
	struct options options = { .file = COUNTERS, .interval = 1 };
	int in_place = is_terminal(1), round;

	/* 0: for ever. */
	options.count = !in_place;
	if (parse(count, arguments, &options)) {
		complain("usage: sm-top [--json] [--interval SECONDS] [--count N] [FILE]", "");
		return 2;
	}
	if (options.is_json)
		options.count = 1;
	in_place = in_place && options.count != 1;
	if (in_place)
		write(1, "\033[2J", 4);
	for (round = 0; !options.count || round < options.count; round++) {
		if (round)
			sleep((unsigned int)options.interval);
		if (take(&options, &before, &last)) {
			complain("no counters in ", options.file);
			return 1;
		}
		change_between(&change, &before, &last);
		if (options.is_json)
			show_json(&last, &change);
		else
			show_table(&last, &change, in_place);
	}
	return 0;
}
