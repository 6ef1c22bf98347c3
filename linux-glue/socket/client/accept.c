// SPDX-License-Identifier: GPL-2.0-only
/*
 * Socket client: listening and accepting.
 *
 * The server says in the listener's state that ACCEPT will succeed; the
 * client then brings a new slot, so that the memory is always its own.
 */
#include <net/tcp_states.h>
#include "client.h"

/* Of a listener, by the sockets that it accepts; the server's do the same. */
#define INHERITED_FLAGS	(BIT(SOCK_KEEPOPEN) | BIT(SOCK_LINGER) | \
			 BIT(SOCK_URGINLINE) | BIT(SOCK_BROADCAST) | \
			 BIT(SOCK_LOCALROUTE))

int sawmill_socket_listen(struct socket *socket, int backlog)
{
	struct sawmill_sock *sock = sawmill_sk(socket->sk);
	s64 result = sawmill_slot_simple(&sock->slot, SAWMILL_SOCKET_LISTEN,
					 (u32)backlog);

	sawmill_sock_refresh(sock);
	return result;
}

static s64 call_accept(struct sawmill_sock *listener, struct sawmill_sock *new)
{
	u64 in[SAWMILL_CALL_WORDS] = {}, out[SAWMILL_CALL_WORDS];
	s64 result;

	in[1] = new->slot.number;
	sawmill_sock_describe(new, in);
	mutex_lock(&listener->slot.call_lock);
	result = sawmill_slot_call(&listener->slot, SAWMILL_SOCKET_ACCEPT, in,
				   out);
	mutex_unlock(&listener->slot.call_lock);
	if (result)
		return result;
	new->is_made = true;
	new->peer_length = min_t(u64, out[1], sizeof(new->peer));
	memcpy(&new->peer, new->slot.page->scratch, new->peer_length);
	return 0;
}

/* Other input there may be, and never goes: the end, if it was shut down. */
static bool is_acceptable(struct sawmill_sock *listener, u32 unused)
{
	sawmill_sock_refresh(listener);
	return listener->sk.sk_state != TCP_LISTEN ||
	       sawmill_sock_state(listener) & SAWMILL_SOCKET_ACCEPTABLE;
}

static int wait_and_accept(struct sawmill_sock *listener,
			   struct sawmill_sock *new, int flags)
{
	struct sock *sk = &listener->sk;
	long timeout = sock_rcvtimeo(sk, flags & O_NONBLOCK);
	s64 result;
	int error;

	for (;;) {
		sawmill_sock_refresh(listener);
		if (sk->sk_state != TCP_LISTEN)
			return sock_error(sk) ?: -EINVAL;
		if (sawmill_sock_state(listener) & SAWMILL_SOCKET_ACCEPTABLE) {
			result = call_accept(listener, new);
			if (result != -EAGAIN)
				return result;
		}
		error = sawmill_sock_wait(listener, SAWMILL_SOCKET_WANT_IN,
					  is_acceptable, 0, &timeout);
		if (error)
			return error;
	}
}

int sawmill_socket_accept(struct socket *socket, struct socket *newsocket,
			  int flags, bool kern)
{
	struct sawmill_sock *listener = sawmill_sk(socket->sk);
	struct sock *sk = socket->sk, *newsk;
	int error;

	newsk = sawmill_sock_new(sock_net(sk), newsocket, sk->sk_family,
				 sk->sk_protocol);
	if (IS_ERR(newsk))
		return PTR_ERR(newsk);
	newsk->sk_rcvtimeo = sk->sk_rcvtimeo;
	newsk->sk_sndtimeo = sk->sk_sndtimeo;
	newsk->sk_rcvlowat = sk->sk_rcvlowat;
	newsk->sk_sndbuf = sk->sk_sndbuf;
	newsk->sk_rcvbuf = sk->sk_rcvbuf;
	newsk->sk_reuse = sk->sk_reuse;
	newsk->sk_lingertime = sk->sk_lingertime;
	newsk->sk_flags |= sk->sk_flags & INHERITED_FLAGS;
	error = wait_and_accept(listener, sawmill_sk(newsk), flags);
	if (error) {
		sawmill_socket_release(newsocket);
		return error;
	}
	sawmill_sock_refresh(sawmill_sk(newsk));
	newsocket->state = SS_CONNECTED;
	return 0;
}
