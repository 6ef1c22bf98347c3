// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Cases of names: files and directories created, looked up, listed, renamed, removed.
 *
 * The parameter is the number of entries in the directory that a run works on.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"

static int prepare_dir(struct context *context)
{
	return make_dir(context, "names");
}

#define LISTING "/listing"
#define LISTING_ENTRIES 10000L

/* A large directory comes with the image: to make it takes longer than all the rest. */
static int prepare_listing(struct context *context)
{
	if (context->parameter < LISTING_ENTRIES)
		return make_dir(context, "names") == 0 ? make_entries(context, "f", context->parameter) : -1;
	snprintf(context->path, sizeof(context->path), LISTING);
	return access(LISTING, R_OK) == 0 ? 0 : cannot(context, "the image has no " LISTING);
}

static int prepare_entries(struct context *context)
{
	return make_dir(context, "names") == 0 ? make_entries(context, "f", context->parameter) : -1;
}

static void finish_dir(struct context *context)
{
	remove_entries(context, "f", context->parameter);
	remove_entries(context, "g", context->parameter);
	rmdir(context->path);
}

static void finish_listing(struct context *context)
{
	if (context->parameter < LISTING_ENTRIES)
		finish_dir(context);
}

static long run_create(struct context *context)
{
	char path[320];

	for (long i = 0; i < context->parameter; i++) {
		entry_path(path, sizeof(path), context, "f", i);
		int file = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);

		if (file < 0)
			return -1;
		close(file);
	}
	return context->parameter;
}

static long run_stat(struct context *context)
{
	struct stat status;
	char path[320];

	entry_path(path, sizeof(path), context, "f", 0);
	for (long i = 0; i < context->operations; i++)
		if (stat(path, &status) != 0)
			return -1;
	return context->operations;
}

static int prepare_uncached(struct context *context)
{
	if (prepare_entries(context) != 0)
		return -1;
	return drop_caches(context, "2");
}

static long run_stat_each(struct context *context)
{
	struct stat status;
	char path[320];

	for (long i = 0; i < context->parameter; i++) {
		entry_path(path, sizeof(path), context, "f", i);
		if (stat(path, &status) != 0)
			return -1;
	}
	return context->parameter;
}

static long run_open(struct context *context)
{
	char path[320];

	entry_path(path, sizeof(path), context, "f", 0);
	for (long i = 0; i < context->operations; i++) {
		int file = open(path, O_RDONLY);

		if (file < 0)
			return -1;
		close(file);
	}
	return context->operations;
}

static long run_readdir(struct context *context)
{
	DIR *dir = opendir(context->path);
	long entries = 0;

	if (!dir)
		return -1;
	while (readdir(dir))
		entries++;
	closedir(dir);
	return entries;
}

static long run_rename(struct context *context)
{
	char from[320], to[320];

	for (long i = 0; i < context->parameter; i++) {
		entry_path(from, sizeof(from), context, "f", i);
		entry_path(to, sizeof(to), context, "g", i);
		if (rename(from, to) != 0)
			return -1;
	}
	return context->parameter;
}

static long run_unlink(struct context *context)
{
	char path[320];

	for (long i = 0; i < context->parameter; i++) {
		entry_path(path, sizeof(path), context, "f", i);
		if (unlink(path) != 0)
			return -1;
	}
	return context->parameter;
}

static long run_mkdir(struct context *context)
{
	char path[320];

	for (long i = 0; i < context->parameter; i++) {
		entry_path(path, sizeof(path), context, "f", i);
		if (mkdir(path, 0755) != 0)
			return -1;
	}
	return context->parameter;
}

static int prepare_dirs(struct context *context)
{
	return make_dir(context, "names") == 0 && run_mkdir(context) > 0 ? 0 : cannot(context, "cannot create directories");
}

static long run_rmdir(struct context *context)
{
	char path[320];

	for (long i = 0; i < context->parameter; i++) {
		entry_path(path, sizeof(path), context, "f", i);
		if (rmdir(path) != 0)
			return -1;
	}
	return context->parameter;
}

const struct bench_case name_cases[] = {
	{ .name = "create", .unit = "create of an empty file", .operations = 1,
	  .parameters = { 100, 500 }, .short_parameters = { 100 },
	  .prepare = prepare_dir, .run = run_create, .finish = finish_dir },
	{ .name = "stat", .unit = "stat, cached", .operations = 2000,
	  .parameters = { 1 }, .short_parameters = { 1 },
	  .prepare = prepare_entries, .run = run_stat, .finish = finish_dir },
	{ .name = "stat-uncached", .unit = "stat after the inode caches were dropped", .operations = 1,
	  .parameters = { 100, 500 }, .short_parameters = { 100 },
	  .prepare = prepare_uncached, .run = run_stat_each, .finish = finish_dir },
	{ .name = "open", .unit = "open and close", .operations = 1000,
	  .parameters = { 1 }, .short_parameters = { 1 },
	  .prepare = prepare_entries, .run = run_open, .finish = finish_dir },
	{ .name = "readdir", .unit = "entry of a listing", .operations = 1,
	  .parameters = { 200, 1000, LISTING_ENTRIES }, .short_parameters = { 200, LISTING_ENTRIES },
	  .prepare = prepare_listing, .run = run_readdir, .finish = finish_listing },
	{ .name = "rename", .unit = "rename in one directory", .operations = 1,
	  .parameters = { 100, 500 }, .short_parameters = { 100 },
	  .prepare = prepare_entries, .run = run_rename, .finish = finish_dir },
	{ .name = "unlink", .unit = "unlink of an empty file", .operations = 1,
	  .parameters = { 100, 500 }, .short_parameters = { 100 },
	  .prepare = prepare_entries, .run = run_unlink, .finish = finish_dir },
	{ .name = "mkdir", .unit = "mkdir", .operations = 1,
	  .parameters = { 50, 200 }, .short_parameters = { 50 },
	  .prepare = prepare_dir, .run = run_mkdir, .finish = finish_dir },
	{ .name = "rmdir", .unit = "rmdir", .operations = 1,
	  .parameters = { 50, 200 }, .short_parameters = { 50 },
	  .prepare = prepare_dirs, .run = run_rmdir, .finish = finish_dir },
};
const size_t name_case_count = sizeof(name_cases) / sizeof(name_cases[0]);
