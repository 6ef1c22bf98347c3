// SPDX-License-Identifier: GPL-2.0-only
/*
 * A local APIC that is not there: only inter-processor interrupts, by event.
 *
 * Linux cannot do without a struct apic. This one answers the identification
 * registers and turns vectors into event bits; nothing else is ever used.
 */
#include <linux/cpumask.h>
#include <linux/init.h>
#include <asm/apic.h>
#include <asm/cpufeature.h>
#include <asm/irq_vectors.h>
#include <asm/mpspec.h>
#include <asm/numa.h>
#include <asm/smp.h>

#include "platform.h"

/* Integrated, version 0x14: what every processor of the last decades says. */
#define APIC_VERSION_VALUE 0x14

static int vector_event(int vector)
{
	switch (vector) {
	case RESCHEDULE_VECTOR:
		return HV_EVENT_IPI_RESCHEDULE;
	case CALL_FUNCTION_VECTOR:
		return HV_EVENT_IPI_CALL_FUNCTION;
	case CALL_FUNCTION_SINGLE_VECTOR:
		return HV_EVENT_IPI_CALL_FUNCTION_SINGLE;
	case IRQ_WORK_VECTOR:
		return HV_EVENT_IPI_IRQ_WORK;
	case REBOOT_VECTOR:
		return HV_EVENT_IPI_STOP;
	default:
		return -1;	/* NMIs do not exist here */
	}
}

static void send_mask(u64 vcpus, int vector)
{
	int event = vector_event(vector);

	if (event >= 0 && vcpus)
		hv_vcpu_signal(vcpus, event);
}

static void apic_send_one(int cpu, int vector)
{
	send_mask(BIT_ULL(cpu), vector);
}

static void apic_send_mask(const struct cpumask *mask, int vector)
{
	send_mask(cpumask_bits(mask)[0], vector);
}

static void apic_send_mask_others(const struct cpumask *mask, int vector)
{
	send_mask(cpumask_bits(mask)[0] & ~BIT_ULL(smp_processor_id()), vector);
}

static void apic_send_others(int vector)
{
	apic_send_mask_others(cpu_online_mask, vector);
}

static void apic_send_all(int vector)
{
	apic_send_mask(cpu_online_mask, vector);
}

static void apic_send_self(int vector)
{
	send_mask(BIT_ULL(smp_processor_id()), vector);
}

static u32 apic_read_register(u32 reg)
{
	return reg == APIC_LVR ? APIC_VERSION_VALUE : 0;
}

static void apic_write_register(u32 reg, u32 value) { }
static void apic_nop(void) { }
static u32 apic_icr_idle(void) { return 0; }
static u64 apic_icr(void) { return 0; }
static void apic_set_icr(u32 low, u32 id) { }
static int apic_probe(void) { return 0; }
static int apic_valid(u32 apicid) { return 1; }
static int apic_registered(void) { return 1; }
static u32 apic_get_id(unsigned long value) { return value >> 24; }
static u32 apic_set_id(unsigned int id) { return id << 24; }
static int apic_package(int apicid, int shift) { return apicid >> shift; }

static struct apic sawmill_apic __ro_after_init = {
	.name = "sawmill",
	.probe = apic_probe,
	.apic_id_valid = apic_valid,
	.apic_id_registered = apic_registered,
	.delivery_mode = APIC_DELIVERY_MODE_FIXED,
	.dest_mode_logical = true,
	.check_apicid_used = default_check_apicid_used,
	.init_apic_ldr = apic_nop,
	.ioapic_phys_id_map = default_ioapic_phys_id_map,
	.cpu_present_to_apicid = default_cpu_present_to_apicid,
	.apicid_to_cpu_present = physid_set_mask_of_physid,
	.check_phys_apicid_present = default_check_phys_apicid_present,
	.phys_pkg_id = apic_package,
	.get_apic_id = apic_get_id,
	.set_apic_id = apic_set_id,
	.calc_dest_apicid = apic_flat_calc_apicid,
	.send_IPI = apic_send_one,
	.send_IPI_mask = apic_send_mask,
	.send_IPI_mask_allbutself = apic_send_mask_others,
	.send_IPI_allbutself = apic_send_others,
	.send_IPI_all = apic_send_all,
	.send_IPI_self = apic_send_self,
	.read = apic_read_register,
	.write = apic_write_register,
	.eoi_write = apic_write_register,
	.icr_read = apic_icr,
	.icr_write = apic_set_icr,
	.wait_icr_idle = apic_nop,
	.safe_wait_icr_idle = apic_icr_idle,
};

static void __init apic_get_config(unsigned int early)
{
	unsigned int cpu;

	if (early)
		return;
	/* Keeps init_apic_mappings() from looking for a real one. */
	smp_found_config = 1;
	boot_cpu_physical_apicid = 0;
	boot_cpu_apic_version = APIC_VERSION_VALUE;
	for (cpu = 0; cpu < sawmill_info->vcpu_count; cpu++) {
		generic_processor_info(cpu, APIC_VERSION_VALUE);
		/* Else Linux deals them out over all nodes, the pool too. */
		set_apicid_to_node(cpu, 0);
	}
}

void __init sawmill_apic_init(void)
{
	apic = &sawmill_apic;
	x86_init.mpparse.get_smp_config = apic_get_config;
	/* With this flag irq_work uses its own interrupt, not the tick. */
	setup_force_cpu_cap(X86_FEATURE_APIC);
}
