// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events: the one upcall vector, and Linux interrupts made out of event bits.
 *
 * The hypervisor sets bits in this vCPU's event page and injects the upcall.
 * There is no acknowledgement: the upcall flag is cleared first, then the
 * bits are taken, so a bit set in between brings a new upcall.
 */
#include <linux/init.h>
#include <linux/hardirq.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/irq_work.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include <asm/desc.h>
#include <asm/hardirq.h>
#include <asm/idtentry.h>
#include <asm/irq_regs.h>

#include "platform.h"

struct event_binding {
	sawmill_event_handler handler;
	void *data;
};

static struct event_binding bindings[HV_EVENT_COUNT] __read_mostly;

/*
 * What interrupts leave to be done by the wait for calls that follows: an
 * acknowledgement and a signal cost no hypercall of their own then. Used by
 * its own CPU with interrupts off.
 */
struct leftover {
	bool is_welcome;	/* the CPU goes on to a wait */
	u64 irq;
	u64 event;
};

static DEFINE_PER_CPU(struct leftover, leftovers);

static struct hv_event_page *event_page(void)
{
	return __va(HV_EVENT_PAGE_GPA + smp_processor_id() * HV_PAGE_SIZE);
}

static void event_dispatch(unsigned int bit)
{
	sawmill_event_handler handler;

	switch (bit) {
	case HV_EVENT_TIMER:
		sawmill_clock_event();
		break;
#ifdef CONFIG_SMP
	case HV_EVENT_IPI_RESCHEDULE:
		inc_irq_stat(irq_resched_count);
		scheduler_ipi();
		break;
	case HV_EVENT_IPI_CALL_FUNCTION:
		inc_irq_stat(irq_call_count);
		generic_smp_call_function_interrupt();
		break;
	case HV_EVENT_IPI_CALL_FUNCTION_SINGLE:
		inc_irq_stat(irq_call_count);
		generic_smp_call_function_single_interrupt();
		break;
	case HV_EVENT_IPI_STOP:
		sawmill_cpu_stop();
		break;
#endif
#ifdef CONFIG_IRQ_WORK
	case HV_EVENT_IPI_IRQ_WORK:
		inc_irq_stat(apic_irq_work_irqs);
		irq_work_run();
		break;
#endif
	default:
		/* Pairs with sawmill_event_bind(). */
		handler = smp_load_acquire(&bindings[bit].handler);
		if (handler)
			handler(bindings[bit].data);
		break;
	}
}

DEFINE_IDTENTRY_SYSVEC(sysvec_sawmill_upcall)
{
	struct pt_regs *old_regs = set_irq_regs(regs);
	struct hv_event_page *page = event_page();
	unsigned long bits;
	unsigned int word, bit;

	inc_irq_stat(irq_hv_callback_count);
	/* It may be long until this CPU gets to its wait. */
	if (!this_cpu_read(leftovers.is_welcome))
		sawmill_leftovers_flush();
	do {
		/* A full barrier: the flag goes down before bits are read. */
		xchg(&page->upcall_pending, 0);
		for (word = 0; word < HV_EVENT_WORDS; word++) {
			if (!READ_ONCE(page->pending[word]))
				continue;
			bits = xchg(&page->pending[word], 0);
			for_each_set_bit(bit, &bits, 64)
				event_dispatch(word * 64 + bit);
		}
	} while (READ_ONCE(page->upcall_pending));
	set_irq_regs(old_regs);
}

void sawmill_event_bind(unsigned int bit, sawmill_event_handler handler,
			void *data)
{
	if (WARN_ON(bit >= HV_EVENT_COUNT))
		return;
	bindings[bit].data = data;
	/* An event that comes right now must see the data. */
	smp_store_release(&bindings[bit].handler, handler);
}

void sawmill_events_look(void)
{
	WRITE_ONCE(event_page()->looking, 1);
}

void sawmill_events_take(void)
{
	struct hv_event_page *page = event_page();

	WRITE_ONCE(page->looking, 0);
	/* An event from now on brings an upcall; one before is seen here. */
	smp_mb();
	if (READ_ONCE(page->upcall_pending))
		asm volatile("int %0" : : "i" (HV_UPCALL_VECTOR) : "memory");
}

void sawmill_events_take_before_wait(void)
{
	this_cpu_write(leftovers.is_welcome, true);
	sawmill_events_take();
	this_cpu_write(leftovers.is_welcome, false);
	if (need_resched())
		sawmill_leftovers_flush();
}

void sawmill_leftovers_take(u64 words[HV_WORDS])
{
	struct leftover *leftover = this_cpu_ptr(&leftovers);

	words[0] = leftover->irq;
	words[1] = leftover->event;
	leftover->irq = HV_SELECTOR_NULL;
	leftover->event = HV_SELECTOR_NULL;
}

void sawmill_leftovers_flush(void)
{
	u64 words[HV_WORDS];

	sawmill_leftovers_take(words);
	if (words[0])
		hv_irq_acknowledge(words[0]);
	if (words[1])
		hv_event_signal(words[1]);
}

/* Returns false if it has to be done now. */
static bool leave(u64 __percpu *place, u64 selector)
{
	unsigned long flags;
	bool is_left = false;

	local_irq_save(flags);
	if (this_cpu_read(leftovers.is_welcome) &&
	    (!this_cpu_read(*place) || this_cpu_read(*place) == selector)) {
		this_cpu_write(*place, selector);
		is_left = true;
	}
	local_irq_restore(flags);
	return is_left;
}

bool sawmill_leave_signal(u64 selector)
{
	return leave(&leftovers.event, selector);
}

/* One Linux interrupt that comes as an event. */
struct event_irq {
	unsigned int irq;
	u64 selector;
	bool is_level;
};

static void event_irq_handle(void *data)
{
	struct event_irq *event = data;

	generic_handle_irq(event->irq);
}

static void event_irq_mask(struct irq_data *data)
{
	/*
	 * A level-triggered one is masked by the hypervisor when it fires,
	 * an edge is remembered by the flow handler: nothing to do.
	 */
}

static void event_irq_unmask(struct irq_data *data)
{
	struct event_irq *event = irq_data_get_irq_chip_data(data);

	if (event->is_level && !leave(&leftovers.irq, event->selector))
		hv_irq_acknowledge(event->selector);
}

static struct irq_chip event_irq_chip = {
	.name = "sawmill",
	.irq_mask = event_irq_mask,
	.irq_unmask = event_irq_unmask,
	.irq_eoi = event_irq_unmask,
	/* While disabled, no acknowledgement: it would fire again at once. */
	.flags = IRQCHIP_EOI_IF_HANDLED | IRQCHIP_SKIP_SET_WAKE,
};

int sawmill_irq_create(unsigned int irq, unsigned int bit, u64 selector,
		       u64 flags)
{
	struct event_irq *event;
	int allocated;

	if (irq && irq_get_chip(irq) == &event_irq_chip)
		return irq;	/* shared by two functions on one line */
	event = kzalloc(sizeof(*event), GFP_KERNEL);
	if (!event)
		return -ENOMEM;
	allocated = irq ? irq_alloc_desc_at(irq, 0) : irq_alloc_desc_from(16, 0);
	if (allocated < 0) {
		kfree(event);
		return allocated;
	}
	event->irq = allocated;
	event->selector = selector;
	event->is_level = flags & HV_IRQ_LEVEL;
	irq_set_chip_and_handler(allocated, &event_irq_chip,
				 handle_fasteoi_irq);
	irq_set_chip_data(allocated, event);
	if (event->is_level)
		irq_set_status_flags(allocated, IRQ_LEVEL);
	sawmill_event_bind(bit, event_irq_handle, event);
	return allocated;
}

void __init sawmill_events_init(void)
{
	alloc_intr_gate(HV_UPCALL_VECTOR, asm_sysvec_sawmill_upcall);
}
