/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of linux-glue/platform share. */
#ifndef _SAWMILL_PLATFORM_INTERNAL_H
#define _SAWMILL_PLATFORM_INTERNAL_H

#include <sawmill/platform.h>
#include <sawmill/vmcall.h>

/*
 * In the low byte of a mark in the trace: a thread stops running, its number
 * above, the beginning of its name in the second word (sawmill_proto::trace).
 */
#define SAWMILL_MARK_THREAD 1

void __init sawmill_events_init(void);
void __init sawmill_apic_init(void);
void __init sawmill_smp_init(void);
void __init sawmill_clock_init(void);
void __init sawmill_console_init(void);
void __init sawmill_power_init(void);
void __init sawmill_memory_init(void);

#ifdef CONFIG_PCI
struct pci_dev;

void __init sawmill_pci_init(void);
/* What root said of a function; NULL if it is none of ours. */
const struct hv_device_info *sawmill_pci_device(const struct pci_dev *dev);
#else
static inline void sawmill_pci_init(void) { }
#endif

#ifdef CONFIG_PCI_MSI
void __init sawmill_msi_init(void);
#else
static inline void sawmill_msi_init(void) { }
#endif

/* Registers this CPU's timer. */
void sawmill_clock_setup_cpu(void);
void sawmill_clock_event(void);

/*
 * Takes this CPU out of service for ever. Not declared to be so: objtool knows
 * Linux's own functions that do not return only by a list.
 */
void sawmill_cpu_stop(void);

#endif
