// SPDX-License-Identifier: GPL-2.0-only
/*
 * Socket client: state, readiness and sleeping.
 *
 * What the server says is in the slot's page. Errors move from there into
 * sk->sk_err, once each, by whoever sees them first.
 */
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <net/tcp_states.h>
#include "client.h"

/* A sender is woken when this part of its ring is free. */
#define ROOM_SHARE	3

u32 sawmill_sock_state(struct sawmill_sock *sock)
{
	/* Pairs with the server's release: data is visible before the end. */
	return smp_load_acquire(&sock->slot.page->state);
}

/* Brings state and errors into @sock->sk. Any context. */
void sawmill_sock_refresh(struct sawmill_sock *sock)
{
	struct sock *sk = &sock->sk;
	u32 state = sawmill_sock_state(sock);
	u32 count = READ_ONCE(sock->slot.page->error_count);
	u32 seen = READ_ONCE(sock->error_seen);
	u32 error;

	if (unlikely(sawmill_slot_is_lost(&sock->slot))) {
		if (!xchg(&sock->is_lost, 1))
			WRITE_ONCE(sk->sk_err, ECONNRESET);
		WRITE_ONCE(sk->sk_state, TCP_CLOSE);
		WRITE_ONCE(sk->sk_shutdown, SHUTDOWN_MASK);
		return;
	}
	state &= SAWMILL_SOCKET_STATE_MASK;
	if (state && state < TCP_MAX_STATES && state != sk->sk_state)
		WRITE_ONCE(sk->sk_state, state);
	if (state == TCP_ESTABLISHED)
		sock->was_connected = true;
	if (likely(count == seen) ||
	    cmpxchg(&sock->error_seen, seen, count) != seen)
		return;
	error = READ_ONCE(sock->slot.page->error);
	if (error && error <= MAX_ERRNO)
		WRITE_ONCE(sk->sk_err, error);
}

/* Free bytes of the transmit ring. */
s64 sawmill_sock_room(struct sawmill_sock *sock)
{
	s64 used = sawmill_ring_used(&sock->transmit, sock->transmit.index,
				     READ_ONCE(sock->slot.page->transmit_tail));

	return used < 0 ? used : sock->transmit.size - used;
}

/* Bytes that wait in the receive ring. */
s64 sawmill_sock_filled(struct sawmill_sock *sock)
{
	return sawmill_ring_used(&sock->receive,
				 smp_load_acquire(&sock->slot.page->receive_head),
				 sock->receive.index);
}

/*
 * Gives up @length bytes of the receive ring; the caller holds receive_lock.
 * The server says when it has more than fits: it hears of room when half is
 * free, and of a larger ring when this one is empty.
 */
void sawmill_sock_consume(struct sawmill_sock *sock, u32 length)
{
	struct sawmill_socket_page *page = sock->slot.page;
	s64 filled;

	sock->receive.index += length;
	smp_store_release(&page->receive_tail, sock->receive.index);
	/* The server sees the room, or we see that it wants some. */
	smp_mb();
	if (likely(!(READ_ONCE(page->server_wants) & SAWMILL_SOCKET_WANT_OUT)))
		return;
	filled = sawmill_sock_filled(sock);
	if (sock->receive.size < SAWMILL_RING_LARGE) {
		if (filled)
			return;
		sawmill_area_grow(sock, true, SAWMILL_RING_LARGE);
	}
	if (filled <= sock->receive.size / 2 &&
	    sawmill_wanted(&page->server_wants, SAWMILL_SOCKET_WANT_OUT))
		sawmill_slot_post(&sock->slot);
}

/*
 * For who waits for more than there is: the server stopped at a full ring and
 * has not heard of the room that there is now. Process context.
 */
void sawmill_sock_ask_for_more(struct sawmill_sock *sock)
{
	if (sawmill_sock_filled(sock) < sock->receive.size &&
	    sawmill_wanted(&sock->slot.page->server_wants,
			   SAWMILL_SOCKET_WANT_OUT))
		sawmill_slot_post(&sock->slot);
}

static __poll_t readiness(struct sawmill_sock *sock)
{
	struct sock *sk = &sock->sk;
	u32 state = sawmill_sock_state(sock);
	u8 shutdown = READ_ONCE(sk->sk_shutdown);
	bool is_stream = sawmill_is_stream(sk);
	__poll_t mask = 0;

	sawmill_sock_refresh(sock);
	if (state & SAWMILL_SOCKET_END_OF_DATA)
		shutdown |= RCV_SHUTDOWN;
	if (state & SAWMILL_SOCKET_SEND_CLOSED)
		shutdown |= SEND_SHUTDOWN;
	if (sk->sk_err || state & SAWMILL_SOCKET_ERROR_QUEUE ||
	    !skb_queue_empty_lockless(&sk->sk_error_queue))
		mask |= EPOLLERR;
	if (is_stream && sk->sk_state == TCP_LISTEN)
		return state & SAWMILL_SOCKET_ACCEPTABLE ?
		       mask | EPOLLIN | EPOLLRDNORM : mask;
	if (shutdown == SHUTDOWN_MASK ||
	    (is_stream && sk->sk_state == TCP_CLOSE))
		mask |= EPOLLHUP;
	if (shutdown & RCV_SHUTDOWN)
		mask |= EPOLLIN | EPOLLRDNORM | EPOLLRDHUP;
	if (is_stream && sk->sk_state == TCP_SYN_SENT)
		return mask;
	/* No more than the ring holds will come before some of it is read. */
	if (sawmill_sock_filled(sock) >=
	    (is_stream ? min_t(s64, READ_ONCE(sk->sk_rcvlowat),
			       READ_ONCE(sock->receive.size)) : 1) ||
	    state & SAWMILL_SOCKET_TOO_SMALL)
		mask |= EPOLLIN | EPOLLRDNORM;
	if (state & SAWMILL_SOCKET_URGENT)
		mask |= EPOLLPRI;
	if (shutdown & SEND_SHUTDOWN ||
	    sawmill_sock_room(sock) >= sock->transmit.size / ROOM_SHARE)
		mask |= EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;
	return mask;
}

/* The server has announced the socket; any context. */
void sawmill_sock_event(struct sawmill_sock *sock)
{
	struct sock *sk = &sock->sk;
	struct socket_wq *wq;
	__poll_t mask = readiness(sock);

	rcu_read_lock();
	wq = rcu_dereference(sk->sk_wq);
	if (skwq_has_sleeper(wq))
		wake_up_interruptible_poll(&wq->wait, mask);
	rcu_read_unlock();
	if (!sock_flag(sk, SOCK_FASYNC))
		return;
	sawmill_want(&sock->slot.page->client_wants,
		     SAWMILL_SOCKET_WANT_IN | SAWMILL_SOCKET_WANT_OUT);
	if (mask & (EPOLLIN | EPOLLERR | EPOLLHUP))
		sk_wake_async(sk, SOCK_WAKE_WAITD, POLL_IN);
	if (mask & EPOLLPRI)
		sk_wake_async(sk, SOCK_WAKE_URG, POLL_PRI);
	if (mask & EPOLLOUT)
		sk_wake_async(sk, SOCK_WAKE_SPACE, POLL_OUT);
}

__poll_t sawmill_socket_poll(struct file *file, struct socket *socket,
			     poll_table *wait)
{
	struct sawmill_sock *sock = sawmill_sk(socket->sk);
	u32 *wants = &sock->slot.page->client_wants;
	__poll_t mask;

	sock_poll_wait(file, socket, wait);
	/* Also when there is input: edges count for epoll. */
	sawmill_want(wants, SAWMILL_SOCKET_WANT_IN);
	mask = readiness(sock);
	if (!(mask & EPOLLIN))
		sawmill_sock_ask_for_more(sock);
	if (!(mask & EPOLLOUT)) {
		sk_set_bit(SOCKWQ_ASYNC_NOSPACE, socket->sk);
		sawmill_want(wants, SAWMILL_SOCKET_WANT_OUT);
		mask = readiness(sock);
	}
	return mask;
}

bool sawmill_has_room(struct sawmill_sock *sock, u32 needed)
{
	s64 room = sawmill_sock_room(sock);

	sawmill_sock_refresh(sock);
	return room < 0 || room >= needed || sock->sk.sk_err ||
	       sock->sk.sk_shutdown & SEND_SHUTDOWN ||
	       sawmill_sock_state(sock) & SAWMILL_SOCKET_SEND_CLOSED;
}

bool sawmill_has_input(struct sawmill_sock *sock, u32 seen)
{
	u32 state = sawmill_sock_state(sock);

	sawmill_sock_refresh(sock);
	return sawmill_sock_filled(sock) != seen || sock->sk.sk_err ||
	       sock->sk.sk_shutdown & RCV_SHUTDOWN ||
	       state & (SAWMILL_SOCKET_END_OF_DATA | SAWMILL_SOCKET_ACCEPTABLE) ||
	       (state & SAWMILL_SOCKET_TOO_SMALL &&
		!(sock->slot.page->hints & SAWMILL_SOCKET_HINT_CUT));
}

/* A connection attempt has ended one way or the other. */
bool sawmill_is_settled(struct sawmill_sock *sock, u32 unused)
{
	sawmill_sock_refresh(sock);
	return sock->sk.sk_err || sock->sk.sk_state != TCP_SYN_SENT;
}

/*
 * Sleeps until @is_ready; holds no lock. Returns 0, -EAGAIN when *@timeout is
 * used up or the errno for a signal.
 */
int sawmill_sock_wait(struct sawmill_sock *sock, u32 wants,
		      bool (*is_ready)(struct sawmill_sock *sock, u32 argument),
		      u32 argument, long *timeout)
{
	struct sock *sk = &sock->sk;
	DEFINE_WAIT_FUNC(wait, woken_wake_function);
	int error = 0;

	add_wait_queue(sk_sleep(sk), &wait);
	for (;;) {
		sawmill_want(&sock->slot.page->client_wants, wants);
		if (is_ready(sock, argument)) {
			/* A server that lies must not keep us in here. */
			if (unlikely(fatal_signal_pending(current)))
				error = -EINTR;
			cond_resched();
			break;
		}
		if (!*timeout) {
			error = -EAGAIN;
			break;
		}
		if (signal_pending(current)) {
			error = sock_intr_errno(*timeout);
			break;
		}
		/* Perhaps that is all that it takes. */
		if (sawmill_have_served())
			continue;
		*timeout = wait_woken(&wait, TASK_INTERRUPTIBLE, *timeout);
	}
	remove_wait_queue(sk_sleep(sk), &wait);
	return error;
}
