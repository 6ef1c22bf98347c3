/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Carrier: what a service and its client need from whatever carries calls.
 *
 * Two carriers exist: linux-glue/ipc (portals of the hypervisor) and the
 * loopback in linux-glue/fbuf (client and server in one kernel, the call is a
 * C function call). A service or client includes this file and nothing else
 * of its carrier; a carrier fills the structures below and calls
 * sawmill_connection_add() for every connection that it knows.
 *
 * A connection is one end of a path between a client and a server. Its
 * control area and its pool are shared with the peer, who is hostile: read
 * once, validate, then use.
 *
 * The registry (find, services) is in linux-glue/fbuf/connection.c; neither
 * carrier needs code for it.
 */
#ifndef _SAWMILL_CARRIER_H
#define _SAWMILL_CARRIER_H

#include <linux/atomic.h>
#include <linux/types.h>
#include <linux/list.h>
#include <linux/compiler.h>

#define SAWMILL_CALL_WORDS	6
#define SAWMILL_NAME_SIZE	32

enum sawmill_role {
	SAWMILL_ROLE_CLIENT,
	SAWMILL_ROLE_SERVER,
};

struct sawmill_connection;
struct sawmill_call;

/* What a carrier does for one connection. */
struct sawmill_carrier {
	/*
	 * Client: calls the peer with six words, returns six words.
	 * Process context, no lock that forbids sleeping is held, any CPU;
	 * the carrier itself disables preemption where it must.
	 *
	 *  0            answered, @out is valid;
	 *  -EINPROGRESS PENDING or TIMEOUT: the completion will arrive in the
	 *               control area, followed by ->event if we asked for it;
	 *  -EPIPE       the peer is dead; nothing more will arrive.
	 *
	 * Any other error means that the peer has not seen the call.
	 */
	int (*call)(struct sawmill_connection *connection,
		    const u64 in[SAWMILL_CALL_WORDS],
		    u64 out[SAWMILL_CALL_WORDS]);

	/*
	 * Client, optional: connects a dead connection with the server that
	 * was started in place of the dead one; nobody is in ->call. The
	 * control area and the pool keep their contents.
	 *
	 *  0        the connection lives again;
	 *  -EAGAIN  the server is on its way: ask again;
	 *  -EPIPE   there will be none.
	 */
	int (*revive)(struct sawmill_connection *connection);

	/* Either role: raises the peer's event. Any context, never sleeps. */
	void (*signal)(struct sawmill_connection *connection);

	/*
	 * Server: answers @call now. Returns true if the words reached the
	 * caller as the call's result, false if it was answered PENDING (or
	 * timed out) before: the service then has to write a completion into
	 * the control area and to signal. Called once per call, by the task
	 * that runs the handler or by another one. Frees nothing: a carrier
	 * takes @call back when this returns AND the handler has returned.
	 */
	bool (*reply)(struct sawmill_call *call,
		      const u64 words[SAWMILL_CALL_WORDS]);
};

/*
 * One end of a connection. The carrier fills the first part before
 * sawmill_connection_add() and never changes it afterwards.
 */
struct sawmill_connection {
	char name[SAWMILL_NAME_SIZE];	/* service name, e.g. "root" */
	enum sawmill_role role;
	u64 badge;			/* server: who the client is */
	void *control;			/* mapped, zeroed by root, page aligned */
	size_t control_size;
	phys_addr_t pool_base;		/* as this partition sees it; 0 = none */
	size_t pool_size;
	const struct sawmill_carrier *carrier;
	void *carrier_private;
	atomic_t holders;		/* threads of the carrier that use it */

	/* Owned by the registry and by the user of the connection. */
	struct list_head node;
	bool is_dead;			/* see sawmill_connection_dead() */
	bool is_attached;		/* server: ->attach has succeeded */
	const struct sawmill_service *service;
	void *user;			/* state of the client or of the service */

	/*
	 * Called by the carrier when the peer's event arrives and when the
	 * peer has died. Any context including hard interrupt; may be
	 * spurious. Set by the user of the connection; NULL before.
	 */
	void (*event)(struct sawmill_connection *connection);
};

/*
 * A call as the server sees it; embedded in the carrier's own structure.
 * @in is the carrier's private copy: it does not change under the handler.
 */
struct sawmill_call {
	struct sawmill_connection *connection;
	u64 in[SAWMILL_CALL_WORDS];
};

/* A service: registered once, at initcall time or later, never removed. */
struct sawmill_service {
	const char *name;
	/* Process context, may sleep: both before any / after every call. */
	int (*attach)(struct sawmill_connection *connection);
	void (*detach)(struct sawmill_connection *connection);
	/*
	 * Process context in a kthread of the carrier bound to a CPU; may
	 * sleep (the carrier answers PENDING for it). Calls of one connection
	 * run concurrently, one per thread. Must end in exactly one
	 * sawmill_call_reply().
	 */
	void (*handle)(struct sawmill_call *call);
	/*
	 * Optional; lets the carrier send an answer together with the wait for
	 * the next call. Called by the task that ran the handler if an answer
	 * that was said to have reached the caller did not: the service
	 * completes through the control area, as if told so at once.
	 */
	void (*late)(struct sawmill_call *call,
		     const u64 words[SAWMILL_CALL_WORDS]);
	struct list_head node;
};

/* ---- for clients and services ---- */

struct sawmill_connection *sawmill_connection_find(const char *name,
						   enum sawmill_role role);
void sawmill_service_register(struct sawmill_service *service);

static inline int
sawmill_connection_call(struct sawmill_connection *connection,
			const u64 in[SAWMILL_CALL_WORDS],
			u64 out[SAWMILL_CALL_WORDS])
{
	return connection->carrier->call(connection, in, out);
}

static inline void
sawmill_connection_signal(struct sawmill_connection *connection)
{
	connection->carrier->signal(connection);
}

static inline int sawmill_connection_revive(struct sawmill_connection *connection)
{
	if (!connection->carrier->revive)
		return -EPIPE;
	return connection->carrier->revive(connection);
}

/* Returns true if the answer went out with the call, false if it is late. */
static inline bool sawmill_call_reply(struct sawmill_call *call,
				      const u64 words[SAWMILL_CALL_WORDS])
{
	return call->connection->carrier->reply(call, words);
}

static inline bool
sawmill_connection_is_dead(const struct sawmill_connection *connection)
{
	return READ_ONCE(connection->is_dead);
}

/* ---- for carriers ---- */

/*
 * Makes a filled connection known; process context. In the server role the
 * registry attaches it to its service now or when the service registers.
 */
void sawmill_connection_add(struct sawmill_connection *connection);

/*
 * The peer is gone: marks the connection dead and calls ->event. Any context.
 * The carrier fails all later calls with -EPIPE itself.
 */
void sawmill_connection_dead(struct sawmill_connection *connection);

/*
 * Server: detaches a dead connection after its last handler has returned.
 * Process context. The structure may be freed or filled again afterwards.
 */
void sawmill_connection_remove(struct sawmill_connection *connection);

/*
 * Server: hands a call to its service. Returns false (and has done nothing)
 * if no service is attached: the carrier answers with an error.
 */
static inline bool sawmill_call_dispatch(struct sawmill_call *call)
{
	struct sawmill_connection *connection = call->connection;

	if (unlikely(!READ_ONCE(connection->is_attached)))
		return false;
	connection->service->handle(call);
	return true;
}

#endif /* _SAWMILL_CARRIER_H */
