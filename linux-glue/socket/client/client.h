/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Socket client: structures shared by its files.
 *
 * Locks, outermost first: receive_lock or transmit_lock (never both at once),
 * then call_lock of a slot, then client->lock (spinlock).
 * The event path takes none of them.
 */
#ifndef _SAWMILL_SOCKET_CLIENT_H
#define _SAWMILL_SOCKET_CLIENT_H

#include <linux/mutex.h>
#include <linux/net.h>
#include <linux/percpu-rwsem.h>
#include <linux/timer.h>
#include <linux/wait.h>
#include <net/sock.h>
#include <sawmill/carrier.h>
#include <sawmill/socket.h>
#include <sawmill/socket_ring.h>

struct sawmill_client;

/* A slot and its memory in the area. */
struct sawmill_slot {
	struct sawmill_client *client;
	struct sock *sk;		/* NULL for the client's own slot */
	struct sawmill_socket_page *page;
	u32 number;
	u32 first_page;
	u32 page_count;
	u32 transmit_offset;
	u32 receive_offset;
	u32 larger_first[2];		/* pages of rings that have grown: */
	u32 larger_count[2];		/* transmit, receive; 0 = none */
	u32 generation;			/* of the server that knows it */
	u32 sequence;			/* of the last call; call_lock */
	bool is_given_up;		/* a call may still be answered */
	struct mutex call_lock;		/* one call, and scratch */
	wait_queue_head_t call_wait;
};

struct sawmill_sock {
	struct sock sk;			/* first */
	struct sawmill_slot slot;
	struct mutex transmit_lock;
	struct mutex receive_lock;
	struct sawmill_ring transmit;	/* index: head; transmit_lock */
	struct sawmill_ring receive;	/* index: tail; receive_lock */
	u32 error_seen;
	u32 is_lost;			/* the server is gone, told once */
	bool is_made;			/* a server has known the slot */
	bool was_connected;
	u8 peer_length;			/* 0 = not known here */
	u8 sent_length;			/* transmit_lock */
	bool has_sent;			/* to the connected peer, by a call */
	struct sockaddr_storage peer;
	struct sockaddr_storage sent;	/* last destination that worked */
};

struct sawmill_client {
	struct sawmill_connection *connection;
	struct sawmill_socket_area *area;
	u64 rights;
	/*
	 * Counts the servers. Their sockets die with them: a slot of an
	 * earlier generation is lost, whatever its page says.
	 */
	u32 generation;
	bool has_server;		/* HELLO was answered */
	bool has_waited;		/* for is_settled, once for all */
	wait_queue_head_t settled_wait;
	struct timer_list look_again;	/* into the mailbox */
	struct percpu_rw_semaphore calls;	/* read: in a call */
	spinlock_t lock;		/* the two bitmaps and free_pages */
	u32 pages;
	u32 free_pages;
	unsigned long *memory;
	DECLARE_BITMAP(numbers, SAWMILL_SOCKET_SLOTS);
	struct sawmill_slot __rcu *slots[SAWMILL_SOCKET_SLOTS];
	struct sawmill_slot own;	/* slot 0: calls about no socket */
};

/* The server that knew the slot is gone. */
static inline bool sawmill_slot_is_lost(const struct sawmill_slot *slot)
{
	return slot->generation != READ_ONCE(slot->client->generation) ||
	       sawmill_connection_is_dead(slot->client->connection);
}

static inline struct sawmill_sock *sawmill_sk(struct sock *sk)
{
	return (struct sawmill_sock *)sk;
}

/* Rings begin small and grow when they are found too small. */
#define SAWMILL_RING_FIRST	(8 * 1024)
#define SAWMILL_RING_LARGE	(64 * 1024)
#define SAWMILL_RING_DATAGRAM	(128 * 1024)	/* the largest datagram fits */

static inline bool sawmill_is_stream(const struct sock *sk)
{
	return sk->sk_type == SOCK_STREAM;
}

/* client.c: the connection */
bool sawmill_client_is_wanted(void);
struct sawmill_client *sawmill_client_get(void);
void sawmill_client_wait_settled(struct sawmill_client *client);
s64 sawmill_slot_call(struct sawmill_slot *slot,
		      enum sawmill_socket_operation operation,
		      u64 in[SAWMILL_CALL_WORDS], u64 out[SAWMILL_CALL_WORDS]);
bool sawmill_client_serve(struct sawmill_client *client);
s64 sawmill_slot_simple(struct sawmill_slot *slot,
			enum sawmill_socket_operation operation, u64 argument);

/* defer.c: signals */
void sawmill_slot_post(struct sawmill_slot *slot);
bool sawmill_have_served(void);

/* area.c: memory */
int sawmill_area_init(struct sawmill_client *client);
int sawmill_area_take(struct sawmill_client *client, struct sawmill_slot *slot,
		      u32 ring_size, u32 *size);
void sawmill_area_give(struct sawmill_slot *slot);
bool sawmill_area_grow(struct sawmill_sock *sock, bool is_receive, u32 size);
int sawmill_area_take_pages(struct sawmill_client *client, u32 count);
void sawmill_area_give_pages(struct sawmill_client *client, u32 first,
			     u32 count);

/* family.c: making and releasing sockets */
struct sock *sawmill_sock_new(struct net *net, struct socket *sock,
			      int family, int protocol);
void sawmill_sock_describe(struct sawmill_sock *sock,
			   u64 in[SAWMILL_CALL_WORDS]);
u32 sawmill_sock_rights(const struct sawmill_sock *sock);
int sawmill_socket_release(struct socket *sock);
extern const struct proto_ops sawmill_stream_ops;
extern const struct proto_ops sawmill_datagram_ops;

/* names.c */
int sawmill_socket_bind(struct socket *sock, struct sockaddr *address,
			int length);
int sawmill_socket_connect(struct socket *sock, struct sockaddr *address,
			   int length, int flags);
int sawmill_socket_getname(struct socket *sock, struct sockaddr *address,
			   int peer);
int sawmill_socket_shutdown(struct socket *sock, int how);

/* accept.c */
int sawmill_socket_listen(struct socket *sock, int backlog);
int sawmill_socket_accept(struct socket *sock, struct socket *newsock,
			  int flags, bool kern);

/* wait.c: state, readiness, sleeping */
void sawmill_sock_refresh(struct sawmill_sock *sock);
void sawmill_sock_event(struct sawmill_sock *sock);
u32 sawmill_sock_state(struct sawmill_sock *sock);
s64 sawmill_sock_room(struct sawmill_sock *sock);
s64 sawmill_sock_filled(struct sawmill_sock *sock);
void sawmill_sock_consume(struct sawmill_sock *sock, u32 length);
void sawmill_sock_ask_for_more(struct sawmill_sock *sock);
__poll_t sawmill_socket_poll(struct file *file, struct socket *sock,
			     poll_table *wait);
int sawmill_sock_wait(struct sawmill_sock *sock, u32 wants,
		      bool (*is_ready)(struct sawmill_sock *sock, u32 argument),
		      u32 argument, long *timeout);
bool sawmill_has_room(struct sawmill_sock *sock, u32 argument);
bool sawmill_has_input(struct sawmill_sock *sock, u32 argument);
bool sawmill_is_settled(struct sawmill_sock *sock, u32 argument);

/* stream.c, datagram.c */
int sawmill_stream_sendmsg(struct socket *sock, struct msghdr *message,
			   size_t length);
int sawmill_stream_recvmsg(struct socket *sock, struct msghdr *message,
			   size_t length, int flags);
int sawmill_datagram_sendmsg(struct socket *sock, struct msghdr *message,
			     size_t length);
int sawmill_datagram_recvmsg(struct socket *sock, struct msghdr *message,
			     size_t length, int flags);
void sawmill_pass_control(struct msghdr *message, void *control, u32 length);
int sawmill_record_next(struct sawmill_sock *sock, u32 passed,
			struct sawmill_socket_record *record);
int sawmill_datagram_set_peek_offset(struct sock *sk, int offset);

/* options.c */
int sawmill_socket_setsockopt(struct socket *sock, int level, int name,
			      sockptr_t value, unsigned int length);
int sawmill_socket_getsockopt(struct socket *sock, int level, int name,
			      char __user *value, int __user *length);

/* requests.c: ioctl, urgent data, error queue */
int sawmill_socket_ioctl(struct socket *sock, unsigned int command,
			 unsigned long argument);
int sawmill_send_urgent(struct sawmill_sock *sock, struct msghdr *message,
			size_t length);
int sawmill_zerocopy_begin(struct sock *sk, int flags, size_t length,
			   struct ubuf_info **notice);
static inline void sawmill_zerocopy_end(struct ubuf_info *notice, bool is_sent)
{
	if (likely(!notice))
		return;
	if (is_sent)
		net_zcopy_put(notice);
	else
		net_zcopy_put_abort(notice, true);
}

int sawmill_receive_special(struct sawmill_sock *sock, struct msghdr *message,
			    size_t length, int flags);

#endif /* _SAWMILL_SOCKET_CLIENT_H */
