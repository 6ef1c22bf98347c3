/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Hypercalls from C: one VMCALL, registers as hypervisor/abi says.
 *
 * RAX is the number and the status, RBX the selector and the value, the six
 * words go in RDI RSI RDX R10 R8 R9. Everything is inline: a call costs the
 * exit and the moves into registers.
 */
#ifndef _SAWMILL_VMCALL_H
#define _SAWMILL_VMCALL_H

#include <linux/types.h>
#include <linux/compiler.h>
#include <sawmill/hypercall.h>

/* The general form: all words in, all words out. */
static __always_inline u64 hv_ipc(u64 number, u64 *value, u64 words[HV_WORDS])
{
	register u64 word3 asm("r10") = words[3];
	register u64 word4 asm("r8") = words[4];
	register u64 word5 asm("r9") = words[5];
	u64 status = number;

	asm volatile("vmcall"
		     : "+a" (status), "+b" (*value), "+D" (words[0]),
		       "+S" (words[1]), "+d" (words[2]), "+r" (word3),
		       "+r" (word4), "+r" (word5)
		     : : "memory");
	words[3] = word3;
	words[4] = word4;
	words[5] = word5;
	return status;
}

/* The short form: up to three words in, status and value out. */
static __always_inline u64 hv_call(u64 number, u64 *value, u64 word0,
				   u64 word1, u64 word2)
{
	u64 status = number;

	asm volatile("vmcall"
		     : "+a" (status), "+b" (*value), "+D" (word0),
		       "+S" (word1), "+d" (word2)
		     : : "memory", "r8", "r9", "r10");
	return status;
}

static __always_inline u64 hv_vcpu_wait(void)
{
	u64 none = 0;

	return hv_call(HV_VCPU_WAIT, &none, 0, 0, 0);
}

/* @deadline is in TSC ticks, absolute; 0 disarms. */
static __always_inline u64 hv_timer_set(u64 deadline)
{
	u64 none = 0;

	return hv_call(HV_TIMER_SET, &none, deadline, 0, 0);
}

static __always_inline u64 hv_event_signal(u64 selector)
{
	return hv_call(HV_EVENT_SIGNAL, &selector, 0, 0, 0);
}

/* Sets @event in each vCPU of this partition whose bit is in @vcpus. */
static __always_inline u64 hv_vcpu_signal(u64 vcpus, u64 event)
{
	u64 self = HV_SELECTOR_SELF;

	return hv_call(HV_VCPU_SIGNAL, &self, vcpus, event, 0);
}

static inline u64 hv_vcpu_start(u64 selector, u64 rip, u64 rsp, u64 cr3)
{
	u64 words[HV_WORDS] = { rip, rsp, cr3 };

	return hv_ipc(HV_VCPU_START, &selector, words);
}

static inline u64 hv_partition_exit(enum hv_exit_kind kind, u64 code)
{
	u64 none = 0;

	return hv_call(HV_PARTITION_EXIT, &none, kind, code, 0);
}

static inline u64 hv_irq_acknowledge(u64 selector)
{
	return hv_call(HV_IRQ_ACKNOWLEDGE, &selector, 0, 0, 0);
}

#endif /* _SAWMILL_VMCALL_H */
