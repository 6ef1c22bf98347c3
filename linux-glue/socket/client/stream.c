// SPDX-License-Identifier: GPL-2.0-only
/*
 * Socket client: data of streams.
 *
 * Sending into a ring with room and receiving what has arrived make no call.
 * Locks are not held while sleeping; indices are read again afterwards.
 */
#include <net/tcp_states.h>
#include "client.h"

/* Why sending is not possible now, or 0. */
static int check_sender(struct sawmill_sock *sock)
{
	struct sock *sk = &sock->sk;

	sawmill_sock_refresh(sock);
	/* The error itself is told by a call that has sent nothing. */
	if (unlikely(sk->sk_err) || sk->sk_shutdown & SEND_SHUTDOWN ||
	    sawmill_sock_state(sock) & SAWMILL_SOCKET_SEND_CLOSED)
		return -EPIPE;
	if (sk->sk_state == TCP_SYN_SENT)
		return -EAGAIN;
	if (sk->sk_state != TCP_ESTABLISHED && sk->sk_state != TCP_CLOSE_WAIT)
		return -EPIPE;
	return 0;
}

static int copy_in(struct sawmill_sock *sock, struct iov_iter *from, u32 length)
{
	struct kvec piece[2];
	int count = sawmill_ring_pieces(&sock->transmit, sock->transmit.index,
					length, piece);
	int index;

	for (index = 0; index < count; index++)
		if (copy_from_iter(piece[index].iov_base, piece[index].iov_len,
				   from) != piece[index].iov_len)
			return -EFAULT;
	sock->transmit.index += length;
	/* Pairs with the server's acquire: bytes before the index. */
	smp_store_release(&sock->slot.page->transmit_head,
			  sock->transmit.index);
	return 0;
}

int sawmill_stream_sendmsg(struct socket *socket, struct msghdr *message,
			   size_t length)
{
	struct sawmill_sock *sock = sawmill_sk(socket->sk);
	struct sock *sk = socket->sk;
	int flags = message->msg_flags;
	long timeout = sock_sndtimeo(sk, flags & MSG_DONTWAIT);
	u32 hints = flags & MSG_MORE ? SAWMILL_SOCKET_HINT_MORE : 0;
	struct ubuf_info *notice;
	size_t copied = 0;
	u32 part;
	s64 room;
	int error;

	if (unlikely(flags & MSG_OOB))
		return sawmill_send_urgent(sock, message, length);
	error = sawmill_zerocopy_begin(sk, flags, length, &notice);
	if (unlikely(error))
		return error;
	mutex_lock(&sock->transmit_lock);
	if (READ_ONCE(sock->slot.page->hints) != hints)
		WRITE_ONCE(sock->slot.page->hints, hints);
	for (;;) {
		error = check_sender(sock);
		if (unlikely(error == -EAGAIN)) {
			mutex_unlock(&sock->transmit_lock);
			error = sawmill_sock_wait(sock, SAWMILL_SOCKET_WANT_OUT,
						  sawmill_is_settled, 0,
						  &timeout);
			mutex_lock(&sock->transmit_lock);
			if (!error)
				continue;
		}
		if (unlikely(error) || !msg_data_left(message))
			break;
		room = sawmill_sock_room(sock);
		if (unlikely(room < 0)) {
			error = room;
			break;
		}
		if (unlikely(msg_data_left(message) > room) &&
		    sock->transmit.size < SAWMILL_RING_LARGE &&
		    sawmill_area_grow(sock, false, SAWMILL_RING_LARGE))
			room = sock->transmit.size;
		if (!room) {
			sawmill_slot_post(&sock->slot);
			if (!timeout) {
				/* Who waits for an edge does not poll again. */
				sawmill_want(&sock->slot.page->client_wants,
					     SAWMILL_SOCKET_WANT_OUT);
				if (sawmill_sock_room(sock))
					continue;
				error = -EAGAIN;
				break;
			}
			mutex_unlock(&sock->transmit_lock);
			error = sawmill_sock_wait(sock, SAWMILL_SOCKET_WANT_OUT,
						  sawmill_has_room,
						  sock->transmit.size / 3,
						  &timeout);
			mutex_lock(&sock->transmit_lock);
			if (error)
				break;
			continue;
		}
		part = min_t(u64, room, msg_data_left(message));
		error = copy_in(sock, &message->msg_iter, part);
		if (error)
			break;
		copied += part;
	}
	if (copied)
		sawmill_slot_post(&sock->slot);
	if (error == -EAGAIN)
		sk_set_bit(SOCKWQ_ASYNC_NOSPACE, sk);
	mutex_unlock(&sock->transmit_lock);
	sawmill_zerocopy_end(notice, copied);
	return copied ?: sk_stream_error(sk, flags, error);
}

/* What is readable from @position on, up to the urgent mark. */
static s64 readable(struct sawmill_sock *sock, u32 peeked, u32 copied)
{
	s64 filled = sawmill_sock_filled(sock);
	u32 position = sock->receive.index + peeked;
	u32 distance;

	if (filled < 0)
		return filled;
	filled -= peeked;
	if (unlikely(sawmill_sock_state(sock) & SAWMILL_SOCKET_HAS_MARK)) {
		distance = READ_ONCE(sock->slot.page->receive_mark) - position;
		if (distance < filled && (distance || copied))
			filled = distance;
	}
	return filled;
}

static int copy_out(struct sawmill_sock *sock, u32 peeked, struct iov_iter *to,
		    u32 length)
{
	struct kvec piece[2];
	int count = sawmill_ring_pieces(&sock->receive,
					sock->receive.index + peeked, length,
					piece);
	int index;

	for (index = 0; index < count; index++)
		if (copy_to_iter(piece[index].iov_base, piece[index].iov_len,
				 to) != piece[index].iov_len)
			return -EFAULT;
	return 0;
}

/* With no data left: 0 at the end, -EAGAIN if waiting makes sense. */
static int check_receiver(struct sawmill_sock *sock, u32 state)
{
	struct sock *sk = &sock->sk;

	if (sk->sk_err)
		return sock_error(sk);
	if (state & SAWMILL_SOCKET_END_OF_DATA ||
	    sk->sk_shutdown & RCV_SHUTDOWN)
		return 0;
	/* With data that has not found room yet, the end is still to come. */
	if (sk->sk_state == TCP_CLOSE)
		return sock->was_connected ? -EAGAIN : -ENOTCONN;
	if (sk->sk_state == TCP_LISTEN)
		return -ENOTCONN;
	return -EAGAIN;
}

int sawmill_stream_recvmsg(struct socket *socket, struct msghdr *message,
			   size_t length, int flags)
{
	struct sawmill_sock *sock = sawmill_sk(socket->sk);
	struct sock *sk = socket->sk;
	long timeout = sock_rcvtimeo(sk, flags & MSG_DONTWAIT);
	int target = sock_rcvlowat(sk, flags & MSG_WAITALL, length);
	u32 peeked = 0, part, state;
	int copied = 0, error = 0;
	s64 filled;

	if (unlikely(flags & (MSG_OOB | MSG_ERRQUEUE)))
		return sawmill_receive_special(sock, message, length, flags);
	mutex_lock(&sock->receive_lock);
	while (length) {
		/* First the state, then the data that came before it. */
		sawmill_sock_refresh(sock);
		state = sawmill_sock_state(sock);
		filled = readable(sock, peeked, copied);
		if (unlikely(filled < 0)) {
			error = filled;
			break;
		}
		if (filled) {
			part = min_t(u64, filled, length);
			if (!(flags & MSG_TRUNC))
				error = copy_out(sock, peeked,
						 &message->msg_iter, part);
			if (error)
				break;
			if (flags & MSG_PEEK)
				peeked += part;
			else
				sawmill_sock_consume(sock, part);
			copied += part;
			length -= part;
			continue;
		}
		if (peeked)
			sawmill_sock_ask_for_more(sock);
		/* What was looked at stays in the ring: no more has room. */
		if (copied >= target || peeked == sock->receive.size)
			break;
		/* Nothing goes past urgent data in one piece. */
		if (copied && (sk->sk_err || !timeout ||
			       sawmill_sock_filled(sock) > peeked))
			break;
		error = check_receiver(sock, state);
		if (error != -EAGAIN || !timeout)
			break;
		mutex_unlock(&sock->receive_lock);
		error = sawmill_sock_wait(sock, SAWMILL_SOCKET_WANT_IN,
					  sawmill_has_input, peeked, &timeout);
		mutex_lock(&sock->receive_lock);
		if (error)
			break;
	}
	mutex_unlock(&sock->receive_lock);
	return copied ?: error;
}
