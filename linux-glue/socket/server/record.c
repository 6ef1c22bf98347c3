// SPDX-License-Identifier: GPL-2.0-only
/*
 * Socket server: records of datagram, raw and netlink sockets.
 */
#include <linux/cred.h>
#include <linux/slab.h>
#include <linux/skbuff.h>
#include <linux/udp.h>
#include <net/udp.h>
#include "server.h"

/* Room for control data that Linux may add to a datagram. */
#define CONTROL_SPACE	512
#define ROOM_SHARE	3

/* Reads and checks the record at the tail; its size or -EPROTO. */
static s64 read_record(struct sawmill_endpoint *endpoint, s64 used,
		       struct sawmill_socket_record *record)
{
	struct sawmill_ring *ring = &endpoint->transmit;
	u64 size;

	if (used < sizeof(*record))
		return -EPROTO;
	sawmill_ring_read(ring, ring->index, record, sizeof(*record));
	if (record->name_length > SAWMILL_SOCKET_NAME_MAX ||
	    record->control_length > SAWMILL_SOCKET_CONTROL_MAX ||
	    record->length > used)
		return -EPROTO;
	size = sawmill_record_size(record->name_length, record->length,
				   record->control_length);
	return size <= used ? size : -EPROTO;
}

static int send_record(struct sawmill_endpoint *endpoint,
		       const struct sawmill_socket_record *record)
{
	struct sawmill_ring *ring = &endpoint->transmit;
	u32 position = ring->index + sizeof(*record);
	struct sockaddr_storage name = {};
	struct msghdr message = {
		.msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL | (record->flags &
			     (MSG_MORE | MSG_DONTROUTE | MSG_CONFIRM)),
	};
	bool is_bare = record->flags & SAWMILL_SOCKET_WITHOUT_RAW;
	const struct cred *old = NULL;
	struct kvec piece[2];
	void *control = NULL;
	int count, result;

	if (record->name_length) {
		sawmill_ring_read(ring, position, &name, record->name_length);
		message.msg_name = &name;
		message.msg_namelen = record->name_length;
	}
	position += ALIGN(record->name_length, 8);
	count = sawmill_ring_pieces(ring, position, record->length, piece);
	position += ALIGN(record->length, 8);
	/* Netlink's control data would be descriptors and credentials. */
	if (record->control_length && !endpoint->file) {
		control = kmalloc(record->control_length, GFP_KERNEL);
		if (!control)
			return -ENOBUFS;
		sawmill_ring_read(ring, position, control,
				  record->control_length);
		message.msg_control = control;
		message.msg_controllen = record->control_length;
	}
	/* Control data may ask for what takes privilege. */
	if (unlikely(is_bare))
		old = override_creds(endpoint->server->bare_cred);
	result = kernel_sendmsg(endpoint->socket, &message, piece, count,
				record->length);
	if (unlikely(is_bare))
		revert_creds(old);
	kfree(control);
	return result;
}

/*
 * Sends the records in the transmit ring; *@result is that of the last. Those
 * that come meanwhile are announced again: a client that never stops does not
 * keep a thread in here.
 */
u32 sawmill_record_send(struct sawmill_endpoint *endpoint, int *result)
{
	struct sawmill_socket_page *page = endpoint->page;
	struct sawmill_ring *ring = &endpoint->transmit;
	u32 head = smp_load_acquire(&page->transmit_head);
	s64 used = sawmill_ring_used(ring, head, ring->index), size;
	struct sawmill_socket_record record;
	bool has_progress = false;

	*result = 0;
	while (used && !endpoint->is_broken) {
		size = used < 0 ? used : read_record(endpoint, used, &record);
		if (size < 0) {
			sawmill_endpoint_break(endpoint);
			*result = -EPROTO;
			break;
		}
		*result = send_record(endpoint, &record);
		/* Room that came before Linux knew that we wait: once more. */
		if (*result == -EAGAIN && sock_writeable(endpoint->socket->sk))
			*result = send_record(endpoint, &record);
		if (*result == -EAGAIN) {
			/* It stays in the ring: for the caller it is sent. */
			*result = 0;
			break;
		}
		ring->index += size;
		used -= size;
		smp_store_release(&page->transmit_tail, ring->index);
		has_progress = true;
	}
	if (*result > 0)
		*result = 0;
	return has_progress && used >= 0 &&
	       ring->size - used >= ring->size / ROOM_SHARE ?
	       SAWMILL_SOCKET_WANT_OUT : 0;
}

static int first_length(struct sk_buff_head *queue)
{
	struct sk_buff *buffer;
	int length = -EAGAIN;

	spin_lock_bh(&queue->lock);
	buffer = skb_peek(queue);
	if (buffer)
		length = buffer->len;
	spin_unlock_bh(&queue->lock);
	return length;
}

/* Length of the next datagram, or -EAGAIN. */
static int next_length(struct sock *sk)
{
	int length = -EAGAIN;

	/* UDP has a second queue, which goes first. */
	if (sk->sk_protocol == IPPROTO_UDP && sk->sk_type == SOCK_DGRAM &&
	    sk->sk_family != PF_NETLINK)
		length = first_length(&udp_sk(sk)->reader_queue);
	return length >= 0 ? length : first_length(&sk->sk_receive_queue);
}

static int receive_record(struct sawmill_endpoint *endpoint, u32 length)
{
	struct sawmill_ring *ring = &endpoint->receive;
	u32 position = ring->index + sizeof(struct sawmill_socket_record);
	/* Linux leaves gaps in it, and the client sees all of it. */
	u8 control[CONTROL_SPACE] __aligned(8) = {};
	struct sawmill_socket_record record = {};
	struct sockaddr_storage name;
	struct msghdr message = {
		.msg_name = &name,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct kvec piece[2];
	int count, received;
	u32 name_space;

	/* Where the data goes depends on the name, known only by family. */
	name_space = ALIGN(endpoint->socket->sk->sk_family == PF_INET6 ?
			   sizeof(struct sockaddr_in6) :
			   sizeof(struct sockaddr), 8);
	count = sawmill_ring_pieces(ring, position + name_space, length, piece);
	received = kernel_recvmsg(endpoint->socket, &message, piece, count,
				  length, MSG_DONTWAIT | MSG_NOSIGNAL |
				  MSG_TRUNC);
	if (received < 0)
		return received;
	record.full_length = received;
	record.length = min_t(u32, received, length);
	if (message.msg_name && message.msg_namelen > 0 &&
	    message.msg_namelen <= name_space) {
		record.name_length = message.msg_namelen;
		/* The name takes its whole space: names are aligned to it. */
		if (ALIGN(record.name_length, 8) != name_space)
			record.name_length = name_space;
		memset((u8 *)&name + message.msg_namelen, 0,
		       sizeof(name) - message.msg_namelen);
	} else {
		record.name_length = name_space;
		memset(&name, 0, sizeof(name));
		name.ss_family = endpoint->socket->sk->sk_family;
	}
	record.control_length = sizeof(control) - message.msg_controllen;
	record.flags = message.msg_flags & (MSG_TRUNC | MSG_EOR);
	sawmill_ring_write(ring, position, &name, record.name_length);
	position += name_space + ALIGN(record.length, 8);
	sawmill_ring_write(ring, position, control, record.control_length);
	position += ALIGN(record.control_length, 8);
	sawmill_ring_write(ring, ring->index, &record, sizeof(record));
	ring->index = position;
	smp_store_release(&endpoint->page->receive_head, position);
	return 0;
}

/*
 * Moves the socket's datagrams into the receive ring, whose holder calls. Runs
 * in softirq, too: nothing in here sleeps. An *@error is one of the socket,
 * told once, with the datagrams still there, or SAWMILL_RING_BROKEN.
 */
u32 sawmill_record_receive(struct sawmill_endpoint *endpoint, int *error)
{
	const u32 overhead = sizeof(struct sawmill_socket_record) +
			     SAWMILL_SOCKET_NAME_MAX + CONTROL_SPACE + 8;
	struct sawmill_socket_page *page = endpoint->page;
	struct sawmill_ring *ring = &endpoint->receive;
	struct sock *sk = endpoint->socket->sk;
	bool has_progress = false;
	int length;
	s64 used;

	for (*error = 0; !*error;) {
		used = sawmill_ring_used(ring, ring->index,
				smp_load_acquire(&page->receive_tail));
		if (used < 0) {
			*error = SAWMILL_RING_BROKEN;
			break;
		}
		length = next_length(sk);
		if (length < 0)
			break;
		endpoint->is_too_small = length + overhead > ring->size &&
					 !(READ_ONCE(page->hints) &
					   SAWMILL_SOCKET_HINT_CUT);
		if (endpoint->is_too_small && !used)
			break;
		length = min_t(u32, length, ring->size - overhead);
		if (used + length + overhead > ring->size) {
			sawmill_want(&page->server_wants,
				     SAWMILL_SOCKET_WANT_OUT);
			if (ring->index - READ_ONCE(page->receive_tail) == used)
				break;
			continue;
		}
		*error = receive_record(endpoint, length);
		has_progress |= !*error;
	}
	if (*error == -EAGAIN)
		*error = 0;
	return has_progress ? SAWMILL_SOCKET_WANT_IN : 0;
}
