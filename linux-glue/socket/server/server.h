/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Socket server: structures shared by its files.
 *
 * Locks, outermost first: endpoint->lock (mutex; handlers and the pump), then
 * the endpoint's receive ring (a bit, see arrival.c), then the kernel's socket
 * locks, then sk_callback_lock, then server->lock (spinlock, taken in softirq).
 */
#ifndef _SAWMILL_SOCKET_SERVER_H
#define _SAWMILL_SOCKET_SERVER_H

#include <linux/interrupt.h>
#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/net.h>
#include <net/sock.h>
#include <sawmill/carrier.h>
#include <sawmill/socket.h>
#include <sawmill/socket_ring.h>

struct sawmill_server {
	struct list_head node;		/* in service.c's list */
	struct sawmill_connection *connection;
	struct sawmill_socket_area *area;
	u64 rights;
	const struct cred *cred;	/* what this client may do */
	const struct cred *plain_cred;	/* the same without configuring */
	const struct cred *bare_cred;	/* and without CAP_NET_RAW */
	struct sawmill_socket_page *own_page;	/* of slot 0 */
	struct task_struct *pump;
	struct tasklet_struct arrival;	/* receives what softirq brings */
	spinlock_t lock;		/* all that follows */
	struct list_head queue;		/* endpoints with something to do */
	struct list_head arrived;	/* endpoints with something to receive */
	u32 in_calls;			/* handlers that serve the queue */
	u32 count;
	struct sawmill_endpoint *endpoints[SAWMILL_SOCKET_SLOTS];
};

/* A client's socket. Its fields are guarded by lock, if nothing is said. */
struct sawmill_endpoint {
	struct kref references;
	struct sawmill_server *server;
	u32 number;
	struct mutex lock;
	struct socket *socket;		/* NULL after the close */
	struct file *file;		/* netlink: whose rights count */
	struct sawmill_socket_page *page;
	struct sawmill_ring transmit;	/* index: tail */
	/* Index: head. Guarded by the bit in receiving, as are the closing
	 * and the replacing of the ring.
	 */
	struct sawmill_ring receive;
	unsigned long receiving;
	int arrival_error;		/* xchg; for the pump to tell */
	bool is_stream;
	bool is_broken;			/* the client wrote nonsense */
	bool has_ended;			/* no more data will come */
	bool has_mark;
	bool has_urgent;
	bool is_too_small;		/* receive ring, for the next datagram */
	u8 urgent;			/* the urgent byte */
	u32 state;			/* as last published */
	u32 options;			/* of the client, as last applied */
	u32 error_count;
	struct list_head node;		/* in server->queue; server->lock */
	struct list_head arrived_node;	/* in server->arrived; server->lock */
	bool is_queued;			/* server->lock */
	bool has_arrived;		/* server->lock */
};

/* One call, taken apart. */
struct sawmill_request {
	struct sawmill_server *server;
	u32 operation;
	u32 slot;
	u32 sequence;
	u64 in[SAWMILL_CALL_WORDS];
	u64 out[SAWMILL_CALL_WORDS];
	struct sawmill_socket_page *page;	/* for scratch and a late answer */
};

/* slot.c: endpoints */
struct sawmill_endpoint *sawmill_endpoint_get(struct sawmill_server *server,
					      u32 number);
void sawmill_endpoint_put(struct sawmill_endpoint *endpoint);
void sawmill_endpoint_queue(struct sawmill_endpoint *endpoint);
s64 sawmill_endpoint_create(struct sawmill_request *request);
s64 sawmill_endpoint_accept(struct sawmill_endpoint *listener,
			    struct sawmill_request *request);
s64 sawmill_endpoint_resize(struct sawmill_endpoint *endpoint,
			    struct sawmill_request *request);
void sawmill_endpoint_close(struct sawmill_endpoint *endpoint, bool is_unread);
struct sawmill_socket_page *sawmill_server_page(struct sawmill_server *server,
						u64 offset);

/* pump.c: moving data */
void sawmill_endpoint_pump(struct sawmill_endpoint *endpoint);
void sawmill_endpoint_break(struct sawmill_endpoint *endpoint);
void sawmill_endpoint_publish(struct sawmill_endpoint *endpoint, u32 bits);
void sawmill_endpoint_error(struct sawmill_endpoint *endpoint, int error);
void sawmill_server_flush(struct sawmill_server *server);
void sawmill_server_serve(struct sawmill_server *server);
void sawmill_queue_drop(struct sawmill_server *server);
int sawmill_pump_thread(void *server);

/* arrival.c: receiving in softirq */
void sawmill_endpoint_arrived(struct sawmill_endpoint *endpoint);
void sawmill_arrival(struct tasklet_struct *tasklet);
void sawmill_arrival_drop(struct sawmill_server *server);
void sawmill_receive_begin(struct sawmill_endpoint *endpoint);
void sawmill_receive_end(struct sawmill_endpoint *endpoint);

/* stream.c, record.c; each returns WANT bits of what the client may want */
u32 sawmill_stream_send(struct sawmill_endpoint *endpoint);
u32 sawmill_stream_receive(struct sawmill_endpoint *endpoint);
u32 sawmill_record_send(struct sawmill_endpoint *endpoint, int *result);
u32 sawmill_record_receive(struct sawmill_endpoint *endpoint, int *error);
#define SAWMILL_RING_BROKEN	(-EBADFD)	/* no error of a socket */

/* names.c */
s64 sawmill_endpoint_bind(struct sawmill_endpoint *endpoint,
			  struct sawmill_request *request);
s64 sawmill_endpoint_connect(struct sawmill_endpoint *endpoint,
			     struct sawmill_request *request);
s64 sawmill_endpoint_listen(struct sawmill_endpoint *endpoint,
			    struct sawmill_request *request);
s64 sawmill_endpoint_shutdown(struct sawmill_endpoint *endpoint,
			      struct sawmill_request *request);
s64 sawmill_endpoint_getname(struct sawmill_endpoint *endpoint,
			     struct sawmill_request *request);

/* options.c */
s64 sawmill_endpoint_setsockopt(struct sawmill_endpoint *endpoint,
				struct sawmill_request *request);
s64 sawmill_endpoint_getsockopt(struct sawmill_endpoint *endpoint,
				struct sawmill_request *request);

void sawmill_endpoint_apply_options(struct sawmill_endpoint *endpoint);

/* requests.c */
s64 sawmill_endpoint_ioctl(struct sawmill_endpoint *endpoint,
			   struct sawmill_request *request);
s64 sawmill_endpoint_send_urgent(struct sawmill_endpoint *endpoint,
				 struct sawmill_request *request);
s64 sawmill_endpoint_receive_special(struct sawmill_endpoint *endpoint,
				     struct sawmill_request *request);
s64 sawmill_server_ioctl(struct sawmill_request *request);
s64 sawmill_server_read_file(struct sawmill_request *request);

/* service.c: tells all clients that addresses are as they will be. */
void sawmill_network_settled(void);

#endif /* _SAWMILL_SOCKET_SERVER_H */
