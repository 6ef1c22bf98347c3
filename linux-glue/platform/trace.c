// SPDX-License-Identifier: GPL-2.0-only
/*
 * Thread switches for the trace, with sawmill.trace on the command line.
 *
 * Linux's own count of context switches (perf's software event) calls us when
 * a thread stops running, so no hook is needed, and without the option Linux
 * runs as if this file were not there. Each switch is one mark in the
 * hypervisor's ring: SAWMILL_MARK_THREAD | pid << 8, and the beginning of the name.
 */
#include <linux/cpu.h>
#include <linux/init.h>
#include <linux/perf_event.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "platform.h"

static bool is_traced __initdata;

static int __init trace_wanted(char *unused)
{
	is_traced = true;
	return 0;
}
early_param("sawmill.trace", trace_wanted);

/* In the scheduler, interrupts off; current is about to stop. */
static void trace_switch(struct perf_event *event,
			 struct perf_sample_data *data, struct pt_regs *regs)
{
	u64 none = 0, name;

	memcpy(&name, current->comm, sizeof(name));
	hv_call(HV_TRACE_MARK, &none,
		SAWMILL_MARK_THREAD | (u64)current->pid << 8, name, 0);
}

static int __init trace_threads(void)
{
	struct perf_event_attr switches = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(switches),
		.config = PERF_COUNT_SW_CONTEXT_SWITCHES,
		.sample_period = 1,
		.pinned = 1,
	};
	struct perf_event *event;
	int cpu;

	if (!is_traced || !sawmill_info)
		return 0;
	for_each_online_cpu(cpu) {
		event = perf_event_create_kernel_counter(&switches, cpu, NULL,
							 trace_switch, NULL);
		if (IS_ERR(event))
			pr_warn("sawmill: no trace of threads on CPU %d: %ld\n",
				cpu, PTR_ERR(event));
	}
	return 0;
}
device_initcall(trace_threads);
