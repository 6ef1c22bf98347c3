// SPDX-License-Identifier: GPL-2.0-only
/*
 * The clients of the file system: who they are, what they are told, and what
 * happens to those that do not answer.
 *
 * lease.c says what sharing is about. A client that neither gives a lease nor
 * writes back for a while is cut off: it loses all leases, and gets errors
 * until it begins anew.
 *
 * Locks: clients_lock (rwsem, outside of a table of nodes) and lease_lock: the
 * list of clients; lease_lock: their flags.
 */
#include <linux/random.h>
#include "lease.h"

/* From the question to READY: all that is dirty has to be written. */
#define READY_LIMIT	(30 * HZ)
#define WATCH_INTERVAL	(HZ / 10)
#define GROWTH_WAITS_MAX	16

bool lease_sharing;
struct workqueue_struct *lease_workers;

static DECLARE_RWSEM(clients_lock);
static LIST_HEAD(clients);
static LIST_HEAD(joiners);		/* INITs that wait for READY */
static void watch_holders(struct work_struct *work);
static DECLARE_DELAYED_WORK(watch, watch_holders);

/* ---- those that do not answer ---- */

static void cut_off(struct server_client *client)
{
	pr_warn("sawmill: file: client %llu does not give back what it holds: cut off\n",
		client->connection->badge);
	client->is_cut_off = true;
	lease_end_all(client);
	lease_run_parked(&joiners, NULL);
}

/* Under lease_lock. */
void clients_watch(void)
{
	/* Not put off by who parks again and again. */
	queue_delayed_work(lease_workers, &watch, WATCH_INTERVAL);
}

/* Looks after clients that have been asked for something. */
static void watch_holders(struct work_struct *work)
{
	struct server_client *client;
	struct lease *lease, *next;

	spin_lock(&lease_lock);
	list_for_each_entry_safe(lease, next, &leases_recalled, recalled)
		if (lease->holder && !lease->is_announced)
			lease_announce(lease);
	list_for_each_entry(client, &clients, among) {
		bool is_late = client->is_asked && !client->is_ready &&
			       time_after(jiffies, client->ready_deadline);

		list_for_each_entry(lease, &leases_recalled, recalled)
			if (lease->holder == client &&
			    time_after(jiffies, lease->deadline))
				is_late = true;
		if (is_late && !client->is_cut_off)
			cut_off(client);
	}
	if (!list_empty(&leases_recalled) || !list_empty(&joiners))
		clients_watch();
	spin_unlock(&lease_lock);
}

/* ---- what they are told ---- */

/* Tells the others; under lease_lock. */
void clients_raise(const struct server_client *changer, u64 id)
{
	struct server_client *client;

	list_for_each_entry(client, &clients, among)
		if (client != changer && client->is_joined)
			atomic_inc((atomic_t *)&client->header->changes[
					SAWMILL_FILE_BUCKET(id)]);
}

void lease_raise(const struct server_client *client, const struct inode *inode)
{
	/* What was changed is to be seen by who sees the counter. */
	smp_mb();
	spin_lock(&lease_lock);
	clients_raise(client, id_of(inode));
	spin_unlock(&lease_lock);
}

/* Equal parts of @blocks for all. */
void lease_share_out(u32 blocks,
		     void (*tell)(struct server_client *client, void *part))
{
	struct server_client *client;
	unsigned int count = 0;

	spin_lock(&lease_lock);
	list_for_each_entry(client, &clients, among)
		count += client->is_joined;
	blocks /= max(count, 1U);
	list_for_each_entry(client, &clients, among) {
		if (!client->is_joined)
			continue;
		/* By what it was told before, it may have made pages dirty. */
		if (list_empty(&client->leases))
			client->promised = 0;
		client->promised = max(client->promised, blocks);
		tell(client, &blocks);
	}
	spin_unlock(&lease_lock);
}

/*
 * May @client's request go on before @other has kept its promises? So it may
 * when @other waits likewise: then it has written everything back, and the
 * lease that it needs for this cannot be had.
 */
static bool is_in_the_way(const struct server_client *other,
			  const struct server_client *client)
{
	return other != client && other->is_joined && !other->is_cut_off &&
	       !other->growing && !list_empty(&other->leases);
}

/*
 * A request takes @blocks of @free ones, and its client was not promised them:
 * it waits until others have written back what they were promised, if that
 * could be in danger. -EINPROGRESS: it is parked.
 */
int clients_admit_growth(struct request *request, u32 blocks, u32 free)
{
	struct server_client *client = request->client, *other;
	struct lease *lease, *last = NULL;
	u64 needed = blocks;

	spin_lock(&lease_lock);
	list_for_each_entry(other, &clients, among)
		if (is_in_the_way(other, client))
			needed += other->promised;
	/* Others may take leases all the time: not for ever. */
	if (needed > free && client->is_joined && !client->is_leaving &&
	    request->growth_waits < GROWTH_WAITS_MAX) {
		list_for_each_entry(other, &clients, among) {
			if (!is_in_the_way(other, client))
				continue;
			list_for_each_entry(lease, &other->leases, of_holder) {
				lease_recall(lease);
				last = lease;
			}
		}
	}
	if (last) {
		request->is_growing = true;
		request->growth_waits++;
		client->growing++;
		lease_park(request, &last->parked);
	}
	spin_unlock(&lease_lock);
	return last ? -EINPROGRESS : 0;
}

/* Under lease_lock. */
void clients_tell_of_take(const struct server_client *changer)
{
	struct server_client *client;

	list_for_each_entry(client, &clients, among) {
		if (client == changer || !client->is_joined)
			continue;
		atomic_inc((atomic_t *)&client->header->take_count);
		sawmill_connection_signal(client->connection);
	}
}

/* ---- clients come and go ---- */

int client_is_ready(struct server_client *client)
{
	spin_lock(&lease_lock);
	if (client->is_asked)
		client->is_ready = true;
	lease_run_parked(&joiners, NULL);
	spin_unlock(&lease_lock);
	return 0;
}

static void ask_to_share(struct server_client *client)
{
	if (client->is_asked)
		return;
	client->is_asked = true;
	client->ready_deadline = jiffies + READY_LIMIT;
	WRITE_ONCE(client->header->is_shared, 1);
	sawmill_connection_signal(client->connection);
}

static void count_sharers(void)
{
	struct server_client *client;
	bool is_sharing = false;

	list_for_each_entry(client, &clients, among)
		is_sharing |= client->is_joined && client->is_asked;
	WRITE_ONCE(lease_sharing, is_sharing);
}

/* INIT: 0, or -EINPROGRESS: the request is parked until the others are ready. */
int lease_join(struct request *request, bool is_resumed)
{
	struct server_client *client = request->client, *other;
	bool has_others = false, is_waiting = false;
	int error = 0;

	spin_lock(&lease_lock);
	list_for_each_entry(other, &clients, among) {
		if (other == client || !other->is_joined || other->is_cut_off)
			continue;
		has_others = true;
		if (!other->is_ready) {
			is_waiting = true;
			ask_to_share(other);
		}
	}
	if (client->is_leaving) {
		error = -EIO;
	} else if (is_waiting) {
		lease_park(request, &joiners);
		error = -EINPROGRESS;
	} else {
		/* Who shared with an earlier server goes on like that. */
		if (is_resumed && READ_ONCE(client->header->is_shared))
			has_others = true;
		client->is_asked = has_others;
		client->is_ready = has_others;
		client->is_cut_off = false;
		client->is_joined = true;
		WRITE_ONCE(client->header->is_shared, has_others);
	}
	count_sharers();
	spin_unlock(&lease_lock);
	return error;
}

/* DESTROY, INIT again, or it died. */
void lease_leave(struct server_client *client)
{
	struct lease *lease;
	bool was_joined;

	spin_lock(&lease_lock);
	was_joined = client->is_joined;
	client->is_joined = false;
	lease_end_all(client);
	list_for_each_entry(lease, &leases_recalled, recalled)
		lease_run_parked(&lease->parked, client);
	/*
	 * Nobody waits for a client that has not joined. An INIT leaves first,
	 * each time it is run: two of them would run each other for ever.
	 */
	if (was_joined)
		lease_run_parked(&joiners, NULL);
	else if (client->is_leaving)
		lease_run_parked(&joiners, client);
	count_sharers();
	spin_unlock(&lease_lock);
}

void lease_attach(struct server_client *client)
{
	INIT_LIST_HEAD(&client->leases);
	get_random_bytes(&client->owner_key, sizeof(client->owner_key));
	init_waitqueue_head(&client->idle);
	down_write(&clients_lock);
	spin_lock(&lease_lock);
	list_add_tail(&client->among, &clients);
	spin_unlock(&lease_lock);
	up_write(&clients_lock);
}

/* Returns when nothing of the client is parked any more. */
void lease_detach(struct server_client *client)
{
	spin_lock(&lease_lock);
	client->is_leaving = true;
	spin_unlock(&lease_lock);
	lease_leave(client);
	wait_event(client->idle, !atomic_read(&client->parked));
	down_write(&clients_lock);
	spin_lock(&lease_lock);
	list_del(&client->among);
	spin_unlock(&lease_lock);
	up_write(&clients_lock);
}

/* node_keep() for everybody who may know the inode. */
int lease_keep(struct server_client *client, struct dentry *dentry)
{
	int error;

	if (!READ_ONCE(lease_sharing))
		return node_keep(client, dentry);
	down_read(&clients_lock);
	error = 0;
	list_for_each_entry(client, &clients, among)
		if (!error && READ_ONCE(client->is_initialized))
			error = node_keep(client, dentry);
	up_read(&clients_lock);
	return error;
}

static int __init clients_init(void)
{
	lease_workers = alloc_workqueue("sawmill-lease", WQ_UNBOUND | WQ_MEM_RECLAIM,
				  0);
	return lease_workers ? 0 : -ENOMEM;
}
subsys_initcall(clients_init);
