// SPDX-License-Identifier: GPL-2.0-only
/*
 * Several clients on one file system: who may change and cache what.
 *
 * One client alone caches and changes as it likes. When a second one begins
 * (INIT), the first is asked to write everything back and to say READY; the
 * second is answered then. From that moment each client
 *
 *  - looks at the counters in its header before it uses what it has cached;
 *    here they are raised after a change and before the changer's answer,
 *    so nobody has to be waited for;
 *  - takes a regular file's lease before it changes data, size or times in its
 *    cache. Who asks for what another client's lease covers waits until that
 *    client has written back and given the lease.
 *
 * A request that has to wait is parked: its handler returns, and a worker runs
 * it again when the lease is gone. So no thread of the server waits for a
 * client. Who the clients are, and who takes too long, is in clients.c.
 *
 * Lock: lease_lock (spinlock, innermost): leases, what is parked, and the
 * flags of clients.
 */
#include <linux/iversion.h>
#include "lease.h"

/* More, and the client is asked for its oldest. */
#define LEASES_MAX	1024
#define FIRST_VERSION	2	/* ext2 begins with 1 */

DEFINE_SPINLOCK(lease_lock);
LIST_HEAD(leases_recalled);
static DEFINE_HASHTABLE(leases, 8);
static u32 last_version = FIRST_VERSION;

static struct lease *find(u64 id)
{
	struct lease *lease;

	hash_for_each_possible(leases, lease, hash, id)
		if (lease->id == id)
			return lease;
	return NULL;
}

/* ---- parked requests; all under lease_lock ---- */

void lease_park(struct request *request, struct list_head *list)
{
	atomic_inc(&request->client->parked);
	INIT_WORK(&request->again, request_run_again);
	list_add_tail(&request->parked, list);
	clients_watch();
}

void lease_run_parked(struct list_head *list, const struct server_client *only)
{
	struct request *request, *next;

	list_for_each_entry_safe(request, next, list, parked) {
		if (only && request->client != only)
			continue;
		list_del(&request->parked);
		request->client->growing -= request->is_growing;
		request->is_growing = false;
		queue_work(lease_workers, &request->again);
	}
}

void lease_parked_done(struct server_client *client)
{
	/* The client is freed by who sees zero, but not before the wake-up. */
	spin_lock(&lease_lock);
	if (atomic_dec_and_test(&client->parked))
		wake_up(&client->idle);
	spin_unlock(&lease_lock);
}

/* ---- leases; all under lease_lock ---- */

static void end_lease(struct lease *lease)
{
	if (lease->holder) {
		list_del(&lease->of_holder);
		lease->holder->lease_count--;
		lease->holder = NULL;
	}
	/* A lost one is in the way until what its holder writes is written. */
	if (lease->writes)
		return;
	hash_del(&lease->hash);
	list_del(&lease->recalled);
	lease_run_parked(&lease->parked, NULL);
	kfree(lease);
}

void lease_end_all(struct server_client *client)
{
	struct lease *lease, *next;

	list_for_each_entry_safe(lease, next, &client->leases, of_holder)
		end_lease(lease);
}

void lease_announce(struct lease *lease)
{
	struct sawmill_file_header *header = lease->holder->header;
	unsigned int i;

	for (i = 0; i < SAWMILL_FILE_RECALLS && !lease->is_announced; i++)
		lease->is_announced = !cmpxchg(&header->recalls[i], 0, lease->id);
	atomic_inc((atomic_t *)&header->recall_count);
	sawmill_connection_signal(lease->holder->connection);
}

void lease_recall(struct lease *lease)
{
	if (!lease->holder || !list_empty(&lease->recalled))
		return;
	list_add_tail(&lease->recalled, &leases_recalled);
	lease->is_announced = false;
	lease->deadline = jiffies + RECALL_LIMIT;
	lease_announce(lease);
	clients_watch();
}

/* ---- before and after an operation ---- */

/*
 * May the request go on? -EINPROGRESS: it is parked, and must not be touched
 * any more. Only called while there are several clients.
 */
int lease_admit(struct request *request, u64 id, enum access access)
{
	struct server_client *client = request->client;
	struct lease *lease;
	int error = 0;

	spin_lock(&lease_lock);
	lease = find(id);
	if (!client->is_joined || client->is_cut_off) {
		error = -EIO;
	} else if (access == ACCESS_WRITE) {
		if (lease && lease->holder == client) {
			lease->writes++;
			lease->deadline = jiffies + RECALL_LIMIT;
			request->lease = lease;
		} else if (client->is_ready &&
			   (lease || !client->is_resumed)) {
			/* It lost the lease, or never asked. */
			error = -EIO;
		}
	} else if (access == ACCESS_READ && lease && lease->holder != client) {
		lease_recall(lease);
		lease_park(request, &lease->parked);
		error = -EINPROGRESS;
	}
	spin_unlock(&lease_lock);
	return error;
}

/* Under lease_lock. */
static struct lease *find_foreign(const struct server_client *client)
{
	struct lease *lease;
	unsigned int bucket;

	hash_for_each(leases, bucket, lease, hash)
		if (lease->holder && lease->holder != client)
			return lease;
	return NULL;
}

/*
 * DESTROY: what others had written by now is on the disk before the answer,
 * since the machine may be turned off then. -EINPROGRESS: parked.
 */
int lease_settle(struct request *request)
{
	struct server_client *client = request->client;
	struct lease *lease;
	int error = 0;

	spin_lock(&lease_lock);
	if (!client->settle_deadline)
		client->settle_deadline = (jiffies + RECALL_LIMIT) | 1;
	lease = find_foreign(client);
	if (lease && !client->is_leaving &&
	    time_before(jiffies, client->settle_deadline)) {
		lease_recall(lease);
		lease_park(request, &lease->parked);
		error = -EINPROGRESS;
	} else {
		client->settle_deadline = 0;
	}
	spin_unlock(&lease_lock);
	return error;
}

void lease_end_write(struct request *request)
{
	struct lease *lease = request->lease;

	request->lease = NULL;
	spin_lock(&lease_lock);
	if (--lease->writes == 0 && !lease->holder)
		end_lease(lease);
	spin_unlock(&lease_lock);
}

bool lease_is_foreign(const struct server_client *client, u64 id)
{
	const struct lease *lease;
	bool is_foreign;

	spin_lock(&lease_lock);
	lease = find(id);
	is_foreign = lease && lease->holder != client;
	spin_unlock(&lease_lock);
	return is_foreign;
}

/* ---- versions of file data ---- */

static u32 version_of(const struct inode *inode)
{
	return inode_peek_iversion_raw(inode);
}

static u32 renew_version(struct inode *inode)
{
	u32 version = ++last_version;

	/* What is left of 32 bits; a client compares for equality only. */
	version &= U32_MAX >> SAWMILL_FILE_VERSION_SHIFT;
	inode_set_iversion_raw(inode, max_t(u32, version, FIRST_VERSION));
	return version_of(inode);
}

/* An inode that has just been read has none; it must not look like before. */
u32 lease_version(struct inode *inode)
{
	u32 version;

	spin_lock(&lease_lock);
	version = version_of(inode);
	if (version < FIRST_VERSION)
		version = renew_version(inode);
	spin_unlock(&lease_lock);
	return version;
}

void lease_data_changed(struct inode *inode)
{
	spin_lock(&lease_lock);
	renew_version(inode);
	spin_unlock(&lease_lock);
}

/* ---- LEASE ---- */

static int take(struct request *request, struct inode *inode)
{
	struct server_client *client = request->client;
	struct fuse_attr_out *out;
	struct lease *fresh, *lease;
	u32 before = lease_version(inode), now;
	u64 id = request->header.nodeid;

	if (!S_ISREG(inode->i_mode))
		return -EINVAL;
	if (request->out_capacity < sizeof(*out))
		return -EINVAL;
	fresh = kzalloc(sizeof(*fresh), GFP_KERNEL);
	if (!fresh)
		return -ENOMEM;
	spin_lock(&lease_lock);
	lease = find(id);
	if (lease && lease->holder != client) {
		lease_recall(lease);
		lease_park(request, &lease->parked);
		spin_unlock(&lease_lock);
		kfree(fresh);
		return -EINPROGRESS;
	}
	if (!lease) {
		fresh->id = id;
		fresh->holder = client;
		INIT_LIST_HEAD(&fresh->recalled);
		INIT_LIST_HEAD(&fresh->parked);
		list_add_tail(&fresh->of_holder, &client->leases);
		hash_add(leases, &fresh->hash, id);
		fresh = NULL;
		if (++client->lease_count > LEASES_MAX)
			lease_recall(list_first_entry(&client->leases,
						      struct lease, of_holder));
	}
	now = renew_version(inode);
	clients_raise(client, id);
	/* Who has it mapped does not look at counters. */
	clients_tell_of_take(client);
	spin_unlock(&lease_lock);
	kfree(fresh);
	put_attributes(request);
	out = (void *)request->out;
	out->attr.flags &= BIT(SAWMILL_FILE_VERSION_SHIFT) - 1;
	out->attr.flags |= before << SAWMILL_FILE_VERSION_SHIFT;
	out->dummy = now;
	return 0;
}

static int ask_or_take(struct request *request, u32 want)
{
	/* Local: a parked request is not ours any more. */
	struct node *node = node_get(request->client, request->header.nodeid);
	int error;

	if (!node)
		return -ESTALE;
	request->node = node;
	error = lease_admit(request, node->id, ACCESS_READ);
	if (!error && want == SAWMILL_FILE_LEASE_TAKE)
		error = take(request, node_inode(node));
	else if (!error)
		error = put_attributes(request);
	node_put(node);
	return error;
}

static int give(struct server_client *client, u64 id)
{
	struct lease *lease;

	spin_lock(&lease_lock);
	lease = find(id);
	if (lease && lease->holder == client)
		end_lease(lease);
	spin_unlock(&lease_lock);
	return 0;
}

int operate_lease(struct request *request)
{
	const struct sawmill_file_lease_in *in = take_arg(request, sizeof(*in));

	if (!in)
		return -EINVAL;
	if (!READ_ONCE(request->client->is_initialized))
		return -EIO;
	switch (in->want) {
	case SAWMILL_FILE_LEASE_ASK:
	case SAWMILL_FILE_LEASE_TAKE:
		return ask_or_take(request, in->want);
	case SAWMILL_FILE_LEASE_GIVE:
		return give(request->client, request->header.nodeid);
	case SAWMILL_FILE_LEASE_READY:
		return client_is_ready(request->client);
	}
	return -EINVAL;
}
