// SPDX-License-Identifier: GPL-2.0-only
/*
 * Socket server: bytes of a stream.
 */
#include <linux/tcp.h>
#include <net/tcp.h>
#include "server.h"

/* The client is told of room when this part of its ring is free. */
#define ROOM_SHARE	3

static bool can_send(const struct sock *sk)
{
	return (1 << READ_ONCE(sk->sk_state)) &
	       (TCPF_ESTABLISHED | TCPF_CLOSE_WAIT | TCPF_SYN_RECV);
}

/* Moves what is in the transmit ring into the socket. */
u32 sawmill_stream_send(struct sawmill_endpoint *endpoint)
{
	struct sawmill_socket_page *page = endpoint->page;
	struct sawmill_ring *ring = &endpoint->transmit;
	u32 head = smp_load_acquire(&page->transmit_head);
	s64 used = sawmill_ring_used(ring, head, ring->index);
	bool has_progress = false;
	struct kvec piece[2];
	int count, sent;

	if (used < 0) {
		sawmill_endpoint_break(endpoint);
		return 0;
	}
	while (used > 0) {
		struct msghdr message = {
			.msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL,
		};

		if (!can_send(endpoint->socket->sk)) {
			/* The client sees the state; nobody takes the bytes. */
			if (endpoint->socket->sk->sk_state != TCP_SYN_SENT)
				ring->index = head;
			break;
		}
		if (READ_ONCE(page->hints) & SAWMILL_SOCKET_HINT_MORE)
			message.msg_flags |= MSG_MORE;
		count = sawmill_ring_pieces(ring, ring->index, used, piece);
		sent = kernel_sendmsg(endpoint->socket, &message, piece, count,
				      used);
		if (sent == -EAGAIN)
			break;
		if (sent < 0) {
			if (sent != -EPIPE)
				sawmill_endpoint_error(endpoint, sent);
			break;
		}
		ring->index += sent;
		used -= sent;
		has_progress = true;
		smp_store_release(&page->transmit_tail, ring->index);
	}
	return has_progress && ring->size - used >= ring->size / ROOM_SHARE ?
	       SAWMILL_SOCKET_WANT_OUT : 0;
}

/*
 * Keeps the urgent byte before the stream goes past it, and marks its place
 * when the stream has come there.
 */
static void look_for_urgent(struct sawmill_endpoint *endpoint)
{
	struct tcp_sock *tp = tcp_sk(endpoint->socket->sk);
	u16 urgent = READ_ONCE(tp->urg_data);

	if (likely(!urgent))
		return;
	if (urgent & TCP_URG_VALID && tp->copied_seq == tp->urg_seq) {
		endpoint->has_mark = true;
		WRITE_ONCE(endpoint->page->receive_mark,
			   endpoint->receive.index);
	}
	if (urgent & TCP_URG_VALID &&
	    !sock_flag(endpoint->socket->sk, SOCK_URGINLINE)) {
		endpoint->urgent = urgent;
		endpoint->has_urgent = true;
	}
}

static bool can_receive(const struct sock *sk)
{
	return !((1 << READ_ONCE(sk->sk_state)) &
		 (TCPF_LISTEN | TCPF_SYN_SENT));
}

/* The caller holds the receive ring. */
static u32 receive(struct sawmill_endpoint *endpoint)
{
	struct sawmill_socket_page *page = endpoint->page;
	struct sawmill_ring *ring = &endpoint->receive;
	struct sock *sk = endpoint->socket->sk;
	bool has_progress = false;
	struct kvec piece[2];
	int count, received;
	s64 used;

	if (endpoint->has_ended || !can_receive(sk))
		return 0;
	/* Never connected: there is no end, either. */
	if (sk->sk_state == TCP_CLOSE && !(sk->sk_shutdown & RCV_SHUTDOWN))
		return 0;
	for (;;) {
		struct msghdr message = {};

		used = sawmill_ring_used(ring, ring->index,
				smp_load_acquire(&page->receive_tail));
		if (used < 0) {
			sawmill_endpoint_break(endpoint);
			break;
		}
		if (used == ring->size) {
			sawmill_want(&page->server_wants,
				     SAWMILL_SOCKET_WANT_OUT);
			if (READ_ONCE(page->receive_tail) ==
			    ring->index - ring->size)
				break;
			continue;
		}
		look_for_urgent(endpoint);
		count = sawmill_ring_pieces(ring, ring->index,
					    ring->size - used, piece);
		received = kernel_recvmsg(endpoint->socket, &message, piece,
					  count, ring->size - used,
					  MSG_DONTWAIT | MSG_NOSIGNAL);
		if (received == -EAGAIN)
			break;
		if (received <= 0) {
			endpoint->has_ended = true;
			if (received < 0 && received != -ENOTCONN)
				sawmill_endpoint_error(endpoint, received);
			break;
		}
		ring->index += received;
		has_progress = true;
		smp_store_release(&page->receive_head, ring->index);
	}
	return has_progress || endpoint->has_ended ? SAWMILL_SOCKET_WANT_IN : 0;
}

/* Moves what the socket has into the receive ring. */
u32 sawmill_stream_receive(struct sawmill_endpoint *endpoint)
{
	u32 wants;

	sawmill_receive_begin(endpoint);
	wants = receive(endpoint);
	sawmill_receive_end(endpoint);
	return wants;
}
