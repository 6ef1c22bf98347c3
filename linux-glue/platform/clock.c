// SPDX-License-Identifier: GPL-2.0-only
/*
 * Time: the TSC of known frequency, one one-shot timer per vCPU, the wall
 * clock of the information page, and idling.
 */
#include <linux/clockchips.h>
#include <linux/init.h>
#include <linux/percpu.h>
#include <linux/smp.h>
#include <linux/time64.h>
#include <asm/tsc.h>
#include <asm/x86_init.h>

#include "platform.h"

/* Keeps the frequency within 32 bits up to 34 GHz. */
#define TIMER_DIVISOR 8
/* In units of the divided TSC: below this, arming costs more than waiting. */
#define TIMER_DELTA_MIN 100
#define TIMER_DELTA_MAX (1UL << 40)

static DEFINE_PER_CPU(struct clock_event_device, timers);

static int timer_start(unsigned long delta,
			  struct clock_event_device *timer)
{
	hv_timer_set(rdtsc() + delta * TIMER_DIVISOR);
	return 0;
}

static int timer_stop(struct clock_event_device *timer)
{
	hv_timer_set(0);
	return 0;
}

void sawmill_clock_event(void)
{
	struct clock_event_device *timer = this_cpu_ptr(&timers);

	if (timer->event_handler)
		timer->event_handler(timer);
}

void sawmill_clock_setup_cpu(void)
{
	struct clock_event_device *timer = this_cpu_ptr(&timers);

	timer->name = "sawmill";
	timer->features = CLOCK_EVT_FEAT_ONESHOT;
	timer->rating = 500;
	timer->cpumask = cpumask_of(smp_processor_id());
	timer->set_next_event = timer_start;
	timer->set_state_shutdown = timer_stop;
	timer->set_state_oneshot_stopped = timer_stop;
	clockevents_config_and_register(timer,
			sawmill_info->tsc_khz * (1000 / TIMER_DIVISOR),
			TIMER_DELTA_MIN, TIMER_DELTA_MAX);
}

static unsigned long clock_tsc_khz(void)
{
	return sawmill_info->tsc_khz;
}

static void clock_get_wall(struct timespec64 *now)
{
	u64 elapsed_tsc = rdtsc() - sawmill_info->wall_clock_tsc;
	u64 elapsed_ns = mul_u64_u64_div_u64(elapsed_tsc, NSEC_PER_MSEC,
					     sawmill_info->tsc_khz);

	*now = ns_to_timespec64(sawmill_info->wall_clock_ns + elapsed_ns);
}

static int clock_set_wall(const struct timespec64 *now)
{
	return -EOPNOTSUPP;
}

/* Interrupts are off. */
static void __cpuidle clock_idle(void)
{
	sawmill_events_look();
	hv_vcpu_wait();
	sawmill_events_take();
	raw_local_irq_enable();
}

void __init sawmill_clock_init(void)
{
	x86_init.timers.timer_init = sawmill_clock_setup_cpu;
	x86_init.timers.setup_percpu_clockev = x86_init_noop;
	x86_init.timers.wallclock_init = x86_init_noop;
	x86_cpuinit.setup_percpu_clockev = x86_init_noop;
	x86_platform.calibrate_tsc = clock_tsc_khz;
	x86_platform.calibrate_cpu = clock_tsc_khz;
	x86_platform.get_wallclock = clock_get_wall;
	x86_platform.set_wallclock = clock_set_wall;
	setup_force_cpu_cap(X86_FEATURE_CONSTANT_TSC);
	setup_force_cpu_cap(X86_FEATURE_NONSTOP_TSC);
	setup_force_cpu_cap(X86_FEATURE_TSC_KNOWN_FREQ);
	setup_force_cpu_cap(X86_FEATURE_TSC_RELIABLE);
	sawmill_set_idle(clock_idle);
}
