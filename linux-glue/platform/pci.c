// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI: only the functions that root assigned exist.
 *
 * Configuration space goes through hypercalls, ports and memory BARs are
 * reached directly, interrupts come as events. Without an IOMMU a device
 * sees host-physical addresses: each gets root's table of memory ranges, by
 * which Linux's direct DMA mapping translates.
 */
#include <linux/device.h>
#include <linux/dma-direct.h>
#include <linux/init.h>
#include <linux/notifier.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <asm/pci_x86.h>
#include <asm/x86_init.h>

#include "platform.h"

static const struct hv_device_info *find_device(unsigned int bus,
						unsigned int devfn)
{
	unsigned int i;

	for (i = 0; i < sawmill_info->device_count; i++)
		if (sawmill_info->devices[i].address == (bus << 8 | devfn))
			return &sawmill_info->devices[i];
	return NULL;
}

static int config_read(unsigned int domain, unsigned int bus,
		       unsigned int devfn, int offset, int width, u32 *value)
{
	const struct hv_device_info *device = find_device(bus, devfn);
	u64 result;

	*value = ~0;
	if (!device || domain)
		return -ENODEV;
	result = device->selector;
	if (hv_call(HV_DEVICE_CONFIG_READ, &result, offset, width, 0) !=
	    HV_STATUS_OK)
		return -EIO;
	*value = result;
	return 0;
}

static int config_write(unsigned int domain, unsigned int bus,
			unsigned int devfn, int offset, int width, u32 value)
{
	const struct hv_device_info *device = find_device(bus, devfn);
	u64 selector;

	if (!device || domain)
		return -ENODEV;
	selector = device->selector;
	if (hv_call(HV_DEVICE_CONFIG_WRITE, &selector, offset, width, value) !=
	    HV_STATUS_OK)
		return -EIO;
	return 0;
}

static const struct pci_raw_ops config_ops = {
	.read = config_read,
	.write = config_write,
};

static int __init pci_arch(void)
{
	raw_pci_ops = &config_ops;
	return 0;
}

const struct hv_device_info *sawmill_pci_device(const struct pci_dev *dev)
{
	return find_device(dev->bus->number, dev->devfn);
}

static int pci_enable_irq(struct pci_dev *dev)
{
	const struct hv_device_info *device = sawmill_pci_device(dev);

	if (device && device->irq_selectors[0])
		dev->irq = device->irq_numbers[0];
	return 0;
}

static void __init pci_create_irqs(const struct hv_device_info *device)
{
	unsigned int i;
	int irq;

	for (i = 0; i < ARRAY_SIZE(device->irq_selectors); i++) {
		if (!device->irq_selectors[i])
			continue;
		irq = sawmill_irq_create(device->irq_numbers[i],
					 device->irq_event_bits[i],
					 device->irq_selectors[i],
					 device->irq_flags[i]);
		if (irq < 0)
			pr_err("sawmill: interrupt %llu: error %d\n",
			       device->irq_numbers[i], irq);
	}
}

static int __init pci_scan(void)
{
	unsigned int i;

	for (i = 0; i < sawmill_info->device_count; i++) {
		const struct hv_device_info *device = &sawmill_info->devices[i];
		unsigned int devfn = device->address & 0xff;
		struct pci_bus *bus;

		pci_create_irqs(device);
		bus = pci_find_bus(0, device->address >> 8);
		if (!bus) {
			pcibios_scan_root(device->address >> 8);
			bus = pci_find_bus(0, device->address >> 8);
		}
		if (!bus)
			continue;
		/* A scan misses functions whose function 0 is not ours. */
		if (PCI_FUNC(devfn)) {
			pci_scan_single_device(bus, devfn);
			pci_bus_add_devices(bus);
		}
	}
	return 0;
}

/* Gives a new device the table of memory ranges; it is freed with it. */
static int pci_device_added(struct notifier_block *block, unsigned long action,
			    void *data)
{
	struct device *dev = data;
	struct bus_dma_region *map;
	unsigned int i;

	if (action != BUS_NOTIFY_ADD_DEVICE || !sawmill_info->dma_range_count)
		return NOTIFY_DONE;
	map = kcalloc(sawmill_info->dma_range_count + 1, sizeof(*map),
		      GFP_KERNEL);
	if (!map) {
		/* No DMA at all, rather than to memory of others. */
		dev->dma_mask = NULL;
		return NOTIFY_DONE;
	}
	for (i = 0; i < sawmill_info->dma_range_count; i++) {
		const struct hv_dma_range *range = &sawmill_info->dma_ranges[i];

		map[i].cpu_start = range->gpa;
		map[i].dma_start = range->hpa;
		map[i].size = range->size_bytes;
		map[i].offset = range->gpa - range->hpa;
	}
	dev->dma_range_map = map;
	return NOTIFY_OK;
}

static struct notifier_block pci_notifier = {
	.notifier_call = pci_device_added,
};

static int __init pci_watch(void)
{
	if (sawmill_info)
		bus_register_notifier(&pci_bus_type, &pci_notifier);
	return 0;
}
/* The bus type comes at postcore, devices at subsys. */
arch_initcall(pci_watch);

void __init sawmill_pci_init(void)
{
	/* No probing by ports. */
	pci_probe = 0;
	x86_init.pci.arch_init = pci_arch;
	x86_init.pci.init = pci_scan;
	x86_init.pci.init_irq = x86_init_noop;
	x86_init.pci.fixup_irqs = x86_init_noop;
	pcibios_enable_irq = pci_enable_irq;
	pcibios_disable_irq = NULL;
	sawmill_msi_init();
}
