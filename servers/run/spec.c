// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * The run's description: entries "key=value", each ended by a zero byte, in the ramdisk's file /spec.
 */
#include "init.h"

#define SPEC_MAX (256 * 1024)

static char text[SPEC_MAX + 1];

static const char *value_of(const char *entry, const char *key)
{
	size_t length = strlen(key);

	if (strncmp(entry, key, length) || entry[length] != '=')
		return NULL;
	return entry + length + 1;
}

static long read_all(int fd)
{
	long length = 0, got;

	while (length < SPEC_MAX && (got = read(fd, text + length, SPEC_MAX - length)) > 0)
		length += got;
	return length;
}

const char *spec_read(struct spec *spec)
{
	int arguments = 0, variables = 0;
	const char *value;
	char *entry, *end;
	int fd = open("/spec", O_RDONLY);

	if (fd < 0)
		return "the ramdisk has no description of the run";
	end = text + read_all(fd);
	close(fd);
	for (entry = text; entry < end; entry += strlen(entry) + 1) {
		if ((value = value_of(entry, "type")))
			spec->type = value;
		else if ((value = value_of(entry, "source")))
			spec->source = value;
		else if ((value = value_of(entry, "terminal")))
			spec->terminal = value;
		else if ((value = value_of(entry, "channel")))
			spec->channel = value;
		else if ((value = value_of(entry, "rows")))
			spec->rows = atoi(value);
		else if ((value = value_of(entry, "columns")))
			spec->columns = atoi(value);
		else if ((value = value_of(entry, "arg")) && arguments < ARGUMENTS_MAX)
			spec->argv[arguments++] = (char *)value;
		else if ((value = value_of(entry, "env")) && variables < ARGUMENTS_MAX)
			spec->env[variables++] = (char *)value;
		else
			return "the description of the run is not understood";
	}
	if (!spec->type || !spec->source || !spec->terminal || !spec->channel || !arguments)
		return "the description of the run is not complete";
	return NULL;
}
