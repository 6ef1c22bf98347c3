/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rings and mailboxes of the socket service, as either end uses them.
 *
 * The base, the size and the own index of a ring are private; only the
 * peer's index is read from shared memory, once, by ring_used().
 */
#ifndef _SAWMILL_SOCKET_RING_H
#define _SAWMILL_SOCKET_RING_H

#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <linux/uio.h>
#include <sawmill/socket.h>

struct sawmill_ring {
	u8 *base;
	u32 size;
	u32 index;		/* own: head of a producer, tail of a consumer */
};

/* Bytes in the ring, or -EPROTO if the peer's index is impossible. */
static inline s64 sawmill_ring_used(const struct sawmill_ring *ring,
				    u32 head, u32 tail)
{
	u32 used = head - tail;

	return likely(used <= ring->size) ? (s64)used : -EPROTO;
}

/* Describes @length bytes at @position as one or two pieces. */
static inline int sawmill_ring_pieces(const struct sawmill_ring *ring,
				      u32 position, u32 length,
				      struct kvec piece[2])
{
	u32 offset = position & (ring->size - 1);
	u32 first = min(length, ring->size - offset);

	piece[0].iov_base = ring->base + offset;
	piece[0].iov_len = first;
	if (first == length)
		return 1;
	piece[1].iov_base = ring->base;
	piece[1].iov_len = length - first;
	return 2;
}

static inline void sawmill_ring_write(const struct sawmill_ring *ring,
				      u32 position, const void *from,
				      u32 length)
{
	struct kvec piece[2];
	int count = sawmill_ring_pieces(ring, position, length, piece);

	memcpy(piece[0].iov_base, from, piece[0].iov_len);
	if (count == 2)
		memcpy(piece[1].iov_base, from + piece[0].iov_len,
		       piece[1].iov_len);
}

static inline void sawmill_ring_read(const struct sawmill_ring *ring,
				     u32 position, void *to, u32 length)
{
	struct kvec piece[2];
	int count = sawmill_ring_pieces(ring, position, length, piece);

	memcpy(to, piece[0].iov_base, piece[0].iov_len);
	if (count == 2)
		memcpy(to + piece[0].iov_len, piece[1].iov_base,
		       piece[1].iov_len);
}

/* Bytes that a record occupies. */
static inline u32 sawmill_record_size(u32 name_length, u32 length,
				      u32 control_length)
{
	return sizeof(struct sawmill_socket_record) + ALIGN(name_length, 8) +
	       ALIGN(length, 8) + ALIGN(control_length, 8);
}

static inline atomic_t *sawmill_shared_atomic(u32 *word)
{
	BUILD_BUG_ON(sizeof(atomic_t) != sizeof(*word));
	return (atomic_t *)word;
}

static inline void sawmill_want(u32 *wants, u32 bits)
{
	if ((READ_ONCE(*wants) & bits) != bits)
		atomic_or(bits, sawmill_shared_atomic(wants));
	/* Whoever asks looks again afterwards. */
	smp_mb();
}

/* Takes back @bits that the peer wants; what was published is visible. */
static inline bool sawmill_wanted(u32 *wants, u32 bits)
{
	smp_mb();
	if (!(READ_ONCE(*wants) & bits))
		return false;
	return atomic_fetch_andnot(bits, sawmill_shared_atomic(wants)) & bits;
}

/* Announces a slot. The owner is signalled later, by whoever would block. */
static inline void sawmill_mailbox_post(struct sawmill_socket_mailbox *box,
					u32 slot)
{
	set_bit(slot % 64, (unsigned long *)&box->words[slot / 64]);
	set_bit(slot / 64, (unsigned long *)&box->summary);
}

/* Returns true if the owner sleeps over something; the caller signals it. */
static inline bool
sawmill_mailbox_needs_signal(struct sawmill_socket_mailbox *box)
{
	/* Either we see that it sleeps or it sees what was posted. */
	smp_mb();
	return READ_ONCE(box->is_asleep) && READ_ONCE(box->summary) &&
	       xchg(&box->is_asleep, 0);
}

/* Owner: says that it sleeps; false if there is something to do. */
static inline bool sawmill_mailbox_sleep(struct sawmill_socket_mailbox *box)
{
	WRITE_ONCE(box->is_asleep, 1);
	smp_mb();
	if (likely(!READ_ONCE(box->summary)))
		return true;
	WRITE_ONCE(box->is_asleep, 0);
	return false;
}

/* Owner: calls @look for each announced slot. */
static inline bool
sawmill_mailbox_take(struct sawmill_socket_mailbox *box,
		     void (*look)(void *context, u32 slot), void *context)
{
	u64 summary, slots;
	u32 word;

	if (!READ_ONCE(box->summary))
		return false;
	summary = xchg(&box->summary, 0);
	while (summary) {
		word = __ffs64(summary);
		summary &= summary - 1;
		slots = xchg(&box->words[word], 0);
		while (slots) {
			look(context, word * 64 + __ffs64(slots));
			slots &= slots - 1;
		}
	}
	return true;
}

#endif /* _SAWMILL_SOCKET_RING_H */
