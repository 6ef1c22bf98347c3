// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/sawmill/statistics: the counters of all partitions, for a partition
 * that may see them; servers/proto/src/statistics.rs has the format.
 *
 * Root lets the partition read each other one's counters (a capability with
 * the right INFO), the hypervisor tells them.
 */
#include <linux/mm.h>
#include <linux/init.h>
#include <linux/mutex.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <sawmill/pool.h>
#include <asm/msr.h>

#include "ipc.h"

#define ROOT_PARTITION	6

static const char *const life_names[] = { "new", "started", "ready", "dead" };

static struct hv_partition_statistics *counters;
static DEFINE_MUTEX(counters_lock);

static void show_vcpu(struct seq_file *file, const char *name, u64 index)
{
	const struct hv_vcpu_statistics *vcpu = &counters->vcpus[index];
	unsigned int class;

	seq_printf(file,
		   "vcpu of=%s index=%llu run=%llu calls=%llu served=%llu injections=%llu",
		   name, index, vcpu->run_tsc, vcpu->calls, vcpu->served,
		   vcpu->injections);
	for (class = 0; class < SAWMILL_EXIT_NAMES; class++)
		seq_printf(file, " %s=%llu", sawmill_exit_names[class],
			   vcpu->exits[class]);
	seq_putc(file, '\n');
}

/* @words is root's answer. */
static void show_partition(struct seq_file *file, const u64 words[HV_WORDS])
{
	char name[HV_NAME_MAX + 1] = { };
	u64 selector = words[0];
	u64 life = min_t(u64, words[4], ARRAY_SIZE(life_names) - 1);
	u64 index;

	memcpy(name, &words[1], HV_NAME_MAX);
	if (selector == HV_SELECTOR_NULL ||
	    hv_call(HV_PARTITION_STATISTICS, &selector, __pa(counters), 0, 0) !=
	    HV_STATUS_OK)
		memset(counters, 0, sizeof(*counters));
	seq_printf(file,
		   "partition name=%s number=%llu life=%s restarts=%llu pages=%llu frames=%llu quota_pages=%llu quota_frames=%llu\n",
		   name, words[3], life_names[life], words[5],
		   counters->region_pages, counters->kernel_frames,
		   counters->region_quota_pages, counters->kernel_quota_frames);
	for (index = 0; index < min_t(u64, counters->vcpu_count, HV_VCPUS_MAX); index++)
		show_vcpu(file, name, index);
}

static void show_pool(struct seq_file *file)
{
#ifdef CONFIG_SAWMILL_POOL
	if (sawmill_pool_exists)
		seq_printf(file, "pool pages=%lu free=%lu\n",
			   node_present_pages(SAWMILL_POOL_NODE),
			   sum_zone_node_page_state(SAWMILL_POOL_NODE,
						    NR_FREE_PAGES));
#endif
}

/* Not by the connection: there is no answer about a partition after the last. */
static bool ask_root(u64 place, u64 words[HV_WORDS])
{
	const struct hv_connection *root = sawmill_info->connections;
	u64 selector = root->portal_selector;

	memset(words, 0, HV_WORDS * sizeof(*words));
	words[0] = ROOT_PARTITION;
	words[1] = place;
	/* Root's connection is the first. */
	return sawmill_info->connection_count && root->is_root &&
	       hv_ipc(HV_PORTAL_CALL, &selector, words) == HV_STATUS_OK;
}

static int statistics_show(struct seq_file *file, void *unused)
{
	u64 words[HV_WORDS];
	u64 place = 0;

	mutex_lock(&counters_lock);
	seq_printf(file, "time tsc=%llu khz=%llu\n", rdtsc(),
		   sawmill_info->tsc_khz);
	while (ask_root(place, words)) {
		show_partition(file, words);
		place++;
	}
	show_pool(file);
	seq_puts(file, "end\n");
	mutex_unlock(&counters_lock);
	/* Root tells at least of itself, unless we have no right. */
	return place ? 0 : -EACCES;
}

static int __init statistics_init(void)
{
	if (!sawmill_info)
		return 0;
	counters = (void *)get_zeroed_page(GFP_KERNEL);
	if (!counters)
		return -ENOMEM;
	if (!proc_create_single("sawmill/statistics", 0400, NULL,
				statistics_show))
		return -ENOMEM;
	return 0;
}
device_initcall(statistics_init);
