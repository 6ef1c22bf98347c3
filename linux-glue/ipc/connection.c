// SPDX-License-Identifier: GPL-2.0-only
/*
 * Connections: the ends of paths that root lists in the information page,
 * carried by portals and events.
 *
 * A call is one VMCALL; from here it looks like a long instruction, so it
 * needs no lock and does not mind preemption. Client ends are known before
 * the first mount, server ends when the devices are there (server.c).
 */
#include <linux/errno.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/workqueue.h>

#include "ipc.h"

/* By index in the information page; NULL until it is added. */
static struct sawmill_connection *connections[HV_CONNECTIONS_MAX];

/* Deaths of the other end before this end came to be. */
static u64 earlier_deaths[HV_CONNECTIONS_MAX];

/* Ends whose client has died and been let go of, until root has a new one. */
static struct sawmill_connection *vacant[HV_CONNECTIONS_MAX];

/* Takes server ends away whose client died, and adds those of new ones. */
static void look_at_clients(struct work_struct *work);
static DECLARE_DELAYED_WORK(removal, look_at_clients);
#define REMOVAL_RETRY	msecs_to_jiffies(20)
#define NO_BADGE	(~0ULL)

static const struct hv_connection *
info_of(const struct sawmill_connection *connection)
{
	return connection->carrier_private;
}

static int portal_call(struct sawmill_connection *connection,
		       const u64 in[SAWMILL_CALL_WORDS],
		       u64 out[SAWMILL_CALL_WORDS])
{
	u64 selector = info_of(connection)->portal_selector;
	u64 words[HV_WORDS];
	u64 status;

	if (sawmill_connection_is_dead(connection))
		return -EPIPE;
	memcpy(words, in, sizeof(words));
	status = hv_ipc(HV_PORTAL_CALL, &selector, words);
	switch (status) {
	case HV_STATUS_OK:
		memcpy(out, words, sizeof(words));
		return 0;
	case HV_STATUS_PENDING:
		return -EINPROGRESS;
	case HV_STATUS_TIMEOUT:
		/* The value tells whether the server had taken the call. */
		return selector ? -EINPROGRESS : -EAGAIN;
	case HV_STATUS_PEER_DEAD:
	case HV_STATUS_BAD_SELECTOR:
		/* Root takes the portal of a dead server away. */
		sawmill_connection_dead(connection);
		return -EPIPE;
	case HV_STATUS_BUSY:
		return -EAGAIN;
	default:
		pr_warn_ratelimited("sawmill: call to %s: status %llu\n",
				    connection->name, status);
		return -EIO;
	}
}

static void event_signal(struct sawmill_connection *connection)
{
	u64 selector = info_of(connection)->signal_selector;

	if (selector != HV_SELECTOR_NULL && !sawmill_leave_signal(selector) &&
	    hv_event_signal(selector) == HV_STATUS_PEER_DEAD)
		sawmill_connection_dead(connection);
}

static int portal_revive(struct sawmill_connection *connection)
{
	const struct hv_connection *info = info_of(connection);
	struct sawmill_connection *root =
		sawmill_connection_find(ROOT_SERVICE, SAWMILL_ROLE_CLIENT);
	u64 words[HV_WORDS] = { ROOT_RECONNECT };
	u64 selector;

	if (!root)
		return -EPIPE;
	BUILD_BUG_ON(HV_NAME_MAX != 2 * sizeof(u64));
	memcpy(&words[1], info->service, HV_NAME_MAX);
	selector = info_of(root)->portal_selector;
	switch (hv_ipc(HV_PORTAL_CALL, &selector, words)) {
	case HV_STATUS_OK:
		break;
	case HV_STATUS_BUSY:
	case HV_STATUS_TIMEOUT:
		return -EAGAIN;
	default:
		return -EPIPE;
	}
	/* A death from here on shows in the count, or in the next call. */
	WRITE_ONCE(earlier_deaths[info - sawmill_info->connections],
		   READ_ONCE(info->peer_deaths));
	smp_mb();
	WRITE_ONCE(connection->is_dead, false);
	return 0;
}

static const struct sawmill_carrier portal_carrier = {
	.call = portal_call,
	.revive = portal_revive,
	.signal = event_signal,
	.reply = sawmill_server_reply,
};

static void event_arrived(void *data)
{
	struct sawmill_connection *connection = data;
	const struct hv_connection *info = info_of(connection);
	void (*event)(struct sawmill_connection *) =
		READ_ONCE(connection->event);

	/* Root counts, then signals. */
	if (READ_ONCE(info->peer_deaths) !=
	    earlier_deaths[info - sawmill_info->connections]) {
		if (!sawmill_connection_is_dead(connection))
			sawmill_connection_dead(connection);
		/* Or it is there again. */
		if (connection->role == SAWMILL_ROLE_SERVER)
			schedule_delayed_work(&removal, 0);
		return;
	}

	if (event)
		event(connection);
}

static int add_connection(unsigned int index)
{
	const struct hv_connection *info = &sawmill_info->connections[index];
	struct sawmill_connection *connection;

	connection = kzalloc(sizeof(*connection), GFP_KERNEL);
	if (!connection)
		return -ENOMEM;
	BUILD_BUG_ON(HV_NAME_MAX >= SAWMILL_NAME_SIZE);
	memcpy(connection->name, info->service, HV_NAME_MAX);
	connection->role = info->role == HV_CONNECTION_ROLE_SERVER ?
			   SAWMILL_ROLE_SERVER : SAWMILL_ROLE_CLIENT;
	connection->badge = info->badge;
	connection->pool_base = info->pool_gpa;
	connection->pool_size = info->pool_bytes;
	connection->carrier = &portal_carrier;
	connection->carrier_private = (void *)info;
	if (info->control_bytes) {
		connection->control = memremap(info->control_gpa,
					       info->control_bytes,
					       MEMREMAP_WB);
		if (!connection->control) {
			kfree(connection);
			return -ENOMEM;
		}
		connection->control_size = info->control_bytes;
	}
	earlier_deaths[index] = READ_ONCE(info->peer_deaths);
	connections[index] = connection;
	sawmill_connection_add(connection);
	if (info->event_bit)
		sawmill_event_bind(info->event_bit, event_arrived, connection);
	return 0;
}

void sawmill_add_connections(enum sawmill_role role)
{
	u64 wanted = role == SAWMILL_ROLE_SERVER ? HV_CONNECTION_ROLE_SERVER :
						   HV_CONNECTION_ROLE_CLIENT;
	unsigned int i;
	int error;

	for (i = 0; i < sawmill_info->connection_count; i++) {
		if (sawmill_info->connections[i].role != wanted)
			continue;
		error = add_connection(i);
		if (error)
			pr_err("sawmill: connection %u: error %d\n", i, error);
	}
}

/* Called with every call that arrives; there are few connections. */
struct sawmill_connection *sawmill_connection_by_badge(u64 badge)
{
	unsigned int i;

	for (i = 0; i < HV_CONNECTIONS_MAX; i++) {
		struct sawmill_connection *connection = connections[i];

		if (connection && connection->badge == badge &&
		    connection->role == SAWMILL_ROLE_SERVER)
			return connection;
	}
	return NULL;
}

/* Tells root that nothing of a dead client's memory is in use here. */
static void let_go(u64 badge)
{
	u64 words[SAWMILL_CALL_WORDS] = { ROOT_LET_GO, badge };
	struct sawmill_connection *root =
		sawmill_connection_find(ROOT_SERVICE, SAWMILL_ROLE_CLIENT);

	if (!root || sawmill_connection_call(root, words, words))
		pr_warn("sawmill: cannot tell root of a client's end\n");
}

/*
 * What a dead client held is given back. First nobody finds the connection
 * any more: sawmill_connection_by_badge() is called with interrupts off, which
 * is what synchronize_rcu() waits for. Then the last worker lets it go.
 */
static void remove_dead(unsigned int index)
{
	struct sawmill_connection *connection = connections[index];

	connection->badge = NO_BADGE;
	synchronize_rcu();
	if (atomic_read(&connection->holders)) {
		schedule_delayed_work(&removal, REMOVAL_RETRY);
		return;
	}
	connections[index] = NULL;
	sawmill_connection_remove(connection);
	if (connection->control)
		memunmap(connection->control);
	pr_info("sawmill: the client of %s is gone\n", connection->name);
	/* Kept for now: its event may come, of a new client for example. */
	vacant[index] = connection;
	let_go(info_of(connection)->badge);
}

/* Root has started the client again. */
static void add_again(unsigned int index)
{
	struct sawmill_connection *old = vacant[index];
	int error;

	vacant[index] = NULL;
	error = add_connection(index);
	if (error) {
		pr_err("sawmill: new client of %s: error %d\n", old->name,
		       error);
		return;
	}
	/* Events go to the new one, but for one that is being handled. */
	synchronize_rcu();
	kfree(old);
}

static void look_at_clients(struct work_struct *work)
{
	unsigned int i;

	for (i = 0; i < HV_CONNECTIONS_MAX; i++) {
		const struct hv_connection *info =
			&sawmill_info->connections[i];
		struct sawmill_connection *connection = connections[i];

		if (connection && connection->role == SAWMILL_ROLE_SERVER &&
		    sawmill_connection_is_dead(connection))
			remove_dead(i);
		else if (vacant[i] &&
			 READ_ONCE(info->role) == HV_CONNECTION_ROLE_SERVER)
			add_again(i);
	}
}

void sawmill_report_ready(void)
{
	u64 words[SAWMILL_CALL_WORDS] = { ROOT_REPORT_READY };
	struct sawmill_connection *root;
	int error;

	root = sawmill_connection_find(ROOT_SERVICE, SAWMILL_ROLE_CLIENT);
	if (!root)
		return;
	error = sawmill_connection_call(root, words, words);
	if (error)
		pr_err("sawmill: cannot report to root: error %d\n", error);
}

static int __init add_client_connections(void)
{
	if (sawmill_info)
		sawmill_add_connections(SAWMILL_ROLE_CLIENT);
	return 0;
}
fs_initcall(add_client_connections);
