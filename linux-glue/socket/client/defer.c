// SPDX-License-Identifier: GPL-2.0-only
/*
 * Socket client: signals to the server, deferred.
 *
 * Posting a slot signals nobody. When a task of this CPU is about to block,
 * as Linux does with plugged block requests, the server is called, and only if
 * it sleeps then. A program that computes on instead is covered by a timer of
 * one tick, which signals; it is left to expire, which costs less than
 * deleting it.
 */
#include <linux/cpuhotplug.h>
#include <linux/init.h>
#include <linux/percpu.h>
#include <linux/timer.h>
#include <sawmill/socket_defer.h>
#include "client.h"

DEFINE_PER_CPU(struct sawmill_client *, sawmill_socket_deferred);
static DEFINE_PER_CPU(struct timer_list, deadline);

static void signal_if_needed(struct sawmill_client *client)
{
	if (sawmill_mailbox_needs_signal(&client->area->to_server))
		sawmill_connection_signal(client->connection);
}

/* A task is about to block; it may find itself woken by what comes back. */
void __sawmill_socket_flush(void)
{
	struct sawmill_client *client =
		this_cpu_xchg(sawmill_socket_deferred, NULL);

	if (client && sawmill_mailbox_needs_signal(&client->area->to_server) &&
	    !sawmill_client_serve(client))
		sawmill_connection_signal(client->connection);
}

/* The same for a task that can do without blocking then; true if it was done. */
bool sawmill_have_served(void)
{
	if (!this_cpu_read(sawmill_socket_deferred))
		return false;
	__sawmill_socket_flush();
	return true;
}

static void deadline_expired(struct timer_list *timer)
{
	struct sawmill_client *client =
		this_cpu_xchg(sawmill_socket_deferred, NULL);

	if (client)
		signal_if_needed(client);
}

/* Tells the server that it finds something at this slot. */
void sawmill_slot_post(struct sawmill_slot *slot)
{
	struct sawmill_client *client = slot->client, *other;
	struct timer_list *timer;

	sawmill_mailbox_post(&client->area->to_server, slot->number);
	preempt_disable();
	other = this_cpu_xchg(sawmill_socket_deferred, client);
	timer = this_cpu_ptr(&deadline);
	if (!timer_pending(timer)) {
		timer->expires = jiffies + 1;
		add_timer_on(timer, smp_processor_id());
	}
	preempt_enable();
	/* A server that was replaced. */
	if (unlikely(other && other != client))
		signal_if_needed(other);
}

static int __init defer_init(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		timer_setup(per_cpu_ptr(&deadline, cpu), deadline_expired,
			    TIMER_PINNED);
	return 0;
}
subsys_initcall(defer_init);
