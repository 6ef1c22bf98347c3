// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Reads blocks of counters out of a text that may hold other lines, and a prefix on each line.
 */
#include "top.h"

static void copy_name(char *to, const char *from, size_t length)
{
	if (length >= NAME_BYTES)
		length = NAME_BYTES - 1;
	memcpy(to, from, length);
	to[length] = 0;
}

static count_t number(const char *text)
{
	count_t value = 0;

	for (; *text >= '0' && *text <= '9'; text++)
		value = value * 10 + (count_t)(*text - '0');
	return value;
}

/* Takes the next word KEY=VALUE off a line; NULL at its end. */
static char *next_word(char **line, char **value)
{
	char *word = *line;
	char *end;

	while (*word == ' ')
		word++;
	if (!*word)
		return NULL;
	for (end = word; *end && *end != ' '; end++)
		;
	*line = *end ? end + 1 : end;
	*end = 0;
	*value = strchr(word, '=');
	if (!*value)
		return *value = end, word;
	*(*value)++ = 0;
	return word;
}

static void add_exits(struct reading *reading, struct partition *to, const char *name, count_t value)
{
	int i;

	for (i = 0; i < reading->exits; i++)
		if (!strcmp(reading->exit_names[i], name))
			break;
	if (i == EXITS_MAX)
		return;
	if (i == reading->exits) {
		copy_name(reading->exit_names[i], name, strlen(name));
		reading->exits++;
	}
	to->exits[i] += value;
}

static void parse_partition(struct reading *reading, char *line)
{
	struct partition *to = &reading->of[reading->partitions];
	char *value, *key;

	if (reading->partitions == PARTITIONS_MAX)
		return;
	memset(to, 0, sizeof(*to));
	while ((key = next_word(&line, &value))) {
		if (!strcmp(key, "name"))
			copy_name(to->name, value, strlen(value));
		else if (!strcmp(key, "life"))
			copy_name(to->life, value, strlen(value));
		else if (!strcmp(key, "restarts"))
			to->restarts = number(value);
		else if (!strcmp(key, "pages"))
			to->pages = number(value);
		else if (!strcmp(key, "frames"))
			to->frames = number(value);
		else if (!strcmp(key, "quota_pages"))
			to->quota_pages = number(value);
	}
	reading->partitions++;
}

/* The vCPUs of a partition follow its line. */
static void parse_vcpu(struct reading *reading, char *line)
{
	struct partition *to;
	char *value, *key;

	if (!reading->partitions)
		return;
	to = &reading->of[reading->partitions - 1];
	to->vcpus++;
	while ((key = next_word(&line, &value))) {
		if (!strcmp(key, "run"))
			to->run += number(value);
		else if (!strcmp(key, "calls"))
			to->calls += number(value);
		else if (!strcmp(key, "served"))
			to->served += number(value);
		else if (strcmp(key, "of") && strcmp(key, "index") && strcmp(key, "injections"))
			add_exits(reading, to, key, number(value));
	}
}

static void parse_pair(char *line, const char *first, count_t *one, const char *second, count_t *other)
{
	char *value, *key;

	while ((key = next_word(&line, &value))) {
		if (!strcmp(key, first))
			*one = number(value);
		else if (!strcmp(key, second))
			*other = number(value);
	}
}

/* What follows `word` and a space (or the end) in the line, wherever it begins: consoles put names before it. */
static char *after(char *line, const char *word)
{
	size_t length = strlen(word);
	char *at = line;

	if (*at == '[' && (at = strchr(line, ']')))
		at += at[1] == ' ' ? 2 : 1;
	if (!at || strncmp(at, word, length) || (at[length] && at[length] != ' ' && at[length] != '\r'))
		return NULL;
	return at + length;
}

int parse_last_two(char *text, struct reading *last, struct reading *before)
{
	static struct reading now;
	int is_open = 0, found = 0;
	char *line, *next, *rest;

	for (line = text; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		if ((rest = after(line, "time"))) {
			memset(&now, 0, sizeof(now));
			is_open = 1;
			parse_pair(rest, "tsc", &now.tsc, "khz", &now.khz);
		} else if (!is_open) {
			continue;
		} else if ((rest = after(line, "partition"))) {
			parse_partition(&now, rest);
		} else if ((rest = after(line, "vcpu"))) {
			parse_vcpu(&now, rest);
		} else if ((rest = after(line, "pool"))) {
			parse_pair(rest, "pages", &now.pool_pages, "free", &now.pool_free);
		} else if (after(line, "end") && now.khz) {
			is_open = 0;
			found++;
			memcpy(before, last, sizeof(*before));
			memcpy(last, &now, sizeof(*last));
		}
	}
	return found;
}

static const struct partition *find(const struct reading *reading, const char *name)
{
	int i;

	for (i = 0; i < reading->partitions; i++)
		if (!strcmp(reading->of[i].name, name))
			return &reading->of[i];
	return NULL;
}

static count_t less(count_t now, count_t then)
{
	return now >= then ? now - then : now;
}

void change_between(struct change *change, const struct reading *before, const struct reading *last)
{
	int i, exit;

	memset(change, 0, sizeof(*change));
	change->ticks = last->tsc - before->tsc;
	change->khz = last->khz;
	for (i = 0; i < last->partitions; i++) {
		const struct partition *now = &last->of[i], *then = find(before, now->name);
		struct partition *to = &change->of[i];

		memcpy(to, now, sizeof(*to));
		if (!then || then->restarts != now->restarts)
			continue;
		to->run = less(now->run, then->run);
		to->calls = less(now->calls, then->calls);
		to->served = less(now->served, then->served);
		for (exit = 0; exit < last->exits; exit++)
			to->exits[exit] = less(now->exits[exit], then->exits[exit]);
	}
}

count_t exits_of(const struct partition *partition, const struct reading *reading)
{
	count_t sum = 0;
	int i;

	for (i = 0; i < reading->exits; i++)
		sum += partition->exits[i];
	return sum;
}
