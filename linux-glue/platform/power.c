// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of a partition: root is told why. Root decides what comes next.
 */
#include <linux/init.h>
#include <linux/notifier.h>
#include <linux/panic_notifier.h>
#include <linux/pm.h>
#include <linux/reboot.h>
#include <linux/smp.h>
#include <asm/reboot.h>

#include "platform.h"

static void power_end(enum hv_exit_kind kind)
{
	local_irq_disable();
	hv_partition_exit(kind, 0);
	/* Only a hypervisor that refuses to end us comes here. */
	sawmill_cpu_stop();
}

static void power_shutdown(void)
{
#ifdef CONFIG_SMP
	smp_send_stop();
#endif
}

static void power_off(void)
{
	power_end(HV_EXIT_KIND_POWER_OFF);
}

static void power_restart(char *command)
{
	power_end(HV_EXIT_KIND_RESTART);
}

static void power_halt(void)
{
	power_end(HV_EXIT_KIND_HALT);
}

static void power_emergency_restart(void)
{
	power_end(HV_EXIT_KIND_RESTART);
}

static int power_panicked(struct notifier_block *block, unsigned long event,
			  void *text)
{
	power_end(HV_EXIT_KIND_PANIC);
	return NOTIFY_DONE;
}

/* The last one: others may still want to print. */
static struct notifier_block power_panic = {
	.notifier_call = power_panicked,
	.priority = INT_MIN,
};

void __init sawmill_power_init(void)
{
	machine_ops.shutdown = power_shutdown;
	machine_ops.power_off = power_off;
	machine_ops.restart = power_restart;
	machine_ops.halt = power_halt;
	machine_ops.emergency_restart = power_emergency_restart;
	pm_power_off = power_off;
	atomic_notifier_chain_register(&panic_notifier_list, &power_panic);
}
