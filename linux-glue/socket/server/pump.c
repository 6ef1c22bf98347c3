// SPDX-License-Identifier: GPL-2.0-only
/*
 * Socket server: the pump, which moves data between rings and sockets.
 *
 * A client that is about to wait has its posted slots served by a call. For
 * all else there is one thread for each connection: it runs when the client
 * has signalled or Linux has called back. Data that arrives usually needs
 * neither, see arrival.c. The client is told only what it waits for.
 */
#include <linux/cred.h>
#include <linux/kthread.h>
#include <linux/tcp.h>
#include <net/inet_connection_sock.h>
#include <net/tcp_states.h>
#include "server.h"

/* Sockets that are served before the client hears of the first. */
#define FLUSH_INTERVAL	8

/* Sockets that a call serves; the thread does the rest. */
#define SERVED_BY_CALL	64

static u32 current_state_of(struct sawmill_endpoint *endpoint)
{
	struct sock *sk = endpoint->socket->sk;
	u32 state = READ_ONCE(sk->sk_state);

	if (state == TCP_NEW_SYN_RECV || state == TCP_SYN_RECV)
		state = TCP_ESTABLISHED;
	if (endpoint->has_ended)
		state |= SAWMILL_SOCKET_END_OF_DATA;
	if (READ_ONCE(sk->sk_shutdown) & SEND_SHUTDOWN)
		state |= SAWMILL_SOCKET_SEND_CLOSED;
	if (endpoint->is_stream && sk->sk_state == TCP_LISTEN &&
	    !reqsk_queue_empty(&inet_csk(sk)->icsk_accept_queue))
		state |= SAWMILL_SOCKET_ACCEPTABLE;
	if (endpoint->has_urgent)
		state |= SAWMILL_SOCKET_URGENT;
	if (endpoint->has_mark)
		state |= SAWMILL_SOCKET_HAS_MARK;
	if (endpoint->is_too_small)
		state |= SAWMILL_SOCKET_TOO_SMALL;
	if (!skb_queue_empty_lockless(&sk->sk_error_queue))
		state |= SAWMILL_SOCKET_ERROR_QUEUE;
	return state;
}

/* Makes @error the socket's error as the client sees it. */
void sawmill_endpoint_error(struct sawmill_endpoint *endpoint, int error)
{
	struct sawmill_socket_page *page = endpoint->page;

	WRITE_ONCE(page->error, abs(error));
	/* Pairs with the client's read of state, which is published later. */
	smp_store_release(&page->error_count, ++endpoint->error_count);
}

/*
 * Tells the client of a new state or error, and of progress if it waits for
 * it: @bits are the WANT bits that it could be waiting for.
 */
void sawmill_endpoint_publish(struct sawmill_endpoint *endpoint, u32 bits)
{
	struct sawmill_server *server = endpoint->server;
	struct sawmill_socket_page *page = endpoint->page;
	u32 errors_before = endpoint->error_count;
	bool is_news = false;
	u32 state;
	int error;

	if (!endpoint->socket)
		return;
	/* An attempt to connect that failed says so here, too. */
	error = sock_error(endpoint->socket->sk);
	if (error)
		sawmill_endpoint_error(endpoint, error);
	is_news = endpoint->error_count != errors_before;
	state = current_state_of(endpoint);
	/* The client does not call connect() again for this. */
	if ((state & SAWMILL_SOCKET_STATE_MASK) == TCP_ESTABLISHED &&
	    endpoint->socket->state == SS_CONNECTING)
		endpoint->socket->state = SS_CONNECTED;
	if (state != endpoint->state) {
		/*
		 * A listener with more to accept than before has the same
		 * state; its client asks for WANT_IN instead.
		 */
		is_news = true;
		endpoint->state = state;
		smp_store_release(&page->state, state);
	}
	if (state & SAWMILL_SOCKET_ACCEPTABLE)
		bits |= SAWMILL_SOCKET_WANT_IN;
	if (sawmill_wanted(&page->client_wants, bits) || is_news)
		sawmill_mailbox_post(&server->area->to_client,
				     endpoint->number);
}

/* Signals the client if it sleeps over something that was published. */
void sawmill_server_flush(struct sawmill_server *server)
{
	if (sawmill_mailbox_needs_signal(&server->area->to_client))
		sawmill_connection_signal(server->connection);
}

/* The client has written nonsense. */
void sawmill_endpoint_break(struct sawmill_endpoint *endpoint)
{
	endpoint->is_broken = true;
	sawmill_endpoint_error(endpoint, -EPROTO);
}

static u32 receive_records(struct sawmill_endpoint *endpoint)
{
	int error = xchg(&endpoint->arrival_error, 0);
	u32 bits = 0;

	for (;;) {
		if (error == SAWMILL_RING_BROKEN)
			sawmill_endpoint_break(endpoint);
		else if (error)
			sawmill_endpoint_error(endpoint, error);
		if (endpoint->is_broken)
			return bits;
		sawmill_receive_begin(endpoint);
		bits |= sawmill_record_receive(endpoint, &error);
		sawmill_receive_end(endpoint);
		if (!error)
			return bits;
	}
}

void sawmill_endpoint_pump(struct sawmill_endpoint *endpoint)
{
	u32 bits, errors = endpoint->error_count;
	int ignored;

	if (!endpoint->socket || endpoint->is_broken)
		return;
	sawmill_endpoint_apply_options(endpoint);
	if (endpoint->is_stream)
		bits = sawmill_stream_send(endpoint) |
		       sawmill_stream_receive(endpoint);
	else
		bits = sawmill_record_send(endpoint, &ignored) |
		       receive_records(endpoint);
	if (endpoint->error_count != errors)
		bits |= SAWMILL_SOCKET_WANT_IN | SAWMILL_SOCKET_WANT_OUT;
	sawmill_endpoint_publish(endpoint, bits);
}

static void look(void *context, u32 number)
{
	struct sawmill_endpoint *endpoint = sawmill_endpoint_get(context,
								 number);

	if (!endpoint)
		return;
	sawmill_endpoint_queue(endpoint);
	sawmill_endpoint_put(endpoint);
}

static struct sawmill_endpoint *next_queued(struct sawmill_server *server)
{
	struct sawmill_endpoint *endpoint;

	spin_lock_bh(&server->lock);
	endpoint = list_first_entry_or_null(&server->queue,
					    struct sawmill_endpoint, node);
	if (endpoint) {
		list_del(&endpoint->node);
		endpoint->is_queued = false;
	}
	spin_unlock_bh(&server->lock);
	return endpoint;
}

void sawmill_queue_drop(struct sawmill_server *server)
{
	struct sawmill_endpoint *endpoint;

	while ((endpoint = next_queued(server)) != NULL)
		sawmill_endpoint_put(endpoint);
}

static void serve_one(struct sawmill_endpoint *endpoint)
{
	mutex_lock(&endpoint->lock);
	sawmill_endpoint_pump(endpoint);
	mutex_unlock(&endpoint->lock);
	sawmill_endpoint_put(endpoint);
}

/*
 * In a handler: serves what is posted and queued, and what that leads to, as
 * data over the loopback device does.
 */
void sawmill_server_serve(struct sawmill_server *server)
{
	struct sawmill_socket_mailbox *box = &server->area->to_server;
	struct sawmill_endpoint *endpoint;
	unsigned int served;
	bool is_more;

	spin_lock_bh(&server->lock);
	server->in_calls++;
	spin_unlock_bh(&server->lock);
	for (served = 0; served < SERVED_BY_CALL; served++) {
		sawmill_mailbox_take(box, look, server);
		endpoint = next_queued(server);
		if (!endpoint)
			break;
		serve_one(endpoint);
	}
	spin_lock_bh(&server->lock);
	server->in_calls--;
	is_more = !list_empty(&server->queue);
	spin_unlock_bh(&server->lock);
	/* The client has taken the flag before it called. */
	if (is_more || !sawmill_mailbox_sleep(box))
		wake_up_process(server->pump);
}

static void sleep_until_needed(struct sawmill_server *server)
{
	struct sawmill_socket_mailbox *box = &server->area->to_server;

	set_current_state(TASK_INTERRUPTIBLE);
	if (!kthread_should_stop() && list_empty_careful(&server->queue) &&
	    sawmill_mailbox_sleep(box)) {
		schedule();
		WRITE_ONCE(box->is_asleep, 0);
	}
	__set_current_state(TASK_RUNNING);
}

int sawmill_pump_thread(void *context)
{
	struct sawmill_server *server = context;
	const struct cred *old = override_creds(server->cred);
	struct sawmill_endpoint *endpoint;
	unsigned int since_flush = 0;

	while (!kthread_should_stop()) {
		/* The client is told once for many sockets, not for each. */
		if (++since_flush >= FLUSH_INTERVAL) {
			sawmill_server_flush(server);
			since_flush = 0;
		}
		sawmill_mailbox_take(&server->area->to_server, look, server);
		endpoint = next_queued(server);
		if (!endpoint) {
			sawmill_server_flush(server);
			sleep_until_needed(server);
			continue;
		}
		serve_one(endpoint);
		cond_resched();
	}
	revert_creds(old);
	return 0;
}
