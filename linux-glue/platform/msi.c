// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSI and MSI-X: root gave each device Irqs whose messages it may send.
 *
 * The hypervisor programs MSI itself; for MSI-X it says address and data, and
 * Linux writes its table. What arrives is an event, so nothing is to be
 * acknowledged and the message stays where it is bound: no affinity.
 */
#include <linux/init.h>
#include <linux/irq.h>
#include <linux/irqdomain.h>
#include <linux/msi.h>
#include <linux/pci.h>
#include <asm/x86_init.h>

#include "platform.h"

static void message_ack(struct irq_data *data)
{
}

static struct irq_chip message_chip = {
	.name = "sawmill-msi",
	.irq_ack = message_ack,
	.irq_mask = pci_msi_mask_irq,
	.irq_unmask = pci_msi_unmask_irq,
	.flags = IRQCHIP_SKIP_SET_WAKE,
};

static void message_handle(void *data)
{
	generic_handle_irq((unsigned long)data);
}

/* Makes a device send its Irq @number, and that a Linux interrupt. */
static int message_bind(const struct hv_device_info *device,
			struct msi_desc *desc, unsigned int number)
{
	bool is_msix = desc->pci.msi_attrib.is_msix;
	u64 words[HV_WORDS] = {
		is_msix ? HV_MESSAGE_MSIX : HV_MESSAGE_MSI,
		is_msix ? desc->msi_index : 0,
		device->message_selector + number,
	};
	u64 selector = device->selector;
	struct msi_msg message = {};
	int irq, ret;

	irq = irq_alloc_desc_from(16, -1);
	if (irq < 0)
		return irq;
	irq_set_chip_and_handler(irq, &message_chip, handle_edge_irq);
	ret = irq_set_msi_desc(irq, desc);
	if (ret) {
		irq_free_desc(irq);
		return ret;
	}
	sawmill_event_bind(device->message_event_bit + number, message_handle,
			   (void *)(unsigned long)irq);
	/* From here on sawmill_msi_free() undoes it. */
	if (hv_ipc(HV_DEVICE_MSI, &selector, words) != HV_STATUS_OK)
		return -EIO;
	message.address_lo = lower_32_bits(words[0]);
	message.address_hi = upper_32_bits(words[0]);
	message.data = words[1];
	if (is_msix)
		__pci_write_msi_msg(desc, &message);
	return 0;
}

static int sawmill_msi_alloc(struct irq_domain *domain, struct device *dev,
			     int count)
{
	const struct hv_device_info *device = sawmill_pci_device(to_pci_dev(dev));
	struct msi_desc *desc;
	unsigned int number = 0;
	int ret;

	if (!device || !device->message_count)
		return -ENODEV;
	/* A positive result says how many there are; the driver then asks for less. */
	if (count > 1 && !to_pci_dev(dev)->msix_enabled)
		return 1;
	if (count > device->message_count)
		return device->message_count;
	msi_for_each_desc(desc, dev, MSI_DESC_NOTASSOCIATED) {
		ret = message_bind(device, desc, number++);
		if (ret)
			return ret;
	}
	return 0;
}

static void sawmill_msi_free(struct irq_domain *domain, struct device *dev)
{
	const struct hv_device_info *device = sawmill_pci_device(to_pci_dev(dev));
	struct msi_desc *desc;
	unsigned int number = 0;

	msi_for_each_desc(desc, dev, MSI_DESC_ASSOCIATED) {
		sawmill_event_bind(device->message_event_bit + number++, NULL,
				   NULL);
		irq_free_desc(desc->irq);
		desc->irq = 0;
	}
}

static struct msi_domain_ops message_domain_ops = {
	.domain_alloc_irqs = sawmill_msi_alloc,
	.domain_free_irqs = sawmill_msi_free,
};

static struct msi_domain_info message_domain_info = {
	.ops = &message_domain_ops,
};

static struct irq_domain *__init message_domain_create(void)
{
	struct fwnode_handle *node = irq_domain_alloc_named_fwnode("sawmill");

	if (!node)
		return NULL;
	return msi_create_irq_domain(node, &message_domain_info, NULL);
}

void __init sawmill_msi_init(void)
{
	x86_init.irqs.create_pci_msi_domain = message_domain_create;
}
