// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Two processes hold a pattern of their own in all vector registers while they give way to each other.
 * What a system call or a switch changes of them is an error; says how often that was, and how often
 * this process was switched away.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 2000
#define REGISTERS 16
#define WIDTH 32

#define LOAD(n) "vmovdqu " #n "*32(%[in]), %%ymm" #n "\n"
#define STORE(n) "vmovdqu %%ymm" #n ", " #n "*32(%[out])\n"
#define ALL(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11) DO(12) DO(13) DO(14) DO(15)

static int is_kept(unsigned char pattern)
{
	unsigned char in[REGISTERS * WIDTH], out[REGISTERS * WIDTH];
	long number = SYS_sched_yield;
	unsigned int i;

	for (i = 0; i < sizeof(in); i++)
		in[i] = pattern + i;
	memset(out, 0, sizeof(out));
	__asm__ volatile(ALL(LOAD) "syscall\n" ALL(STORE)
			 : "+a"(number)
			 : [in] "r"(in), [out] "r"(out)
			 : "rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
			   "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
	return !memcmp(in, out, sizeof(in));
}

static int run(unsigned char pattern)
{
	struct rusage usage;
	int round, lost = 0;

	for (round = 0; round < ROUNDS; round++)
		lost += !is_kept(pattern);
	getrusage(RUSAGE_SELF, &usage);
	printf("lost %d, switches %ld\n", lost, usage.ru_nvcsw + usage.ru_nivcsw);
	fflush(stdout);
	return lost != 0;
}

int main(void)
{
	pid_t child = fork();
	int status = 0, lost;

	if (!child)
		return run(0x40);
	lost = run(0xa5);
	return child < 0 || waitpid(child, &status, 0) != child || status || lost;
}
