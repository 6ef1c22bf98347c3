// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * A tree of small files, as unpacking and compiling handle them: written, read back cached, removed.
 *
 * The parameter is the number of files; each tenth begins a directory, sizes cycle through 1 to 16 KB.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"

#define FILES_PER_DIR 10
#define KB 1024L

static const long sizes[] = { KB, 3 * KB, 4 * KB, 6 * KB, 16 * KB };

static void dir_path(char *path, size_t size, const struct context *context, long number)
{
	snprintf(path, size, "%s/d%03ld", context->path, number / FILES_PER_DIR);
}

static void file_path(char *path, size_t size, const struct context *context, long number)
{
	snprintf(path, size, "%s/d%03ld/file%03ld.c", context->path, number / FILES_PER_DIR, number);
}

static long size_of(long number)
{
	return sizes[(size_t)number % (sizeof(sizes) / sizeof(sizes[0]))];
}

static int write_file(const char *path, long bytes)
{
	int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (file < 0)
		return -1;
	for (long at = 0; at < bytes; at += RECORD_BYTES) {
		size_t length = (size_t)(bytes - at < RECORD_BYTES ? bytes - at : RECORD_BYTES);

		if (write(file, record, length) != (ssize_t)length) {
			close(file);
			return -1;
		}
	}
	return close(file);
}

static int read_file(const char *path)
{
	struct stat status;
	ssize_t length;
	int file = open(path, O_RDONLY);

	if (file < 0 || fstat(file, &status) != 0)
		return -1;
	while ((length = read(file, record, sizeof(record))) > 0)
		;
	close(file);
	return length == 0 ? 0 : -1;
}

static int prepare_root(struct context *context)
{
	return make_dir(context, "tree");
}

static long run_write(struct context *context)
{
	char path[400];

	for (long i = 0; i < context->parameter; i++) {
		dir_path(path, sizeof(path), context, i);
		if (i % FILES_PER_DIR == 0 && mkdir(path, 0755) != 0)
			return -1;
		file_path(path, sizeof(path), context, i);
		if (write_file(path, size_of(i)) != 0)
			return -1;
	}
	return context->parameter;
}

static int prepare_tree(struct context *context)
{
	return prepare_root(context) == 0 && run_write(context) > 0 ? 0 : cannot(context, "cannot write the tree");
}

static long run_read(struct context *context)
{
	char path[400];

	for (long i = 0; i < context->parameter; i++) {
		file_path(path, sizeof(path), context, i);
		if (read_file(path) != 0)
			return -1;
	}
	return context->parameter;
}

static long run_remove(struct context *context)
{
	char path[400];

	for (long i = 0; i < context->parameter; i++) {
		file_path(path, sizeof(path), context, i);
		if (unlink(path) != 0)
			return -1;
	}
	for (long i = 0; i < context->parameter; i += FILES_PER_DIR) {
		dir_path(path, sizeof(path), context, i);
		if (rmdir(path) != 0)
			return -1;
	}
	return context->parameter;
}

static void finish_tree(struct context *context)
{
	run_remove(context);
	rmdir(context->path);
}

const struct bench_case tree_cases[] = {
	{ .name = "tree-write", .unit = "small file written into a tree", .operations = 1,
	  .parameters = { 100, 500 }, .short_parameters = { 100 },
	  .prepare = prepare_root, .run = run_write, .finish = finish_tree },
	{ .name = "tree-read", .unit = "small file of a tree opened and read, cached", .operations = 1,
	  .parameters = { 100, 500 }, .short_parameters = { 100 },
	  .prepare = prepare_tree, .run = run_read, .finish = finish_tree },
	{ .name = "tree-remove", .unit = "small file of a tree removed", .operations = 1,
	  .parameters = { 100, 500 }, .short_parameters = { 100 },
	  .prepare = prepare_tree, .run = run_remove, .finish = finish_tree },
};
const size_t tree_case_count = sizeof(tree_cases) / sizeof(tree_cases[0]);
