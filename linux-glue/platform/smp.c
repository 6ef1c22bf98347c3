// SPDX-License-Identifier: GPL-2.0-only
/*
 * Starting and stopping of secondary CPUs.
 *
 * A vCPU starts in 64-bit mode with the page table and stack we name, so
 * there is no trampoline. Neighbours: apic.c for the numbers, irq.c for what
 * arrives.
 */
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/sched/hotplug.h>
#include <linux/sched/task_stack.h>
#include <linux/smp.h>
#include <linux/tick.h>
#include <asm/cpu.h>
#include <asm/desc.h>
#include <asm/espfix.h>
#include <asm/fpu/api.h>
#include <asm/realmode.h>
#include <asm/smp.h>
#include <asm/spec-ctrl.h>
#include <asm/tlbflush.h>

#include "platform.h"

/* How long a CPU may take to come up before we give it up. */
#define START_TIMEOUT_MS 10000

void sawmill_cpu_stop(void)
{
	struct hv_event_page *page;

	local_irq_disable();
	set_cpu_online(smp_processor_id(), false);
	page = __va(HV_EVENT_PAGE_GPA + smp_processor_id() * HV_PAGE_SIZE);
	hv_timer_set(0);
	for (;;) {
		/* Not HLT: the hypervisor takes that for a defect. */
		xchg(&page->upcall_pending, 0);
		memset(page->pending, 0, sizeof(page->pending));
		hv_vcpu_wait();
	}
}

#ifdef CONFIG_SMP

/* First C function of a secondary CPU, called at the end of head_64.S. */
static void notrace cpu_start(void)
{
	unsigned int cpu;

	cr4_init();
	cpu_init_secondary();
	rcu_cpu_starting(raw_smp_processor_id());
	/* Per-CPU data may be used from here on. */
	barrier();
	cpu = smp_processor_id();
	smp_store_cpu_info(cpu);
	set_cpu_sibling_map(cpu);
	speculative_store_bypass_ht_init();
	notify_cpu_starting(cpu);
	cpumask_set_cpu(cpu, cpu_callin_mask);
	set_cpu_online(cpu, true);
	cpu_set_state_online(cpu);
	local_irq_enable();
	sawmill_clock_setup_cpu();
	cpu_startup_entry(CPUHP_AP_ONLINE_IDLE);
}

static int cpu_up_vcpu(unsigned int cpu, struct task_struct *idle)
{
	unsigned int waited_ms;
	u64 status;
	int error;

	error = common_cpu_up(cpu, idle);
	if (!error)
		error = cpu_check_up_prepare(cpu);
	if (error)
		return error;

	idle->thread.sp = (unsigned long)task_pt_regs(idle);
	early_gdt_descr.address = (unsigned long)get_cpu_gdt_rw(cpu);
	initial_code = (unsigned long)cpu_start;
	initial_stack = idle->thread.sp;
#ifdef CONFIG_X86_ESPFIX64
	init_espfix_ap(cpu);
#endif
	/* cpu_init() waits for this. */
	cpumask_set_cpu(cpu, cpu_callout_mask);

	status = hv_vcpu_start(sawmill_info->vcpus[cpu].selector,
			       (u64)secondary_startup_64, idle->thread.sp,
			       __pa_symbol(swapper_pg_dir));
	if (status != HV_STATUS_OK) {
		pr_err("sawmill: vCPU %u does not start: status %llu\n", cpu,
		       status);
		return -EIO;
	}
	for (waited_ms = 0; !cpu_online(cpu); waited_ms++) {
		if (waited_ms == START_TIMEOUT_MS)
			return -EIO;
		usleep_range(200, 1000);
	}
	return 0;
}

static void __init prepare_cpus(unsigned int max_cpus)
{
	smp_prepare_cpus_common();
	cpu_data(0).x86_max_cores = 1;
	speculative_store_bypass_ht_init();
}

static int cpu_disable_refused(void)
{
	return -EOPNOTSUPP;
}

static void stop_others(int wait)
{
	u64 others = cpumask_bits(cpu_online_mask)[0];
	unsigned int waited_us;

	others &= ~BIT_ULL(smp_processor_id());
	if (!others)
		return;
	hv_vcpu_signal(others, HV_EVENT_IPI_STOP);
	/* One that does not answer stops with the partition anyway. */
	for (waited_us = 0; num_online_cpus() > 1 && waited_us < 100000;
	     waited_us += 10)
		udelay(10);
}

static void send_reschedule(int cpu)
{
	hv_vcpu_signal(BIT_ULL(cpu), HV_EVENT_IPI_RESCHEDULE);
}

static void send_call_function(const struct cpumask *mask)
{
	hv_vcpu_signal(cpumask_bits(mask)[0], HV_EVENT_IPI_CALL_FUNCTION);
}

static void send_call_function_single(int cpu)
{
	hv_vcpu_signal(BIT_ULL(cpu), HV_EVENT_IPI_CALL_FUNCTION_SINGLE);
}

void __init sawmill_smp_init(void)
{
	smp_ops.smp_prepare_cpus = prepare_cpus;
	smp_ops.cpu_up = cpu_up_vcpu;
	smp_ops.cpu_disable = cpu_disable_refused;
	smp_ops.stop_other_cpus = stop_others;
	smp_ops.crash_stop_other_cpus = NULL;
	smp_ops.smp_send_reschedule = send_reschedule;
	smp_ops.send_call_func_ipi = send_call_function;
	smp_ops.send_call_func_single_ipi = send_call_function_single;
}

#else

void __init sawmill_smp_init(void) { }

#endif
