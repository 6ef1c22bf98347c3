// SPDX-License-Identifier: GPL-2.0-only
/*
 * Slots and bounce pages of a connection, calls, and the completion ring.
 *
 * Lock: client->lock (irq-safe spinlock): which bounce pages are free, the
 * state of slots that are taken, how far the ring has been read. A slot is
 * taken and given back by one atomic operation on its bit.
 */
#include <linux/bitmap.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include "client.h"

#define CALL_RETRIES		1000

/* ---- slots, bounce pages, completions ---- */

static void free_slot(struct sawmill_file_client *client, unsigned int slot)
{
	WRITE_ONCE(client->slots[slot].state, SLOT_FREE);
	smp_mb__before_atomic();
	set_bit(slot, &client->free_slots);
}

/* Moves completions from the ring to their slots. Under client->lock. */
static void take_completions(struct sawmill_file_client *client)
{
	u32 head = smp_load_acquire(&client->header->head);

	if (head - client->ring_taken > SAWMILL_FILE_RING) {
		pr_warn_ratelimited("sawmill: file: ring of %s overflowed\n",
				    client->connection->name);
		client->ring_taken = head - SAWMILL_FILE_RING;
	}
	while (client->ring_taken != head) {
		/* Volatile: a copy, whatever the server does meanwhile. */
		struct sawmill_file_completion answer =
			*(volatile struct sawmill_file_completion *)
			&client->header->ring[client->ring_taken++ %
					      SAWMILL_FILE_RING];
		struct slot *slot;

		if (answer.slot >= SAWMILL_FILE_SLOTS)
			continue;
		slot = &client->slots[answer.slot];
		if (slot->state == SLOT_CALLED) {
			slot->answer = answer;
			slot->state = SLOT_DONE;
			wake_up(&slot->wait);
		} else if (slot->state == SLOT_ABANDONED) {
			free_slot(client, answer.slot);
			wake_up(&client->room);
		}
	}
}

void sawmill_file_event(struct sawmill_connection *connection)
{
	struct sawmill_file_client *client = connection->user;
	unsigned long flags;
	unsigned int i;

	spin_lock_irqsave(&client->lock, flags);
	take_completions(client);
	sawmill_file_look_at_header(client);
	if (sawmill_connection_is_dead(connection)) {
		if (client->session == SESSION_LIVE) {
			client->session = SESSION_BROKEN;
			client->deaths++;
			queue_work(sawmill_file_recovery, &client->recovery);
		}
		for (i = 0; i < SAWMILL_FILE_SLOTS; i++) {
			if (client->slots[i].state == SLOT_ABANDONED)
				free_slot(client, i);
			wake_up(&client->slots[i].wait);
		}
		wake_up_all(&client->room);
	}
	spin_unlock_irqrestore(&client->lock, flags);
}

/*
 * The session is looked at again after the slot was taken: it changes first,
 * then recovery waits for all slots to be free.
 */
static bool try_get_slot(struct sawmill_file_client *client, unsigned int *slot)
{
	unsigned long free = READ_ONCE(client->free_slots);

	do {
		if (!free || READ_ONCE(client->session) != SESSION_LIVE)
			return false;
		*slot = __ffs(free);
	} while (!try_cmpxchg(&client->free_slots, &free, free & (free - 1)));
	if (unlikely(READ_ONCE(client->session) != SESSION_LIVE)) {
		set_bit(*slot, &client->free_slots);
		wake_up_all(&client->room);
		return false;
	}
	WRITE_ONCE(client->slots[*slot].state, SLOT_CALLED);
	return true;
}

int sawmill_file_get_slot(struct sawmill_file_client *client,
			  unsigned int *slot)
{
	if (likely(try_get_slot(client, slot)))
		return 0;
	/* Abandoned slots (forgets) come back through the ring. */
	while (READ_ONCE(client->session) != SESSION_GONE) {
		unsigned long flags;

		spin_lock_irqsave(&client->lock, flags);
		if (client->session == SESSION_LIVE)
			take_completions(client);
		spin_unlock_irqrestore(&client->lock, flags);
		if (wait_event_timeout(client->room, try_get_slot(client, slot),
				       msecs_to_jiffies(10)))
			return 0;
	}
	return -EIO;
}

void sawmill_file_put_slot(struct sawmill_file_client *client,
			   unsigned int slot)
{
	free_slot(client, slot);
	if (wq_has_sleeper(&client->room))
		wake_up(&client->room);
}

static bool try_get_bounce(struct sawmill_file_client *client,
			   unsigned int count, unsigned int *first)
{
	unsigned long flags, found;

	spin_lock_irqsave(&client->lock, flags);
	found = bitmap_find_next_zero_area(client->bounce_used,
					   client->bounce_count, 0, count, 0);
	if (found < client->bounce_count)
		bitmap_set(client->bounce_used, found, count);
	spin_unlock_irqrestore(&client->lock, flags);
	*first = found;
	return found < client->bounce_count;
}

int sawmill_file_get_bounce(struct sawmill_file_client *client,
			    unsigned int count, unsigned int *first)
{
	if (count > client->bounce_count)
		return -E2BIG;
	/* A holder waits for nothing but the server, so this ends. */
	wait_event(client->room,
		   try_get_bounce(client, count, first) ||
		   sawmill_connection_is_dead(client->connection));
	return *first < client->bounce_count ? 0 : -EIO;
}

void sawmill_file_put_bounce(struct sawmill_file_client *client,
			     unsigned int first, unsigned int count)
{
	unsigned long flags;

	spin_lock_irqsave(&client->lock, flags);
	bitmap_clear(client->bounce_used, first, count);
	spin_unlock_irqrestore(&client->lock, flags);
	wake_up_all(&client->room);
}

/* ---- one call ---- */

static void wait_for_answer(struct sawmill_file_client *client,
			    struct slot *slot)
{
	unsigned long flags;

	spin_lock_irqsave(&client->lock, flags);
	take_completions(client);
	if (slot->state == SLOT_DONE) {
		spin_unlock_irqrestore(&client->lock, flags);
		return;
	}
	if (client->sleepers++ == 0)
		WRITE_ONCE(client->header->wants_event, 1);
	/* The server writes head, then reads wants_event. */
	smp_mb();
	take_completions(client);
	spin_unlock_irqrestore(&client->lock, flags);

	wait_event(slot->wait, READ_ONCE(slot->state) == SLOT_DONE ||
		   sawmill_connection_is_dead(client->connection));

	spin_lock_irqsave(&client->lock, flags);
	if (--client->sleepers == 0)
		WRITE_ONCE(client->header->wants_event, 0);
	spin_unlock_irqrestore(&client->lock, flags);
}

/* Calls; leaves the answer in @answer. */
bool sawmill_file_call(struct sawmill_file_client *client, unsigned int index,
		       const u64 in[SAWMILL_CALL_WORDS],
		       struct sawmill_file_completion *answer)
{
	struct slot *slot = &client->slots[index];
	unsigned int retries = CALL_RETRIES;
	u64 out[SAWMILL_CALL_WORDS];
	int result;

	/* Busy or out of budget before the server saw it: try again. */
	while ((result = sawmill_connection_call(client->connection, in,
						 out)) == -EAGAIN && retries--)
		schedule_timeout_uninterruptible(1);
	if (likely(result == 0)) {
		answer->error = (s32)out[0];
		answer->out_size = (u32)out[1];
		answer->data_size = (u32)out[2];
		return true;
	}
	answer->error = -EIO;
	if (result != -EINPROGRESS)
		return result != -EPIPE;
	wait_for_answer(client, slot);
	if (slot->state != SLOT_DONE)
		return false;
	*answer = slot->answer;
	return true;
}

/* After a call that nobody waits for was answered PENDING. */
void sawmill_file_abandon_slot(struct sawmill_file_client *client,
			       unsigned int slot)
{
	unsigned long flags;

	spin_lock_irqsave(&client->lock, flags);
	if (client->slots[slot].state == SLOT_DONE ||
	    client->session != SESSION_LIVE) {
		free_slot(client, slot);
		/* Recovery may wait for this one. */
		wake_up_all(&client->room);
	} else {
		client->slots[slot].state = SLOT_ABANDONED;
	}
	spin_unlock_irqrestore(&client->lock, flags);
}
