// SPDX-License-Identifier: GPL-2.0-only
/*
 * Console: two channels of the hypervisor's serial line as hvc0 and hvc1.
 *
 * Output is copied to a page per CPU whose guest-physical address the
 * hypervisor can read. Input comes when the CONSOLE event says so.
 */
#include <linux/console.h>
#include <linux/err.h>
#include <linux/irq.h>
#include <linux/init.h>
#include <linux/smp.h>
#include "../../tty/hvc/hvc_console.h"

#include "platform.h"

#define CHUNK 1024

static char buffers[HV_VCPUS_MAX][CHUNK] __aligned(PAGE_SIZE);
static struct hvc_struct *channels[HV_CHANNEL_COUNT];
static int channel_irqs[HV_CHANNEL_COUNT];

static int console_write_channel(u32 channel, const char *text, int count)
{
	unsigned long flags;
	int done = 0;

	local_irq_save(flags);
	while (done < count) {
		char *buffer = buffers[smp_processor_id()];
		int piece = min(count - done, CHUNK);
		u64 written = channel;

		memcpy(buffer, text + done, piece);
		if (hv_call(HV_CONSOLE_WRITE, &written, channel,
			    __pa_symbol(buffer), piece) != HV_STATUS_OK)
			break;
		/* The hypervisor takes part of it when its line is busy. */
		if (!written)
			break;
		done += min_t(u64, written, piece);
	}
	local_irq_restore(flags);
	return done;
}

static int console_read_channel(u32 channel, char *text, int count)
{
	unsigned long flags;
	u64 got = 0;
	char *buffer;

	local_irq_save(flags);
	buffer = buffers[smp_processor_id()];
	if (hv_call(HV_CONSOLE_READ, &got, channel, __pa_symbol(buffer),
		    min(count, CHUNK)) != HV_STATUS_OK)
		got = 0;
	got = min_t(u64, got, min(count, CHUNK));
	memcpy(text, buffer, got);
	local_irq_restore(flags);
	return got;
}

static const struct hv_ops console_ops = {
	.get_chars = console_read_channel,
	.put_chars = console_write_channel,
	.notifier_add = notifier_add_irq,
	.notifier_del = notifier_del_irq,
	.notifier_hangup = notifier_hangup_irq,
};

static void console_event(void *data)
{
	unsigned int channel;

	for (channel = 0; channel < HV_CHANNEL_COUNT; channel++)
		if (channel_irqs[channel] > 0)
			generic_handle_irq(channel_irqs[channel]);
}

static void boot_console_write(struct console *console, const char *text,
			       unsigned int count)
{
	console_write_channel(HV_CHANNEL_TERMINAL, text, count);
}

static struct console boot_console = {
	.name = "sawboot",
	.write = boot_console_write,
	.flags = CON_PRINTBUFFER | CON_BOOT | CON_ANYTIME,
	.index = -1,
};

void __init sawmill_console_init(void)
{
	register_console(&boot_console);
	/* Before hvc's own initcall, which looks for the preference. */
	add_preferred_console("hvc", 0, NULL);
}

static int __init console_instantiate(void)
{
	if (!sawmill_info)
		return 0;
	return hvc_instantiate(HV_CHANNEL_TERMINAL, 0, &console_ops);
}
console_initcall(console_instantiate);

static int __init console_create(void)
{
	unsigned int channel;

	if (!sawmill_info)
		return 0;
	for (channel = 0; channel < HV_CHANNEL_COUNT; channel++) {
		/* Each channel has its own interrupt; one event feeds both. */
		channel_irqs[channel] = sawmill_irq_create(0, HV_EVENT_CONSOLE,
							   0, 0);
		channels[channel] = hvc_alloc(channel,
					      max(channel_irqs[channel], 0),
					      &console_ops, 256);
		if (IS_ERR(channels[channel]))
			return PTR_ERR(channels[channel]);
	}
	sawmill_event_bind(HV_EVENT_CONSOLE, console_event, NULL);
	return 0;
}
device_initcall(console_create);
