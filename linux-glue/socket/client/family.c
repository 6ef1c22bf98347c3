// SPDX-License-Identifier: GPL-2.0-only
/*
 * Socket client: the address families and the life of a socket.
 *
 * PF_INET and PF_INET6 are registered as a whole. Of PF_NETLINK only the
 * routing protocol is taken, as its answers describe the server's network;
 * the rest stays with the kernel's own netlink.
 */
#include <linux/capability.h>
#include <linux/in.h>
#include <linux/init.h>
#include <linux/kallsyms.h>
#include <linux/moduleparam.h>
#include <linux/netlink.h>
#include <net/tcp_states.h>
#include "client.h"

/* Linux has locked the socket, perhaps to set SOCK_FASYNC: see sock_fasync(). */
static void lock_released(struct sock *sk)
{
	if (unlikely(sock_flag(sk, SOCK_FASYNC)))
		sawmill_want(&sawmill_sk(sk)->slot.page->client_wants,
			     SAWMILL_SOCKET_WANT_IN | SAWMILL_SOCKET_WANT_OUT);
}

static struct proto sawmill_proto = {
	.name = "SAWMILL",
	.owner = THIS_MODULE,
	.obj_size = sizeof(struct sawmill_sock),
	.release_cb = lock_released,
};

static void detach_slot(struct sawmill_sock *sock)
{
	/* Data that nobody read resets a connection. */
	if (sock->is_made && !sawmill_slot_is_lost(&sock->slot))
		sawmill_slot_simple(&sock->slot, SAWMILL_SOCKET_CLOSE,
				    sawmill_sock_filled(sock) > 0);
	sawmill_area_give(&sock->slot);
}

struct sock *sawmill_sock_new(struct net *net, struct socket *socket,
			      int family, int protocol)
{
	struct sawmill_client *client = sawmill_client_get();
	struct sawmill_sock *sock;
	struct sock *sk;
	u32 size;
	int error;

	if (!client)
		return ERR_PTR(-ENETDOWN);
	sawmill_client_wait_settled(client);
	sk = sk_alloc(net, family, GFP_KERNEL, &sawmill_proto, 0);
	if (!sk)
		return ERR_PTR(-ENOBUFS);
	sock_init_data(socket, sk);
	sk->sk_protocol = protocol;
	sock_set_flag(sk, SOCK_RCU_FREE);
	sock_reset_flag(sk, SOCK_ZAPPED);
	sock = sawmill_sk(sk);
	mutex_init(&sock->transmit_lock);
	mutex_init(&sock->receive_lock);
	sock->slot.sk = sk;
	error = sawmill_area_take(client, &sock->slot, SAWMILL_RING_FIRST,
				  &size);
	if (error) {
		sock_orphan(sk);
		sock_put(sk);
		return ERR_PTR(error);
	}
	sock->transmit.base = (u8 *)client->area + sock->slot.transmit_offset;
	sock->receive.base = (u8 *)client->area + sock->slot.receive_offset;
	sock->transmit.size = size;
	sock->receive.size = size;
	set_bit(SOCK_CUSTOM_SOCKOPT, &socket->flags);
	return sk;
}

/* Fills in the words that CREATE and ACCEPT share: in[2..5]. */
void sawmill_sock_describe(struct sawmill_sock *sock,
			   u64 in[SAWMILL_CALL_WORDS])
{
	in[2] = (u64)sock->slot.first_page << PAGE_SHIFT;
	in[3] = sock->slot.transmit_offset | (u64)sock->transmit.size << 32;
	in[4] = sock->slot.receive_offset | (u64)sock->receive.size << 32;
	in[5] = from_kuid_munged(&init_user_ns, current_fsuid());
}

/* What the server cannot know of the calling program. */
u32 sawmill_sock_rights(const struct sawmill_sock *sock)
{
	return ns_capable(sock_net(&sock->sk)->user_ns, CAP_NET_RAW) ?
	       0 : SAWMILL_SOCKET_WITHOUT_RAW;
}

/* What was sent, and the end, have arrived, or never will. */
static bool has_closed(struct sawmill_sock *sock, u32 unused)
{
	sawmill_sock_refresh(sock);
	return !((1 << sock->sk.sk_state) &
		 (TCPF_FIN_WAIT1 | TCPF_CLOSING | TCPF_LAST_ACK));
}

/*
 * Waits as SO_LINGER says. The server closes without: it has others to serve.
 * Data that nobody read resets the connection, as 0 seconds do.
 */
static void linger(struct socket *socket)
{
	struct sawmill_sock *sock = sawmill_sk(socket->sk);
	struct sock *sk = socket->sk;
	long timeout = sk->sk_lingertime;

	if (likely(!sock_flag(sk, SOCK_LINGER)) || !timeout ||
	    !sawmill_is_stream(sk) || current->flags & PF_EXITING ||
	    sawmill_sock_filled(sock))
		return;
	sawmill_sock_refresh(sock);
	if ((1 << sk->sk_state) & (TCPF_ESTABLISHED | TCPF_CLOSE_WAIT))
		sawmill_socket_shutdown(socket, SHUT_RDWR);
	sawmill_sock_wait(sock, 0, has_closed, 0, &timeout);
}

int sawmill_socket_release(struct socket *socket)
{
	struct sock *sk = socket->sk;

	if (!sk)
		return 0;
	linger(socket);
	detach_slot(sawmill_sk(sk));
	skb_queue_purge(&sk->sk_error_queue);
	sock_orphan(sk);
	socket->sk = NULL;
	sock_put(sk);
	return 0;
}

static const struct proto_ops *operations(int family, int type, int protocol)
{
	switch (type) {
	case SOCK_STREAM:
		return family == PF_NETLINK ? NULL : &sawmill_stream_ops;
	case SOCK_DGRAM:
	case SOCK_RAW:
		return &sawmill_datagram_ops;
	default:
		return NULL;
	}
}

static int create(struct net *net, struct socket *socket, int protocol,
		  int family)
{
	u64 in[SAWMILL_CALL_WORDS], out[SAWMILL_CALL_WORDS];
	struct sawmill_sock *sock;
	struct sock *sk;
	s64 error;

	if (protocol < 0 || protocol > U8_MAX)
		return -EINVAL;
	socket->state = SS_UNCONNECTED;
	socket->ops = operations(family, socket->type, protocol);
	if (!socket->ops)
		return -ESOCKTNOSUPPORT;
	if (socket->type == SOCK_RAW && family != PF_NETLINK &&
	    !ns_capable(net->user_ns, CAP_NET_RAW))
		return -EPERM;
	sk = sawmill_sock_new(net, socket, family, protocol);
	if (IS_ERR(sk))
		return PTR_ERR(sk);
	sock = sawmill_sk(sk);
	in[1] = family | (u64)socket->type << 16 | (u64)protocol << 32;
	if (!ns_capable(net->user_ns, CAP_NET_ADMIN))
		in[1] |= 1ULL << 40;
	sawmill_sock_describe(sock, in);
	mutex_lock(&sock->slot.call_lock);
	error = sawmill_slot_call(&sock->slot, SAWMILL_SOCKET_CREATE, in, out);
	mutex_unlock(&sock->slot.call_lock);
	if (error) {
		sawmill_socket_release(socket);
		return error;
	}
	sock->is_made = true;
	if (!protocol && family != PF_NETLINK)
		sk->sk_protocol = out[1];
	return 0;
}

#define COMMON_OPERATIONS						\
	.owner = THIS_MODULE,						\
	.release = sawmill_socket_release,				\
	.bind = sawmill_socket_bind,					\
	.connect = sawmill_socket_connect,				\
	.socketpair = sock_no_socketpair,				\
	.getname = sawmill_socket_getname,				\
	.poll = sawmill_socket_poll,					\
	.ioctl = sawmill_socket_ioctl,					\
	.gettstamp = sock_gettstamp,					\
	.shutdown = sawmill_socket_shutdown,				\
	.setsockopt = sawmill_socket_setsockopt,			\
	.getsockopt = sawmill_socket_getsockopt,			\
	.mmap = sock_no_mmap,						\
	.sendpage = sock_no_sendpage

const struct proto_ops sawmill_stream_ops = {
	COMMON_OPERATIONS,
	.family = PF_INET,
	.accept = sawmill_socket_accept,
	.listen = sawmill_socket_listen,
	.sendmsg = sawmill_stream_sendmsg,
	.recvmsg = sawmill_stream_recvmsg,
};

const struct proto_ops sawmill_datagram_ops = {
	COMMON_OPERATIONS,
	.family = PF_INET,
	.accept = sock_no_accept,
	.listen = sock_no_listen,
	.sendmsg = sawmill_datagram_sendmsg,
	.recvmsg = sawmill_datagram_recvmsg,
	.set_peek_off = sawmill_datagram_set_peek_offset,
};

/* The families that this client stands in front of, if any. */
static const struct net_proto_family *kernel_inet, *kernel_inet6;
static const struct net_proto_family *kernel_netlink;

static int inet_create(struct net *net, struct socket *socket, int protocol,
		       int kern)
{
	if (kern)
		return kernel_inet ? kernel_inet->create(net, socket, protocol,
							 kern) : -EAFNOSUPPORT;
	return create(net, socket, protocol, PF_INET);
}

static int inet6_create(struct net *net, struct socket *socket, int protocol,
			int kern)
{
	if (kern)
		return kernel_inet6 ? kernel_inet6->create(net, socket,
							   protocol, kern) :
				      -EAFNOSUPPORT;
	return create(net, socket, protocol, PF_INET6);
}

static int netlink_create(struct net *net, struct socket *socket, int protocol,
			  int kern)
{
	if (kern || protocol != NETLINK_ROUTE)
		return kernel_netlink->create(net, socket, protocol, kern);
	return create(net, socket, protocol, PF_NETLINK);
}

static const struct net_proto_family inet_family = {
	.family = PF_INET,
	.create = inet_create,
	.owner = THIS_MODULE,
};

static const struct net_proto_family inet6_family = {
	.family = PF_INET6,
	.create = inet6_create,
	.owner = THIS_MODULE,
};

static const struct net_proto_family netlink_family = {
	.family = PF_NETLINK,
	.create = netlink_create,
	.owner = THIS_MODULE,
};

static int __init take(const struct net_proto_family *family)
{
	sock_unregister(family->family);
	return sock_register(family);
}

#ifdef CONFIG_SAWMILL_SOCKET_TAKEOVER
static bool is_takeover;

static int __init set_takeover(char *unused)
{
	is_takeover = true;
	return 1;
}
__setup("sawmill_takeover", set_takeover);

static bool __init find_families(void)
{
	kernel_inet = (void *)kallsyms_lookup_name("inet_family_ops");
	kernel_inet6 = (void *)kallsyms_lookup_name("inet6_family_ops");
	kernel_netlink = (void *)kallsyms_lookup_name("netlink_family_ops");
	return is_takeover;
}
#else
extern const struct net_proto_family netlink_family_ops;

static bool __init find_families(void)
{
	kernel_netlink = &netlink_family_ops;
	return true;
}
#endif

static int __init family_init(void)
{
	int error;

	if (!find_families() || !sawmill_client_is_wanted())
		return 0;
	error = proto_register(&sawmill_proto, 1);
	if (error)
		return error;
	error = take(&inet_family) ?: take(&inet6_family);
	if (!error && kernel_netlink)
		error = take(&netlink_family);
	if (error)
		pr_err("sawmill: cannot register socket families: %d\n", error);
	return error;
}
late_initcall(family_init);
