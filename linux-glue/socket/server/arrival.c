// SPDX-License-Identifier: GPL-2.0-only
/*
 * Socket server: data that arrives goes into the ring in softirq.
 *
 * The protocol's callback notes the endpoint and raises a tasklet, which runs
 * when the softirq that brought the packets is through: one look at a socket
 * and one signal for all of them, and no switch to a thread. Whatever is not
 * plain data of a connection or datagrams of UDP is left to the pump.
 *
 * Who holds an endpoint's receive ring has set the bit in endpoint->receiving.
 * Only softirq holds it without endpoint->lock, and never waits for it.
 */
#include <linux/bitops.h>
#include <linux/tcp.h>
#include <net/tcp.h>
#include "server.h"

#define RING_HELD	0

/* Process context, with endpoint->lock; softirq of another CPU is soon through. */
void sawmill_receive_begin(struct sawmill_endpoint *endpoint)
{
	while (test_and_set_bit_lock(RING_HELD, &endpoint->receiving))
		cpu_relax();
}

void sawmill_receive_end(struct sawmill_endpoint *endpoint)
{
	clear_bit_unlock(RING_HELD, &endpoint->receiving);
}

static int take_bytes(read_descriptor_t *descriptor, struct sk_buff *buffer,
		      unsigned int offset, size_t length)
{
	struct sawmill_ring *ring = descriptor->arg.data;
	u32 part = min(length, descriptor->count);
	struct kvec piece[2];
	int count, index;

	if (!part)
		return 0;
	count = sawmill_ring_pieces(ring, ring->index, part, piece);
	for (index = 0; index < count; index++) {
		if (skb_copy_bits(buffer, offset, piece[index].iov_base,
				  piece[index].iov_len))
			return -EFAULT;
		offset += piece[index].iov_len;
	}
	ring->index += part;
	descriptor->count -= part;
	return part;
}

/* Nothing but data is there, and nobody else uses the socket. */
static bool is_plain(struct sawmill_endpoint *endpoint, struct sock *sk)
{
	return !sock_owned_by_user(sk) && sk->sk_state == TCP_ESTABLISHED &&
	       !(sk->sk_shutdown & RCV_SHUTDOWN) && !sk->sk_err &&
	       !tcp_sk(sk)->urg_data && !endpoint->has_mark &&
	       !endpoint->has_ended;
}

/* Returns false if the pump has to look. */
static bool receive_stream(struct sawmill_endpoint *endpoint, bool *has_progress)
{
	struct sawmill_socket_page *page = endpoint->page;
	struct sawmill_ring *ring = &endpoint->receive;
	struct sock *sk = endpoint->socket->sk;
	read_descriptor_t descriptor = { .arg.data = ring };
	bool is_done = true;
	s64 used;

	bh_lock_sock(sk);
	do {
		used = sawmill_ring_used(ring, ring->index,
				smp_load_acquire(&page->receive_tail));
		/* Of a full ring the pump says that it wants room, once. */
		if (used == ring->size &&
		    READ_ONCE(page->server_wants) & SAWMILL_SOCKET_WANT_OUT)
			break;
		if (used < 0 || used == ring->size || !is_plain(endpoint, sk)) {
			is_done = false;
			break;
		}
		descriptor.count = ring->size - used;
		if (tcp_read_sock(sk, &descriptor, take_bytes) <= 0)
			break;
		*has_progress = true;
		smp_store_release(&page->receive_head, ring->index);
	} while (!descriptor.count);
	bh_unlock_sock(sk);
	return is_done;
}

static bool receive_datagrams(struct sawmill_endpoint *endpoint,
			      bool *has_progress)
{
	struct sock *sk = endpoint->socket->sk;
	int error;

	if (sk->sk_protocol != IPPROTO_UDP || sk->sk_type != SOCK_DGRAM ||
	    sk->sk_family == PF_NETLINK || sk->sk_err)
		return false;
	*has_progress = sawmill_record_receive(endpoint, &error);
	if (error)
		xchg(&endpoint->arrival_error, error);
	/* A change of state is told by the pump. */
	return !error && !endpoint->is_too_small &&
	       !(READ_ONCE(endpoint->state) & SAWMILL_SOCKET_TOO_SMALL);
}

/* Returns false if the pump has to look. */
static bool receive(struct sawmill_endpoint *endpoint)
{
	bool has_progress = false, is_done = false;

	if (test_and_set_bit_lock(RING_HELD, &endpoint->receiving))
		return false;
	if (endpoint->socket && !READ_ONCE(endpoint->is_broken))
		is_done = endpoint->is_stream ?
			  receive_stream(endpoint, &has_progress) :
			  receive_datagrams(endpoint, &has_progress);
	clear_bit_unlock(RING_HELD, &endpoint->receiving);
	if (has_progress && sawmill_wanted(&endpoint->page->client_wants,
					   SAWMILL_SOCKET_WANT_IN))
		sawmill_mailbox_post(&endpoint->server->area->to_client,
				     endpoint->number);
	return is_done;
}

static struct sawmill_endpoint *next_arrived(struct sawmill_server *server)
{
	struct sawmill_endpoint *endpoint;

	spin_lock_bh(&server->lock);
	endpoint = list_first_entry_or_null(&server->arrived,
					    struct sawmill_endpoint,
					    arrived_node);
	if (endpoint) {
		list_del(&endpoint->arrived_node);
		endpoint->has_arrived = false;
	}
	spin_unlock_bh(&server->lock);
	return endpoint;
}

void sawmill_arrival(struct tasklet_struct *tasklet)
{
	struct sawmill_server *server = from_tasklet(server, tasklet, arrival);
	struct sawmill_endpoint *endpoint;

	while ((endpoint = next_arrived(server)) != NULL) {
		if (!receive(endpoint))
			sawmill_endpoint_queue(endpoint);
		sawmill_endpoint_put(endpoint);
	}
	sawmill_server_flush(server);
}

void sawmill_arrival_drop(struct sawmill_server *server)
{
	struct sawmill_endpoint *endpoint;

	while ((endpoint = next_arrived(server)) != NULL)
		sawmill_endpoint_put(endpoint);
}

/* The protocol has called back; bottom halves are off. */
void sawmill_endpoint_arrived(struct sawmill_endpoint *endpoint)
{
	struct sawmill_server *server = endpoint->server;
	bool is_new;

	spin_lock(&server->lock);
	/* Who is queued will be looked at in any case. */
	is_new = !endpoint->has_arrived && !endpoint->is_queued;
	if (is_new) {
		endpoint->has_arrived = true;
		kref_get(&endpoint->references);
		list_add_tail(&endpoint->arrived_node, &server->arrived);
	}
	spin_unlock(&server->lock);
	if (is_new)
		tasklet_schedule(&server->arrival);
}
