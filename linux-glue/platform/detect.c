// SPDX-License-Identifier: GPL-2.0-only
/*
 * Detection of the SawMill hypervisor, and what replaces the PC.
 *
 * A partition has no PC devices: nothing here may touch a port or memory that
 * root did not give. Everything that Linux would probe is switched off, the
 * rest is set to the functions of the neighbouring files.
 */
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/interrupt.h>
#include <asm/apic.h>
#include <asm/hypervisor.h>
#include <asm/i8259.h>
#include <asm/io_apic.h>
#include <asm/iommu.h>
#include <asm/processor.h>
#include <asm/setup.h>
#include <asm/x86_init.h>

#include "platform.h"

const struct hv_partition_info *sawmill_info __ro_after_init;

static uint32_t __init sawmill_detect(void)
{
	static const u32 signature[3] = HV_CPUID_SIGNATURE;
	u32 eax, found[3];

	if (!boot_cpu_has(X86_FEATURE_HYPERVISOR))
		return 0;
	cpuid(HV_CPUID_LEAF_BASE, &eax, &found[0], &found[1], &found[2]);
	if (memcmp(found, signature, sizeof(signature)))
		return 0;
	return HV_CPUID_LEAF_BASE;
}

static void __init sawmill_init_platform(void)
{
	const struct hv_partition_info *info = __va(HV_INFO_PAGE_GPA);
	u64 version = 0;

	hv_call(HV_ABI_VERSION, &version, 0, 0, 0);
	if (version != HV_INTERFACE_VERSION || info->magic != HV_INFO_MAGIC)
		panic("sawmill: interface %llu (wanted %d), information page %llx",
		      version, HV_INTERFACE_VERSION, info->magic);
	sawmill_info = info;
	sawmill_console_init();
	pr_info("sawmill: partition %.*s, %llu vCPUs, %llu MiB, %llu connections, %llu devices\n",
		HV_NAME_MAX, info->name, info->vcpu_count,
		info->memory_bytes >> 20, info->connection_count,
		info->device_count);

	x86_init.resources.probe_roms = x86_init_noop;
	x86_init.resources.dmi_setup = x86_init_noop;
	x86_init.mpparse.find_smp_config = x86_init_noop;
	x86_init.irqs.pre_vector_init = x86_init_noop;
	x86_init.irqs.intr_mode_select = x86_init_noop;
	x86_init.irqs.intr_mode_init = x86_init_noop;
	x86_platform.realmode_reserve = x86_init_noop;
	x86_platform.realmode_init = x86_init_noop;
	x86_platform.legacy.i8042 = X86_LEGACY_I8042_PLATFORM_ABSENT;
	x86_platform.legacy.rtc = 0;
	x86_platform.legacy.warm_reset = 0;
	x86_platform.legacy.no_vga = 1;
	x86_platform.legacy.reserve_bios_regions = 0;
	x86_platform.legacy.devices.pnpbios = 0;
	legacy_pic = &null_legacy_pic;
	/* Neither an address translation unit nor bounce buffers. */
	no_iommu = 1;

	sawmill_events_init();
	sawmill_apic_init();
	sawmill_smp_init();
	sawmill_clock_init();
	sawmill_power_init();
	sawmill_memory_init();
	sawmill_pci_init();
}

const struct hypervisor_x86 x86_hyper_sawmill __refconst = {
	.name = "SawMill",
	.detect = sawmill_detect,
	.type = X86_HYPER_SAWMILL,
	.init.init_platform = sawmill_init_platform,
	.ignore_nopv = true,
};
