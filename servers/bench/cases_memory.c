// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Cases of address spaces: anonymous page faults, and mapping and unmapping.
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "bench.h"

#define FAULT_PAGES 1024L

/* Fresh anonymous memory, each page touched once; no huge pages, so that each page is one fault. */
static long run_page_fault(struct context *context)
{
	long bytes = FAULT_PAGES * RECORD_BYTES;
	char *memory = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)context;
	if (memory == MAP_FAILED)
		return -1;
	madvise(memory, (size_t)bytes, MADV_NOHUGEPAGE);
	for (long offset = 0; offset < bytes; offset += RECORD_BYTES)
		*(volatile char *)(memory + offset) = 1;
	munmap(memory, (size_t)bytes);
	return FAULT_PAGES;
}

static long run_mmap(struct context *context)
{
	for (long i = 0; i < context->operations; i++) {
		void *memory = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (memory == MAP_FAILED)
			return -1;
		munmap(memory, 65536);
	}
	return context->operations;
}

const struct bench_case memory_cases[] = {
	{ .name = "page-fault", .unit = "anonymous page touched and unmapped", .operations = 1, .run = run_page_fault },
	{ .name = "mmap", .unit = "mmap and munmap of 64 KB, untouched", .operations = 2000, .run = run_mmap },
};
const size_t memory_case_count = sizeof(memory_cases) / sizeof(memory_cases[0]);
