// SPDX-License-Identifier: GPL-2.0-only
/*
 * Socket client: memory of the shared area.
 *
 * The client pays for the area and divides it: one page and two small rings
 * for each slot, larger rings for those that move much. The smaller the rest,
 * the less is given, so that many idle sockets and a few fast ones find room.
 */
#include <linux/bitmap.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/slab.h>
#include "client.h"

int sawmill_area_init(struct sawmill_client *client)
{
	client->pages = client->connection->control_size >> PAGE_SHIFT;
	if (client->pages < 4)
		return -ENOSPC;
	client->memory = bitmap_zalloc(client->pages, GFP_KERNEL);
	if (!client->memory)
		return -ENOMEM;
	__set_bit(0, client->memory);
	client->free_pages = client->pages - 1;
	return 0;
}

/* Returns the first of @count neighbouring pages. */
int sawmill_area_take_pages(struct sawmill_client *client, u32 count)
{
	unsigned long flags, first;
	int result = -ENOBUFS;

	spin_lock_irqsave(&client->lock, flags);
	first = bitmap_find_next_zero_area(client->memory, client->pages, 1,
					   count, 0);
	if (first + count <= client->pages) {
		bitmap_set(client->memory, first, count);
		client->free_pages -= count;
		result = first;
	}
	spin_unlock_irqrestore(&client->lock, flags);
	return result;
}

void sawmill_area_give_pages(struct sawmill_client *client, u32 first,
			     u32 count)
{
	unsigned long flags;

	spin_lock_irqsave(&client->lock, flags);
	bitmap_clear(client->memory, first, count);
	client->free_pages += count;
	spin_unlock_irqrestore(&client->lock, flags);
}

/*
 * Gives @slot a number, a page and two rings of at most @ring_size bytes
 * (0 = no rings); *@size tells how large they are.
 */
int sawmill_area_take(struct sawmill_client *client, struct sawmill_slot *slot,
		      u32 ring_size, u32 *size)
{
	unsigned long flags, number;
	int first;

	*size = ring_size;
	if (ring_size && READ_ONCE(client->free_pages) < client->pages / 2)
		*size = SAWMILL_SOCKET_RING_MIN;
	for (;;) {
		slot->page_count = 1 + 2 * (*size >> PAGE_SHIFT);
		first = sawmill_area_take_pages(client, slot->page_count);
		if (first >= 0)
			break;
		if (*size <= SAWMILL_SOCKET_RING_MIN)
			return -ENOBUFS;
		*size /= 2;
	}

	spin_lock_irqsave(&client->lock, flags);
	number = find_first_zero_bit(client->numbers, SAWMILL_SOCKET_SLOTS);
	if (number < SAWMILL_SOCKET_SLOTS)
		__set_bit(number, client->numbers);
	spin_unlock_irqrestore(&client->lock, flags);
	if (number >= SAWMILL_SOCKET_SLOTS) {
		sawmill_area_give_pages(client, first, slot->page_count);
		return -EMFILE;
	}

	slot->client = client;
	slot->generation = client->generation;
	slot->number = number;
	slot->first_page = first;
	slot->page = (void *)client->area + ((size_t)first << PAGE_SHIFT);
	slot->transmit_offset = (first + 1) << PAGE_SHIFT;
	slot->receive_offset = slot->transmit_offset + *size;
	slot->larger_count[0] = 0;
	slot->larger_count[1] = 0;
	slot->sequence = 0;
	slot->is_given_up = false;
	mutex_init(&slot->call_lock);
	init_waitqueue_head(&slot->call_wait);
	memset(slot->page, 0, sizeof(*slot->page));
	rcu_assign_pointer(client->slots[number], slot);
	return 0;
}

/* The server no longer knows the slot. The owner waits for RCU before kfree. */
void sawmill_area_give(struct sawmill_slot *slot)
{
	struct sawmill_client *client = slot->client;
	unsigned long flags;
	int index;

	RCU_INIT_POINTER(client->slots[slot->number], NULL);
	/* The server may still write there; a dead one does not. */
	if (slot->is_given_up && !sawmill_slot_is_lost(slot))
		return;
	sawmill_area_give_pages(client, slot->first_page, slot->page_count);
	for (index = 0; index < 2; index++)
		if (slot->larger_count[index])
			sawmill_area_give_pages(client,
						slot->larger_first[index],
						slot->larger_count[index]);
	spin_lock_irqsave(&client->lock, flags);
	__clear_bit(slot->number, client->numbers);
	spin_unlock_irqrestore(&client->lock, flags);
}

/*
 * Replaces an empty ring by one of @size bytes, if a good part of the area is
 * free. The caller holds the lock of that direction. The server empties a
 * stream's transmit ring for it, if its socket takes the bytes. The small ring
 * stays with the slot's page.
 */
bool sawmill_area_grow(struct sawmill_sock *sock, bool is_receive, u32 size)
{
	struct sawmill_ring *ring = is_receive ? &sock->receive :
						 &sock->transmit;
	struct sawmill_slot *slot = &sock->slot;
	struct sawmill_client *client = slot->client;
	u64 in[SAWMILL_CALL_WORDS] = {}, out[SAWMILL_CALL_WORDS];
	u32 count = size >> PAGE_SHIFT;
	s64 error;
	int first;

	if (READ_ONCE(client->free_pages) < max(4 * count, client->pages / 4))
		return false;
	first = sawmill_area_take_pages(client, count);
	if (first < 0)
		return false;
	in[1] = is_receive;
	in[2] = (u64)first << PAGE_SHIFT | (u64)size << 32;
	mutex_lock(&slot->call_lock);
	error = sawmill_slot_call(slot, SAWMILL_SOCKET_RESIZE, in, out);
	mutex_unlock(&slot->call_lock);
	if (error) {
		sawmill_area_give_pages(client, first, count);
		return false;
	}
	if (slot->larger_count[is_receive])
		sawmill_area_give_pages(client, slot->larger_first[is_receive],
					slot->larger_count[is_receive]);
	slot->larger_first[is_receive] = first;
	slot->larger_count[is_receive] = count;
	ring->base = (u8 *)client->area + ((size_t)first << PAGE_SHIFT);
	ring->size = size;
	return true;
}
