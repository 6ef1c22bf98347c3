// SPDX-License-Identifier: GPL-2.0-only
/*
 * Socket client: options.
 *
 * SOL_SOCKET options live here, as for any socket of this kernel; those that
 * concern the network go to the server as well. All others are the server's.
 */
#include <linux/tcp.h>
#include <net/tcp_states.h>
#include "client.h"

/* Options of SOL_SOCKET that only concern this side. */
static bool is_local(int name)
{
	switch (name) {
	case SO_RCVTIMEO_OLD:
	case SO_RCVTIMEO_NEW:
	case SO_SNDTIMEO_OLD:
	case SO_SNDTIMEO_NEW:
	case SO_RCVLOWAT:
	case SO_ZEROCOPY:
	case SO_PASSCRED:
	case SO_PASSSEC:
	case SO_BUSY_POLL:
	case SO_PREFER_BUSY_POLL:
	case SO_BUSY_POLL_BUDGET:
	case SO_ATTACH_FILTER:
	case SO_DETACH_FILTER:
	case SO_LOCK_FILTER:
	case SO_INCOMING_CPU:
	case SO_BSDCOMPAT:
	case SO_PEEK_OFF:
		return true;
	default:
		return false;
	}
}

/* Devices are the server's. */
static bool is_about_device(int name)
{
	return name == SO_BINDTODEVICE || name == SO_BINDTOIFINDEX;
}

static s64 call_set(struct sawmill_sock *sock, int level, int name,
		    sockptr_t value, unsigned int length)
{
	u64 in[SAWMILL_CALL_WORDS] = {}, out[SAWMILL_CALL_WORDS];
	s64 result = -EFAULT;

	if (length > SAWMILL_SOCKET_SCRATCH)
		return -ENOBUFS;
	mutex_lock(&sock->slot.call_lock);
	if (!copy_from_sockptr(sock->slot.page->scratch, value, length)) {
		in[1] = (u32)level | (u64)(u32)name << 32;
		in[2] = length;
		in[3] = sawmill_sock_rights(sock);
		result = sawmill_slot_call(&sock->slot,
					   SAWMILL_SOCKET_SETSOCKOPT, in, out);
	}
	mutex_unlock(&sock->slot.call_lock);
	return result;
}

/*
 * TCP_NODELAY, which most programs set on each connection, needs no call: it
 * is written down, and the server reads it before anything that comes later.
 */
static bool set_nodelay(struct sawmill_sock *sock, sockptr_t value,
			unsigned int length)
{
	int is_set;

	/* Connections to come take it over from a listener at any moment. */
	if (!sawmill_is_stream(&sock->sk) || sock->sk.sk_state == TCP_LISTEN ||
	    sawmill_slot_is_lost(&sock->slot) || length < sizeof(is_set) ||
	    copy_from_sockptr(&is_set, value, sizeof(is_set)))
		return false;
	WRITE_ONCE(sock->slot.page->options,
		   is_set ? SAWMILL_SOCKET_OPTION_NODELAY :
			    SAWMILL_SOCKET_OPTION_DELAY);
	/* Data that is held back goes now. */
	if (sock->sk.sk_state != TCP_CLOSE)
		sawmill_slot_post(&sock->slot);
	return true;
}

int sawmill_socket_setsockopt(struct socket *socket, int level, int name,
			      sockptr_t value, unsigned int length)
{
	struct sawmill_sock *sock = sawmill_sk(socket->sk);
	s64 result;
	int error;

	if (level == SOL_TCP && name == TCP_NODELAY &&
	    set_nodelay(sock, value, length))
		return 0;
	if (level != SOL_SOCKET)
		return call_set(sock, level, name, value, length);
	switch (name) {
	case SO_ATTACH_BPF:
	case SO_ATTACH_REUSEPORT_CBPF:
	case SO_ATTACH_REUSEPORT_EBPF:
		return -EOPNOTSUPP;
	}
	if (is_about_device(name))
		return call_set(sock, level, name, value, length);
	error = sock_setsockopt(socket, level, name, value, length);
	if (error || is_local(name))
		return error;
	result = call_set(sock, level, name, value, length);
	/* Forced buffer sizes are a matter of this side's rights only. */
	if (result == -EPERM)
		return name == SO_RCVBUFFORCE || name == SO_SNDBUFFORCE ?
		       0 : result;
	return result;
}

int sawmill_socket_getsockopt(struct socket *socket, int level, int name,
			      char __user *value, int __user *length)
{
	struct sawmill_sock *sock = sawmill_sk(socket->sk);
	u64 in[SAWMILL_CALL_WORDS] = {}, out[SAWMILL_CALL_WORDS];
	s64 result;
	int size;

	if (level == SOL_SOCKET && !is_about_device(name))
		return sock_getsockopt(socket, level, name, value, length);
	if (get_user(size, length))
		return -EFAULT;
	if (size < 0)
		return -EINVAL;
	size = min(size, SAWMILL_SOCKET_SCRATCH);
	mutex_lock(&sock->slot.call_lock);
	/* Some options take an argument in the value. */
	result = -EFAULT;
	if (copy_from_user(sock->slot.page->scratch, value, size))
		goto unlock;
	in[1] = (u32)level | (u64)(u32)name << 32;
	in[2] = size;
	result = sawmill_slot_call(&sock->slot, SAWMILL_SOCKET_GETSOCKOPT, in,
				   out);
	if (result)
		goto unlock;
	size = min_t(u64, size, out[1]);
	if (copy_to_user(value, sock->slot.page->scratch, size) ||
	    put_user(size, length))
		result = -EFAULT;
unlock:
	mutex_unlock(&sock->slot.call_lock);
	return result;
}
