// SPDX-License-Identifier: GPL-2.0-only
/*
 * Socket server: options.
 *
 * Refused are those whose value holds pointers, that change what kind of
 * socket this is, or that make an operation wait.
 */
#include <linux/cred.h>
#include <linux/icmpv6.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/tcp.h>
#include "server.h"

static bool is_allowed(int level, int name)
{
	switch (level) {
	case SOL_SOCKET:
		switch (name) {
		case SO_ATTACH_FILTER:
		case SO_ATTACH_BPF:
		case SO_ATTACH_REUSEPORT_CBPF:
		case SO_ATTACH_REUSEPORT_EBPF:
		case SO_DETACH_FILTER:
		case SO_DETACH_REUSEPORT_BPF:
		case SO_LOCK_FILTER:
		case SO_PEERCRED:
		case SO_PEERGROUPS:
		case SO_PEERSEC:
		case SO_PEEK_OFF:
		case SO_ZEROCOPY:
		case SO_RCVLOWAT:
		case SO_NETNS_COOKIE:
			return false;
		}
		return true;
	case SOL_TCP:
		switch (name) {
		case TCP_ZEROCOPY_RECEIVE:
		case TCP_REPAIR:
		case TCP_REPAIR_QUEUE:
		case TCP_REPAIR_OPTIONS:
		case TCP_REPAIR_WINDOW:
		case TCP_ULP:
		case TCP_SAVE_SYN:
		case TCP_SAVED_SYN:
			return false;
		}
		return true;
	case SOL_IPV6:
		return name != IPV6_ADDRFORM;
	case SOL_IP:
	case SOL_UDP:
	case SOL_RAW:
	case SOL_ICMPV6:
	case SOL_NETLINK:
		return true;
	default:
		return false;
	}
}

/* Copies the option's value out of scratch; to be freed. */
static void *read_value(struct sawmill_request *request)
{
	u64 length = request->in[2];

	if (length > SAWMILL_SOCKET_SCRATCH)
		return ERR_PTR(-EINVAL);
	if (!is_allowed((u32)request->in[1], request->in[1] >> 32))
		return ERR_PTR(-ENOPROTOOPT);
	/* Linux reads an int from values that are shorter, too. */
	return kmemdup(request->page->scratch, max_t(u64, length, 8),
		       GFP_KERNEL) ?: ERR_PTR(-ENOMEM);
}

s64 sawmill_endpoint_setsockopt(struct sawmill_endpoint *endpoint,
				struct sawmill_request *request)
{
	struct socket *socket = endpoint->socket;
	int level = (u32)request->in[1], name = request->in[1] >> 32;
	void *value = read_value(request);
	unsigned int length = request->in[2];
	const struct cred *old;
	int error;

	if (IS_ERR(value))
		return PTR_ERR(value);
	/* The right to configure the network is not one to mark packets. */
	old = override_creds(request->in[3] & SAWMILL_SOCKET_WITHOUT_RAW ?
			     endpoint->server->bare_cred :
			     endpoint->server->plain_cred);
	if (level == SOL_SOCKET)
		error = sock_setsockopt(socket, level, name,
					KERNEL_SOCKPTR(value), length);
	else
		error = socket->ops->setsockopt(socket, level, name,
						KERNEL_SOCKPTR(value), length);
	revert_creds(old);
	kfree(value);
	return error;
}

/* Options that the client has set without a call. */
void sawmill_endpoint_apply_options(struct sawmill_endpoint *endpoint)
{
	u32 options = READ_ONCE(endpoint->page->options);
	struct sock *sk = endpoint->socket->sk;

	if (likely(options == endpoint->options))
		return;
	endpoint->options = options;
	if (sk->sk_type != SOCK_STREAM || sk->sk_protocol != IPPROTO_TCP)
		return;
	lock_sock(sk);
	__tcp_sock_set_nodelay(sk, options & SAWMILL_SOCKET_OPTION_NODELAY);
	release_sock(sk);
}

static int read_option(struct sock *sk, int level, int name, sockptr_t value,
		      sockptr_t length)
{
	bool is_ipv6 = sk->sk_family == PF_INET6;

	if (sk->sk_family == PF_NETLINK && level != SOL_SOCKET)
		return -ENOPROTOOPT;
	switch (level) {
	case SOL_SOCKET:
		return sk_getsockopt(sk, level, name, value, length);
	case SOL_TCP:
		return sk->sk_type == SOCK_STREAM ?
		       do_tcp_getsockopt(sk, level, name, value, length) :
		       -ENOPROTOOPT;
	case SOL_IP:
		return do_ip_getsockopt(sk, level, name, value, length);
#if IS_ENABLED(CONFIG_IPV6)
	case SOL_IPV6:
		return is_ipv6 ?
		       do_ipv6_getsockopt(sk, level, name, value, length) :
		       -ENOPROTOOPT;
#endif
	default:
		return -ENOPROTOOPT;
	}
}

s64 sawmill_endpoint_getsockopt(struct sawmill_endpoint *endpoint,
				struct sawmill_request *request)
{
	int level = (u32)request->in[1], name = request->in[1] >> 32;
	void *value = read_value(request);
	int length = request->in[2];
	int error;

	if (IS_ERR(value))
		return PTR_ERR(value);
	error = read_option(endpoint->socket->sk, level, name,
			   KERNEL_SOCKPTR(value), KERNEL_SOCKPTR(&length));
	if (!error && length >= 0 && length <= request->in[2]) {
		memcpy(request->page->scratch, value, length);
		request->out[1] = length;
	}
	kfree(value);
	return error;
}
