// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * The machine as a program finds it: names by CPUID, and what the time stamp counter counts.
 *
 * An emulator that counts instructions gives a multiplication one tick; a processor needs three cycles or more for
 * one that waits for the result of the one before.
 */
#include <cpuid.h>
#include <string.h>
#include <time.h>

#include "bench.h"

#define BRAND_FIRST 0x80000002u
#define BRAND_LAST 0x80000004u
#define HYPERVISOR_LEAF 0x40000000u
#define HYPERVISOR_BIT (1u << 31)
#define MULTIPLICATIONS 100000
#define WATCH_NS 20000000L

/* Texts that end where the processor's do, without the blanks that some begin with. */
void machine_names(char processor[49], char hypervisor[13])
{
	unsigned int words[12] = { 0 }, *to = words;
	unsigned int a, b, c, d;

	for (unsigned int leaf = BRAND_FIRST; leaf <= BRAND_LAST; leaf++, to += 4)
		__get_cpuid(leaf, &to[0], &to[1], &to[2], &to[3]);
	memcpy(processor, words, 48);
	processor[48] = 0;
	memmove(processor, processor + strspn(processor, " "), 49 - strspn(processor, " "));
	memset(hypervisor, 0, 13);
	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & HYPERVISOR_BIT))
		return;
	__cpuid(HYPERVISOR_LEAF, a, b, c, d);
	memcpy(hypervisor, &b, 4);
	memcpy(hypervisor + 4, &c, 4);
	memcpy(hypervisor + 8, &d, 4);
}

static long nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000L + now.tv_nsec;
}

double ticks_per_us(void)
{
	long from = nanoseconds(), to;
	uint64_t start = timestamp();

	while ((to = nanoseconds()) - from < WATCH_NS)
		;
	return (double)(timestamp() - start) * 1000.0 / (double)(to - from);
}

double ticks_per_multiplication(void)
{
	uint64_t factor = 3, best = ~0ull;

	/* The best of a few: no interrupt fell into it. */
	for (int round = 0; round < 5; round++) {
		uint64_t start = timestamp();

		for (int i = 0; i < MULTIPLICATIONS / 1000; i++)
			__asm__ volatile(".rept 1000; imulq %0, %0; .endr" : "+r"(factor));
		uint64_t took = timestamp() - start;

		best = took < best ? took : best;
	}
	return (double)best / MULTIPLICATIONS;
}
