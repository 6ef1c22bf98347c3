// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Adds by ADCX and ADOX where CPUID shows them: two chains of carries, one after the other in turns, as programs with
 * large numbers do. What they leave must be what plain additions leave.
 */
#include <cpuid.h>
#include <stdint.h>
#include <stdio.h>

#define ROUNDS 10000

/* Three words each. */
struct sums {
	uint64_t by_cf[3], by_of[3];
};

static uint64_t random_word(void)
{
	static uint64_t state = 88172645463325252;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	/* Words of ones and of zeros pass carries on, or end them. */
	return state % 4 == 0 ? ~0ULL : state % 4 == 1 ? 0 : state;
}

static void add_by_adx(struct sums *sums, const struct sums *more)
{
	__asm__("xor %%eax, %%eax\n"
		"adcx %[c0], %[a0]\n adox %[d0], %[b0]\n"
		"adcx %[c1], %[a1]\n adox %[d1], %[b1]\n"
		"adcx %[c2], %[a2]\n adox %[d2], %[b2]\n"
		: [a0] "+&r"(sums->by_cf[0]), [a1] "+&r"(sums->by_cf[1]), [a2] "+&r"(sums->by_cf[2]),
		  [b0] "+&r"(sums->by_of[0]), [b1] "+&r"(sums->by_of[1]), [b2] "+&r"(sums->by_of[2])
		: [c0] "m"(more->by_cf[0]), [c1] "m"(more->by_cf[1]), [c2] "m"(more->by_cf[2]),
		  [d0] "m"(more->by_of[0]), [d1] "m"(more->by_of[1]), [d2] "m"(more->by_of[2])
		: "rax", "cc");
}

static void add(uint64_t sum[3], const uint64_t more[3])
{
	unsigned __int128 rest = 0;

	for (int word = 0; word < 3; word++) {
		rest += (unsigned __int128)sum[word] + more[word];
		sum[word] = rest;
		rest >>= 64;
	}
}

int main(void)
{
	unsigned int eax, ebx, ecx, edx, wrong = 0;

	if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) || !(ebx & bit_ADX)) {
		puts("ADX is not shown");
		return 0;
	}
	for (int round = 0; round < ROUNDS; round++) {
		struct sums sums, expected, more;

		for (int word = 0; word < 3; word++) {
			sums.by_cf[word] = random_word();
			sums.by_of[word] = random_word();
			more.by_cf[word] = random_word();
			more.by_of[word] = random_word();
		}
		expected = sums;
		add(expected.by_cf, more.by_cf);
		add(expected.by_of, more.by_of);
		add_by_adx(&sums, &more);
		for (int word = 0; word < 3; word++)
			wrong += sums.by_cf[word] != expected.by_cf[word] || sums.by_of[word] != expected.by_of[word];
	}
	printf("ADX is shown: %u of %d words wrong\n", wrong, 3 * ROUNDS);
	return wrong != 0;
}
