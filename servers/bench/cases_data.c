// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Cases of file data: records of 4 KB, cached and cold, read, written, and mapped.
 *
 * "reread" is the case of the SawMill paper (iozone's re-read): a cached file, read again in 4 KB records.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"

#define KB 1024L
#define MB (1024L * KB)
/* Fault-around maps 64 KB at once; one touch per this distance is one fault. */
#define FAULT_AROUND_BYTES (64L * KB)

static long read_all(struct context *context)
{
	long reads = 0;

	for (long offset = 0; offset < context->parameter; offset += RECORD_BYTES, reads++)
		if (pread(context->file, record, RECORD_BYTES, offset) != RECORD_BYTES)
			return -1;
	return reads;
}

static int prepare_cached(struct context *context)
{
	if (make_file(context, "data", context->parameter) != 0)
		return -1;
	return read_all(context) > 0 ? 0 : cannot(context, "cannot read the file");
}

static long run_reread(struct context *context)
{
	long reads = 0;

	while (reads < context->operations) {
		long done = read_all(context);

		if (done < 0)
			return -1;
		reads += done;
	}
	return reads;
}

/* Clean pages of the file leave the cache; the file is closed and opened again, as a new reader would find it. */
static int prepare_cold(struct context *context)
{
	if (make_file(context, "data", context->parameter) != 0)
		return -1;
	if (fsync(context->file) != 0)
		return cannot(context, "cannot fsync");
	if (posix_fadvise(context->file, 0, 0, POSIX_FADV_DONTNEED) != 0)
		return cannot(context, "cannot drop the file's pages");
	close_file(context);
	return make_file(context, "data", context->parameter);
}

/* Each record once, in an order without runs: steps by a number prime to the (power of two) record count. */
static long run_random(struct context *context)
{
	long records = context->parameter / RECORD_BYTES;
	long at = 0;

	for (long i = 0; i < context->operations; i++) {
		at = (at + records / 2 + 37) % records;
		if (pread(context->file, record, RECORD_BYTES, at * RECORD_BYTES) != RECORD_BYTES)
			return -1;
	}
	return context->operations;
}

static int prepare_empty(struct context *context)
{
	if (make_file(context, "fresh", 0) != 0)
		return -1;
	return 0;
}

static long run_write(struct context *context)
{
	long writes = 0;

	for (long offset = 0; offset < context->parameter; offset += RECORD_BYTES, writes++)
		if (pwrite(context->file, record, RECORD_BYTES, offset) != RECORD_BYTES)
			return -1;
	return writes;
}

static long run_write_fsync(struct context *context)
{
	long writes = run_write(context);

	return writes > 0 && fsync(context->file) == 0 ? writes : -1;
}

/* A byte in an existing, clean file, made durable each time. */
static long run_byte_fsync(struct context *context)
{
	for (long i = 0; i < context->operations; i++)
		if (pwrite(context->file, record, 1, i) != 1 || fsync(context->file) != 0)
			return -1;
	return context->operations;
}

static void finish_clean(struct context *context)
{
	if (context->file >= 0)
		fsync(context->file);
	close_file(context);
}

static void finish_remove(struct context *context)
{
	close_file(context);
	unlink(context->path);
}

static long run_map(struct context *context)
{
	long faults = 0;

	while (faults < context->operations) {
		char *memory = mmap(NULL, (size_t)context->parameter, PROT_READ, MAP_SHARED, context->file, 0);

		if (memory == MAP_FAILED)
			return -1;
		for (long offset = 0; offset < context->parameter; offset += FAULT_AROUND_BYTES, faults++)
			(void)*(volatile char *)(memory + offset);
		munmap(memory, (size_t)context->parameter);
	}
	return faults;
}

#define SIZES { 64 * KB, 128 * KB, 256 * KB, 512 * KB, MB, 2 * MB, 4 * MB, 8 * MB }

const struct bench_case data_cases[] = {
	{ .name = "reread", .unit = "4 KB read, cached", .operations = 2048,
	  .parameters = SIZES, .short_parameters = SIZES,
	  .prepare = prepare_cached, .run = run_reread, .finish = close_file },
	{ .name = "mmap-read", .unit = "fault on 64 KB of a mapped, cached file", .operations = 1024,
	  .parameters = { 4 * MB }, .short_parameters = { 4 * MB },
	  .prepare = prepare_cached, .run = run_map, .finish = close_file },
	{ .name = "read-cold", .unit = "4 KB read, sequential, not cached", .operations = 1,
	  .parameters = { MB, 8 * MB }, .short_parameters = { 4 * MB },
	  .prepare = prepare_cold, .run = read_all, .finish = close_file },
	{ .name = "read-random", .unit = "4 KB read, random, not cached", .operations = 256,
	  .parameters = { 8 * MB }, .short_parameters = { 4 * MB },
	  .prepare = prepare_cold, .run = run_random, .finish = close_file },
	{ .name = "rewrite", .unit = "4 KB write into a cached file", .operations = 1,
	  .parameters = { MB, 4 * MB }, .short_parameters = { MB },
	  .prepare = prepare_cached, .run = run_write, .finish = finish_clean },
	{ .name = "write", .unit = "4 KB write, new file, no fsync", .operations = 1,
	  .parameters = { MB, 4 * MB }, .short_parameters = { MB },
	  .prepare = prepare_empty, .run = run_write, .finish = finish_remove },
	{ .name = "write-fsync", .unit = "4 KB write, new file, one fsync at the end", .operations = 1,
	  .parameters = { MB, 4 * MB }, .short_parameters = { MB },
	  .prepare = prepare_empty, .run = run_write_fsync, .finish = finish_remove },
	{ .name = "byte-fsync", .unit = "1-byte write and fsync", .operations = 50,
	  .parameters = { 64 * KB }, .short_parameters = { 64 * KB },
	  .prepare = prepare_cached, .run = run_byte_fsync, .finish = finish_clean },
};
const size_t data_case_count = sizeof(data_cases) / sizeof(data_cases[0]);
