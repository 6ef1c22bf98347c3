// SPDX-License-Identifier: GPL-2.0-only
/*
 * Socket client: addresses, connecting, shutting down.
 */
#include <linux/capability.h>
#include <linux/in.h>
#include <net/tcp_states.h>
#include "client.h"

/* A call with an address in scratch. */
static s64 call_with_address(struct sawmill_sock *sock,
			     enum sawmill_socket_operation operation,
			     const struct sockaddr *address, int length)
{
	u64 in[SAWMILL_CALL_WORDS] = {}, out[SAWMILL_CALL_WORDS];
	s64 result;

	if (length < (int)sizeof(sa_family_t) ||
	    length > SAWMILL_SOCKET_NAME_MAX)
		return -EINVAL;
	mutex_lock(&sock->slot.call_lock);
	memcpy(sock->slot.page->scratch, address, length);
	in[1] = length;
	result = sawmill_slot_call(&sock->slot, operation, in, out);
	mutex_unlock(&sock->slot.call_lock);
	return result;
}

/* Which programs may have the low ports is this kernel's decision. */
static bool is_reserved(const struct sockaddr *address, int length)
{
	/* The port is at the same place in both families. */
	const struct sockaddr_in *ipv4 = (const struct sockaddr_in *)address;
	u16 port;

	if (length < (int)offsetofend(struct sockaddr_in, sin_port))
		return false;
	port = ntohs(ipv4->sin_port);
	return port && port < PROT_SOCK;
}

int sawmill_socket_bind(struct socket *socket, struct sockaddr *address,
			int length)
{
	struct sock *sk = socket->sk;

	if (sk->sk_family != PF_NETLINK && sk->sk_type != SOCK_RAW &&
	    is_reserved(address, length) &&
	    !ns_capable(sock_net(sk)->user_ns, CAP_NET_BIND_SERVICE))
		return -EACCES;
	return call_with_address(sawmill_sk(socket->sk), SAWMILL_SOCKET_BIND,
				 address, length);
}

/* Waits for the end of an attempt that the server has begun. */
static int finish_connect(struct sawmill_sock *sock,
			  const struct sockaddr *address, int length, int flags)
{
	long timeout = sock_sndtimeo(&sock->sk, flags & O_NONBLOCK);
	s64 result;
	int error;

	if (!timeout)
		return -EINPROGRESS;
	error = sawmill_sock_wait(sock, SAWMILL_SOCKET_WANT_IN |
				  SAWMILL_SOCKET_WANT_OUT, sawmill_is_settled,
				  0, &timeout);
	if (error)
		return error == -EAGAIN ? -EINPROGRESS : error;
	if (sock->sk.sk_state == TCP_ESTABLISHED)
		return 0;
	/* Lets the server's socket forget the attempt. */
	result = call_with_address(sock, SAWMILL_SOCKET_CONNECT, address,
				   length);
	if (!result || result == -EISCONN)
		return 0;
	/* The server may have told the reason before we asked. */
	return sock_error(&sock->sk) ?: result;
}

int sawmill_socket_connect(struct socket *socket, struct sockaddr *address,
			   int length, int flags)
{
	struct sawmill_sock *sock = sawmill_sk(socket->sk);
	s64 result;

	sawmill_sock_refresh(sock);
	if (socket->state == SS_CONNECTING &&
	    sock->sk.sk_state == TCP_ESTABLISHED) {
		socket->state = SS_CONNECTED;
		return 0;
	}
	sock->peer_length = 0;
	sock->sent_length = 0;
	sock->has_sent = false;
	result = call_with_address(sock, SAWMILL_SOCKET_CONNECT, address,
				   length);
	sawmill_sock_refresh(sock);
	if (!sawmill_is_stream(&sock->sk)) {
		if (!result)
			sock->was_connected = address->sa_family != AF_UNSPEC;
		return result;
	}
	if (result == -EINPROGRESS ||
	    (result == -EALREADY && !(flags & O_NONBLOCK))) {
		socket->state = SS_CONNECTING;
		result = finish_connect(sock, address, length, flags);
	}
	if (!result && address->sa_family == AF_UNSPEC) {
		sock->was_connected = false;
		socket->state = SS_UNCONNECTED;
	} else if (!result)
		socket->state = SS_CONNECTED;
	else if (result != -EINPROGRESS && result != -EALREADY &&
		 result != -EISCONN)
		socket->state = SS_UNCONNECTED;
	return result;
}

int sawmill_socket_getname(struct socket *socket, struct sockaddr *address,
			   int peer)
{
	struct sawmill_sock *sock = sawmill_sk(socket->sk);
	u64 in[SAWMILL_CALL_WORDS] = { 0, !!peer }, out[SAWMILL_CALL_WORDS];
	s64 result;

	sawmill_sock_refresh(sock);
	/* accept() asks with 2: it tells of a peer that has gone already. */
	if (sock->peer_length &&
	    (peer == 2 || (peer && sock->sk.sk_state != TCP_CLOSE))) {
		memcpy(address, &sock->peer, sock->peer_length);
		return sock->peer_length;
	}
	mutex_lock(&sock->slot.call_lock);
	result = sawmill_slot_call(&sock->slot, SAWMILL_SOCKET_GETNAME, in, out);
	if (!result) {
		result = min_t(u64, out[1], SAWMILL_SOCKET_NAME_MAX);
		memcpy(address, sock->slot.page->scratch, result);
	}
	mutex_unlock(&sock->slot.call_lock);
	return result;
}

int sawmill_socket_shutdown(struct socket *socket, int how)
{
	struct sawmill_sock *sock = sawmill_sk(socket->sk);
	s64 result;

	if (how < SHUT_RD || how > SHUT_RDWR)
		return -EINVAL;
	mutex_lock(&sock->transmit_lock);
	result = sawmill_slot_simple(&sock->slot, SAWMILL_SOCKET_SHUTDOWN, how);
	if (!result)
		sock->sk.sk_shutdown |= how + 1;
	mutex_unlock(&sock->transmit_lock);
	sawmill_sock_refresh(sock);
	/* Readers of our own side learn of it as well. */
	sock->sk.sk_state_change(&sock->sk);
	return result;
}
