// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * What cases share: the record, files and directories of known content, dropping caches.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"

char record[RECORD_BYTES] __attribute__((aligned(4096)));
const char *self_path = "/proc/self/exe";
const char *work_dir = "/sawmill-bench.d";

/* Notes why the case cannot run; returns -1. */
int cannot(struct context *context, const char *what)
{
	snprintf(context->reason, sizeof(context->reason), "%s: %s", what, strerror(errno));
	return -1;
}

/* Opens `name` in the working directory, of exactly `bytes` bytes, all allocated and on disk. */
int make_file(struct context *context, const char *name, long bytes)
{
	struct stat status;

	snprintf(context->path, sizeof(context->path), "%s/%s", work_dir, name);
	context->file = open(context->path, O_RDWR | O_CREAT, 0644);
	if (context->file < 0)
		return cannot(context, "cannot create the file");
	if (fstat(context->file, &status) != 0)
		return cannot(context, "cannot stat the file");
	if (status.st_size == bytes)
		return 0;
	if (ftruncate(context->file, 0) != 0)
		return cannot(context, "cannot truncate the file");
	for (long offset = 0; offset < bytes; offset += RECORD_BYTES)
		if (pwrite(context->file, record, RECORD_BYTES, offset) != RECORD_BYTES)
			return cannot(context, "cannot fill the file");
	if (fsync(context->file) != 0)
		return cannot(context, "cannot fsync the file");
	return 0;
}

void close_file(struct context *context)
{
	if (context->file >= 0)
		close(context->file);
	context->file = -1;
}

/* Creates (or keeps) the directory `name` in the working directory. */
int make_dir(struct context *context, const char *name)
{
	snprintf(context->path, sizeof(context->path), "%s/%s", work_dir, name);
	if (mkdir(context->path, 0755) != 0 && errno != EEXIST)
		return cannot(context, "cannot create the directory");
	return 0;
}

/* The name of entry `number` of the case's directory. */
void entry_path(char *path, size_t size, const struct context *context, const char *kind, long number)
{
	snprintf(path, size, "%s/%s%05ld", context->path, kind, number);
}

/* Creates `count` empty files in the case's directory. */
int make_entries(struct context *context, const char *kind, long count)
{
	char path[320];

	for (long number = 0; number < count; number++) {
		entry_path(path, sizeof(path), context, kind, number);
		int file = open(path, O_WRONLY | O_CREAT, 0644);

		if (file < 0)
			return cannot(context, "cannot create the files");
		close(file);
	}
	return 0;
}

/* Removes what make_entries or a case created; what is not there is no error. */
void remove_entries(struct context *context, const char *kind, long count)
{
	char path[320];

	for (long number = 0; number < count; number++) {
		entry_path(path, sizeof(path), context, kind, number);
		if (unlink(path) != 0 && errno == EISDIR)
			rmdir(path);
	}
}

/* Makes the kernel forget clean caches: "1" pages, "2" directory entries and inodes. */
int drop_caches(struct context *context, const char *what)
{
	int file;

	sync();
	file = open("/proc/sys/vm/drop_caches", O_WRONLY);
	if (file < 0)
		return cannot(context, "cannot open /proc/sys/vm/drop_caches");
	if (write(file, what, strlen(what)) < 0) {
		cannot(context, "cannot write /proc/sys/vm/drop_caches");
		close(file);
		return -1;
	}
	close(file);
	return 0;
}
