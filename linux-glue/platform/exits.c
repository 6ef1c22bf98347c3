// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/sawmill/exits: VM exits of this partition since it started, lines of
 * "NAME COUNT"; what the benchmark reads.
 *
 * "total" is all exits that this partition's work caused: its own, and one for
 * each call it made, since the server that answers leaves by an exit too.
 * Reading costs one exit itself.
 */
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/mutex.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

#include "platform.h"

const char *const sawmill_exit_names[SAWMILL_EXIT_NAMES] = {
	[HV_EXIT_CLASS_HYPERCALL] = "hypercall",
	[HV_EXIT_CLASS_PORTAL_CALL] = "portal_call",
	[HV_EXIT_CLASS_PORTAL_REPLY] = "portal_reply",
	[HV_EXIT_CLASS_EXTERNAL_INTERRUPT] = "external_interrupt",
	[HV_EXIT_CLASS_TIMER] = "timer",
	[HV_EXIT_CLASS_INTERRUPT_WINDOW] = "interrupt_window",
	[HV_EXIT_CLASS_CPUID] = "cpuid",
	[HV_EXIT_CLASS_MSR] = "msr",
	[HV_EXIT_CLASS_PORT] = "port",
	[HV_EXIT_CLASS_HALT] = "halt",
	[HV_EXIT_CLASS_EPT_VIOLATION] = "ept_violation",
	[HV_EXIT_CLASS_EXTENDED_STATE] = "extended_state",
	[HV_EXIT_CLASS_OTHER] = "other",
};

static struct hv_partition_statistics *statistics;
static DEFINE_MUTEX(statistics_lock);

static u64 sum_of(unsigned int class)
{
	u64 sum = 0;
	u64 vcpu;

	for (vcpu = 0; vcpu < min_t(u64, statistics->vcpu_count, HV_VCPUS_MAX); vcpu++)
		sum += statistics->vcpus[vcpu].exits[class];
	return sum;
}

static u64 calls(void)
{
	u64 sum = 0;
	u64 vcpu;

	for (vcpu = 0; vcpu < min_t(u64, statistics->vcpu_count, HV_VCPUS_MAX); vcpu++)
		sum += statistics->vcpus[vcpu].calls;
	return sum;
}

static int exits_show(struct seq_file *file, void *unused)
{
	u64 self = HV_SELECTOR_SELF;
	u64 total = 0;
	unsigned int class;
	u64 status;

	mutex_lock(&statistics_lock);
	status = hv_call(HV_PARTITION_STATISTICS, &self, __pa(statistics), 0, 0);
	if (status == HV_STATUS_OK) {
		for (class = 0; class < SAWMILL_EXIT_NAMES; class++) {
			seq_printf(file, "%s %llu\n", sawmill_exit_names[class],
				   sum_of(class));
			total += sum_of(class);
		}
		seq_printf(file, "ipc %llu\n", calls());
		seq_printf(file, "total %llu\n", total + calls());
	}
	mutex_unlock(&statistics_lock);
	return status == HV_STATUS_OK ? 0 : -EIO;
}

static int __init exits_init(void)
{
	if (!sawmill_info)
		return 0;
	statistics = (void *)get_zeroed_page(GFP_KERNEL);
	if (!statistics)
		return -ENOMEM;
	if (!proc_mkdir("sawmill", NULL) ||
	    !proc_create_single("sawmill/exits", 0444, NULL, exits_show))
		return -ENOMEM;
	return 0;
}
fs_initcall(exits_init);
