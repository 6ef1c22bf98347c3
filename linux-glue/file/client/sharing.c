// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the server says in the header: that there are other clients, that it
 * wants leases back, that others have taken some. lease.c says what for.
 */
#include <linux/pagemap.h>
#include "lease.h"

/* Programs look at mapped pages without asking: takes them away. */
static void refresh_mapped(struct sawmill_file_client *client)
{
	struct lease *lease;
	struct inode *inode, *last = NULL;

	spin_lock(&client->leases_lock);
	list_for_each_entry(lease, &client->leases, among) {
		if (!mapping_mapped(lease->inode->i_mapping) ||
		    sawmill_file_is_fresh(lease->inode))
			continue;
		inode = igrab(lease->inode);
		if (!inode)
			continue;
		spin_unlock(&client->leases_lock);
		iput(last);
		last = inode;
		sawmill_file_refresh(inode);
		/* The place in the list is kept by the reference. */
		spin_lock(&client->leases_lock);
	}
	spin_unlock(&client->leases_lock);
	iput(last);
}

static void become_shared(struct sawmill_file_client *client,
			  struct fuse_mount *fm)
{
	/* Entries with attributes would have to be leased one by one. */
	fm->fc->do_readdirplus = 0;
	sawmill_file_share_tables();
	WRITE_ONCE(client->is_shared, true);
}

static void share(struct sawmill_file_client *client, struct super_block *sb)
{
	struct fuse_mount *fm = get_fuse_mount_super(sb);
	int error;

	pr_info("sawmill: file: %s has other clients\n",
		client->connection->name);
	become_shared(client, fm);
	/* Waits for who did not see that yet, and writes everything back. */
	error = freeze_super(sb);
	if (!error)
		thaw_super(sb);
	else
		pr_err("sawmill: file: %s: not written back: %d\n",
		       client->connection->name, error);
	sawmill_file_tell_locks(sb);
	sawmill_file_send_lease(fm, FUSE_ROOT_ID, SAWMILL_FILE_LEASE_READY, NULL);
}

static void look_at_header(struct work_struct *work)
{
	struct sawmill_file_client *client =
		container_of(work, struct sawmill_file_client, sharing);
	struct super_block *sb = sawmill_file_hold_super(client);
	unsigned int i;
	u64 id;

	/* Mounting looks again when it is done. */
	if (!sb)
		return;
	if (!client->is_shared && READ_ONCE(client->header->is_shared))
		share(client, sb);
	WRITE_ONCE(client->recalls_seen, READ_ONCE(client->header->recall_count));
	WRITE_ONCE(client->takes_seen, READ_ONCE(client->header->take_count));
	smp_mb();
	for (i = 0; i < SAWMILL_FILE_RECALLS; i++) {
		id = xchg(&client->header->recalls[i], 0);
		if (id)
			sawmill_file_recall(get_fuse_conn_super(sb), id);
	}
	if (client->is_shared)
		refresh_mapped(client);
	deactivate_super(sb);
}

/* In the server's event: any context. */
void sawmill_file_look_at_header(struct sawmill_file_client *client)
{
	const struct sawmill_file_header *header = client->header;

	if (!READ_ONCE(header->is_shared))
		return;
	if (!client->is_shared ||
	    client->recalls_seen != READ_ONCE(header->recall_count) ||
	    client->takes_seen != READ_ONCE(header->take_count))
		queue_work(sawmill_file_recovery, &client->sharing);
}

void sawmill_file_look_now(struct sawmill_file_client *client)
{
	sawmill_file_look_at_header(client);
	flush_work(&client->sharing);
}

/* At the end of mounting: nothing is cached yet. */
void sawmill_file_begin_sharing(struct sawmill_file_client *client,
				struct super_block *sb)
{
	struct fuse_mount *fm = get_fuse_mount_super(sb);

	client->is_shared = false;
	if (!READ_ONCE(client->header->is_shared))
		return;
	become_shared(client, fm);
	sawmill_file_send_lease(fm, FUSE_ROOT_ID, SAWMILL_FILE_LEASE_READY, NULL);
}

void sawmill_file_init_leases(struct sawmill_file_client *client)
{
	spin_lock_init(&client->leases_lock);
	INIT_LIST_HEAD(&client->leases);
	INIT_WORK(&client->sharing, look_at_header);
}
