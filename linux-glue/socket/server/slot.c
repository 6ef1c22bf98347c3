// SPDX-License-Identifier: GPL-2.0-only
/*
 * Socket server: a client's sockets, from CREATE or ACCEPT to CLOSE.
 *
 * The client says where a slot's page and rings lie; the server checks that
 * they are inside its area and keeps its own copy. Slots that overlap hurt
 * only the client that made them so.
 */
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/netlink.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <net/net_namespace.h>
#include "server.h"

/* No new sockets when the partition has less memory than this. */
#define RESERVE_PAGES	(2 * 1024 * 1024 / PAGE_SIZE)

static unsigned int socket_limit = SAWMILL_SOCKET_SLOTS;
#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "sawmill."
module_param(socket_limit, uint, 0644);

static bool is_inside(struct sawmill_server *server, u64 offset, u64 size)
{
	u64 end = server->connection->control_size;

	return PAGE_ALIGNED(offset) && offset >= PAGE_SIZE && offset < end &&
	       size <= end - offset;
}

struct sawmill_socket_page *sawmill_server_page(struct sawmill_server *server,
						u64 offset)
{
	if (!is_inside(server, offset, PAGE_SIZE))
		return NULL;
	return server->connection->control + offset;
}

static bool decode_ring(struct sawmill_server *server, u64 word,
			struct sawmill_ring *ring)
{
	u32 offset = word, size = word >> 32;

	if (!is_power_of_2(size) || size < SAWMILL_SOCKET_RING_MIN ||
	    size > SAWMILL_SOCKET_RING_MAX || !is_inside(server, offset, size))
		return false;
	ring->base = server->connection->control + offset;
	ring->size = size;
	ring->index = 0;
	return true;
}

struct sawmill_endpoint *sawmill_endpoint_get(struct sawmill_server *server,
					      u32 number)
{
	struct sawmill_endpoint *endpoint;

	spin_lock_bh(&server->lock);
	endpoint = server->endpoints[number];
	if (endpoint)
		kref_get(&endpoint->references);
	spin_unlock_bh(&server->lock);
	return endpoint;
}

static void endpoint_free(struct kref *references)
{
	kfree(container_of(references, struct sawmill_endpoint, references));
}

void sawmill_endpoint_put(struct sawmill_endpoint *endpoint)
{
	kref_put(&endpoint->references, endpoint_free);
}

/* Lets the pump look at @endpoint; any context but hard interrupt. */
void sawmill_endpoint_queue(struct sawmill_endpoint *endpoint)
{
	struct sawmill_server *server = endpoint->server;
	bool is_new;

	spin_lock_bh(&server->lock);
	is_new = !endpoint->is_queued;
	if (is_new) {
		endpoint->is_queued = true;
		kref_get(&endpoint->references);
		list_add_tail(&endpoint->node, &server->queue);
		/* A handler that serves the queue looks again. */
		is_new = !server->in_calls;
	}
	spin_unlock_bh(&server->lock);
	if (is_new)
		wake_up_process(server->pump);
}

/* ---- what Linux tells about a socket: softirq or process context ---- */

static void queue_owner(struct sock *sk)
{
	struct sawmill_endpoint *endpoint;

	rcu_read_lock();
	read_lock_bh(&sk->sk_callback_lock);
	endpoint = rcu_dereference_sk_user_data(sk);
	if (endpoint)
		sawmill_endpoint_queue(endpoint);
	read_unlock_bh(&sk->sk_callback_lock);
	rcu_read_unlock();
}

static void data_ready(struct sock *sk)
{
	struct sawmill_endpoint *endpoint;

	rcu_read_lock();
	read_lock_bh(&sk->sk_callback_lock);
	endpoint = rcu_dereference_sk_user_data(sk);
	if (endpoint)
		sawmill_endpoint_arrived(endpoint);
	read_unlock_bh(&sk->sk_callback_lock);
	rcu_read_unlock();
}

/* Datagrams call this for each buffer that is freed. */
static void write_space(struct sock *sk)
{
	struct socket *socket = sk->sk_socket;

	if (!socket || !test_bit(SOCK_NOSPACE, &socket->flags) ||
	    (sk->sk_type == SOCK_STREAM && !sk_stream_is_writeable(sk)))
		return;
	clear_bit(SOCK_NOSPACE, &socket->flags);
	queue_owner(sk);
}

static void attach_callbacks(struct sawmill_endpoint *endpoint)
{
	struct sock *sk = endpoint->socket->sk;

	write_lock_bh(&sk->sk_callback_lock);
	/* Connections that wait for accept do not inherit it. */
	__rcu_assign_sk_user_data_with_flags(sk, endpoint, SK_USER_DATA_NOCOPY);
	sk->sk_data_ready = data_ready;
	sk->sk_state_change = queue_owner;
	sk->sk_error_report = queue_owner;
	sk->sk_write_space = write_space;
	write_unlock_bh(&sk->sk_callback_lock);
}

static void detach_callbacks(struct sock *sk)
{
	write_lock_bh(&sk->sk_callback_lock);
	rcu_assign_sk_user_data(sk, NULL);
	write_unlock_bh(&sk->sk_callback_lock);
}

/* ---- making ---- */

static struct sawmill_endpoint *endpoint_new(struct sawmill_server *server,
					     const u64 *place)
{
	struct sawmill_endpoint *endpoint;

	if (si_mem_available() < (long)RESERVE_PAGES)
		return ERR_PTR(-ENOBUFS);
	endpoint = kzalloc(sizeof(*endpoint), GFP_KERNEL);
	if (!endpoint)
		return ERR_PTR(-ENOBUFS);
	kref_init(&endpoint->references);
	mutex_init(&endpoint->lock);
	endpoint->server = server;
	endpoint->page = sawmill_server_page(server, place[0]);
	if (!endpoint->page ||
	    !decode_ring(server, place[1], &endpoint->transmit) ||
	    !decode_ring(server, place[2], &endpoint->receive)) {
		kfree(endpoint);
		return ERR_PTR(-EINVAL);
	}
	return endpoint;
}

/* Enters @endpoint under @number; takes over the caller's reference. */
static int endpoint_enter(struct sawmill_endpoint *endpoint, u32 number)
{
	struct sawmill_server *server = endpoint->server;
	int error = 0;

	if (!number || number >= SAWMILL_SOCKET_SLOTS)
		return -EINVAL;
	endpoint->number = number;
	spin_lock_bh(&server->lock);
	if (server->endpoints[number])
		error = -EEXIST;
	else if (server->count >= READ_ONCE(socket_limit))
		error = -EMFILE;
	if (!error) {
		server->endpoints[number] = endpoint;
		server->count++;
	}
	spin_unlock_bh(&server->lock);
	return error;
}

/* Whose it is decides who may share its port, and is in /proc/net. */
static void set_owner(struct socket *socket, u64 user)
{
	kuid_t uid = make_kuid(&init_user_ns, (u32)user);

	if (!uid_valid(uid))
		return;
	SOCK_INODE(socket)->i_uid = uid;
	socket->sk->sk_uid = uid;
}

static int open_socket(struct sawmill_endpoint *endpoint, u64 what)
{
	int family = what & 0xffff, type = what >> 16 & 0xffff;
	int protocol = what >> 32 & 0xff;
	bool is_plain = what >> 40 & 1;
	struct sawmill_server *server = endpoint->server;
	const struct cred *old;
	struct socket *socket;
	struct file *file;
	int error;

	if (family != PF_INET && family != PF_INET6 &&
	    !(family == PF_NETLINK && protocol == NETLINK_ROUTE))
		return -EAFNOSUPPORT;
	if (type != SOCK_STREAM && type != SOCK_DGRAM && type != SOCK_RAW)
		return -ESOCKTNOSUPPORT;
	error = sock_create(family, type, protocol, &socket);
	if (error)
		return error;
	if (family == PF_NETLINK) {
		/* Netlink looks at the rights of the file's opener. */
		old = override_creds(is_plain ? server->plain_cred :
						server->cred);
		file = sock_alloc_file(socket, O_RDWR | O_NONBLOCK, NULL);
		revert_creds(old);
		if (IS_ERR(file))
			return PTR_ERR(file);
		endpoint->file = file;
	}
	endpoint->socket = socket;
	endpoint->is_stream = type == SOCK_STREAM;
	return 0;
}

static void close_socket(struct sawmill_endpoint *endpoint)
{
	if (endpoint->file)
		fput(endpoint->file);
	else
		sock_release(endpoint->socket);
	endpoint->socket = NULL;
	endpoint->file = NULL;
}

s64 sawmill_endpoint_create(struct sawmill_request *request)
{
	struct sawmill_endpoint *endpoint =
		endpoint_new(request->server, &request->in[2]);
	int error;

	if (IS_ERR(endpoint))
		return PTR_ERR(endpoint);
	error = open_socket(endpoint, request->in[1]);
	if (error) {
		sawmill_endpoint_put(endpoint);
		return error;
	}
	set_owner(endpoint->socket, request->in[5]);
	request->out[1] = endpoint->socket->sk->sk_protocol;
	mutex_lock(&endpoint->lock);
	error = endpoint_enter(endpoint, request->slot);
	if (error) {
		close_socket(endpoint);
	} else {
		attach_callbacks(endpoint);
		sawmill_endpoint_publish(endpoint, 0);
	}
	mutex_unlock(&endpoint->lock);
	if (error)
		sawmill_endpoint_put(endpoint);
	return error;
}

/* The peer's address goes into the new slot's scratch. */
static void tell_peer(struct sawmill_endpoint *endpoint,
		      struct sawmill_request *request)
{
	struct sockaddr_storage peer;
	int length = kernel_getpeername(endpoint->socket,
					(struct sockaddr *)&peer);

	if (length <= 0)
		return;
	memcpy(endpoint->page->scratch, &peer, length);
	request->out[1] = length;
}

s64 sawmill_endpoint_accept(struct sawmill_endpoint *listener,
			    struct sawmill_request *request)
{
	struct sawmill_endpoint *endpoint;
	int error;

	if (!listener->is_stream)
		return -EOPNOTSUPP;
	endpoint = endpoint_new(request->server, &request->in[2]);
	if (IS_ERR(endpoint))
		return PTR_ERR(endpoint);
	error = kernel_accept(listener->socket, &endpoint->socket, O_NONBLOCK);
	sawmill_endpoint_publish(listener, 0);
	if (error) {
		sawmill_endpoint_put(endpoint);
		return error;
	}
	endpoint->is_stream = true;
	set_owner(endpoint->socket, request->in[5]);
	mutex_lock_nested(&endpoint->lock, SINGLE_DEPTH_NESTING);
	error = endpoint_enter(endpoint, min_t(u64, request->in[1], U32_MAX));
	if (error) {
		close_socket(endpoint);
	} else {
		tell_peer(endpoint, request);
		attach_callbacks(endpoint);
		/* What came before the callbacks. */
		sawmill_endpoint_pump(endpoint);
	}
	mutex_unlock(&endpoint->lock);
	if (error)
		sawmill_endpoint_put(endpoint);
	return error;
}

/* The client has a better place for a ring that is empty. */
s64 sawmill_endpoint_resize(struct sawmill_endpoint *endpoint,
			    struct sawmill_request *request)
{
	bool is_receive = request->in[1] & 1;
	struct sawmill_ring *ring = is_receive ? &endpoint->receive :
						 &endpoint->transmit;
	struct sawmill_socket_page *page = endpoint->page;
	struct sawmill_ring larger;
	bool is_empty;
	u32 peer;

	if (!decode_ring(endpoint->server, request->in[2], &larger))
		return -EINVAL;
	if (!is_receive && endpoint->is_stream)
		sawmill_endpoint_pump(endpoint);
	peer = is_receive ? READ_ONCE(page->receive_tail) :
			    READ_ONCE(page->transmit_head);
	/* What arrives meanwhile goes into one ring or the other. */
	if (is_receive)
		sawmill_receive_begin(endpoint);
	is_empty = peer == ring->index;
	if (is_empty) {
		larger.index = ring->index;
		*ring = larger;
	}
	if (is_receive)
		sawmill_receive_end(endpoint);
	if (is_empty && is_receive)
		sawmill_endpoint_pump(endpoint);
	return is_empty ? 0 : -EBUSY;
}

/* ---- closing ---- */

/* Hands the ring's rest to TCP, whatever its buffer says. */
static void flush_stream(struct sawmill_endpoint *endpoint)
{
	struct sock *sk = endpoint->socket->sk;

	lock_sock(sk);
	WRITE_ONCE(sk->sk_sndbuf, max_t(int, sk->sk_sndbuf,
			sk->sk_wmem_queued + 4 * endpoint->transmit.size));
	release_sock(sk);
	sawmill_stream_send(endpoint);
}

/*
 * Ends @endpoint; the caller holds its lock and a reference. A client that
 * has left data unread resets the connection, as a program does.
 */
void sawmill_endpoint_close(struct sawmill_endpoint *endpoint, bool is_unread)
{
	struct sawmill_server *server = endpoint->server;
	struct sock *sk;
	int ignored;

	if (!endpoint->socket)
		return;
	sk = endpoint->socket->sk;
	if (endpoint->is_stream && is_unread)
		sock_no_linger(sk);
	else if (endpoint->is_stream)
		flush_stream(endpoint);
	else
		sawmill_record_send(endpoint, &ignored);
	/* Nobody here waits for a peer: what lingers does so without us. */
	if (sk->sk_lingertime)
		sock_reset_flag(sk, SOCK_LINGER);
	detach_callbacks(sk);
	sawmill_receive_begin(endpoint);
	close_socket(endpoint);
	sawmill_receive_end(endpoint);

	spin_lock_bh(&server->lock);
	server->endpoints[endpoint->number] = NULL;
	server->count--;
	spin_unlock_bh(&server->lock);
	sawmill_endpoint_put(endpoint);
}
