/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The platform as the rest of the glue and the hooks in Linux see it.
 *
 * All of it does nothing, cheaply, when Linux does not run in a partition.
 */
#ifndef _SAWMILL_PLATFORM_H
#define _SAWMILL_PLATFORM_H

#include <linux/types.h>
#include <linux/init.h>
#include <sawmill/hypercall.h>

#ifdef CONFIG_SAWMILL_GUEST

/* What root told us; NULL when not in a partition. */
extern const struct hv_partition_info *sawmill_info;

/* Names of the classes of exits, by enum hv_exit_class. */
#define SAWMILL_EXIT_NAMES	(HV_EXIT_CLASS_OTHER + 1)
extern const char *const sawmill_exit_names[SAWMILL_EXIT_NAMES];

typedef void (*sawmill_event_handler)(void *data);

/*
 * Calls @handler with @data in hard interrupt context when event @bit of this
 * partition's vCPU 0 (for bit 7, PORTAL: of any vCPU) is signalled.
 */
void sawmill_event_bind(unsigned int bit, sawmill_event_handler handler,
			void *data);

/*
 * Makes Linux interrupt @irq (0: any free one) out of event @bit; @selector
 * is to be acknowledged if @flags has HV_IRQ_LEVEL. Returns the interrupt.
 */
int sawmill_irq_create(unsigned int irq, unsigned int bit, u64 selector,
		       u64 flags);

/*
 * Around a wait in the hypervisor with interrupts off: from look() to take()
 * events arrive without an upcall, take() runs their handlers as if they had
 * come by one. This saves the exits of an interrupt that waits for its window.
 */
void sawmill_events_look(void);
void sawmill_events_take(void);

/*
 * The same on the way to a wait for calls: acknowledgements and signals are
 * left for that wait, whose first words sawmill_leftovers_take() fills in.
 * Whoever does something else first calls sawmill_leftovers_flush().
 */
void sawmill_events_take_before_wait(void);
void sawmill_leftovers_take(u64 words[HV_WORDS]);
void sawmill_leftovers_flush(void);

/* Leaves a signal for the wait; false if it is to be sent now. */
bool sawmill_leave_signal(u64 selector);

/* Hooks in Linux (vendor-linux-patches). */
void __init sawmill_set_idle(void (*idle)(void));
void sawmill_run_server(void);

#endif /* CONFIG_SAWMILL_GUEST */
#endif /* _SAWMILL_PLATFORM_H */
