// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is cached, when other clients use the same file system.
 *
 * Nothing of this runs while the server has no other client. When it has, it
 * says so in the header; then sharing.c switches the tables of operations over
 * to those of shared.c, writes everything back while nobody writes, and tells
 * the server (READY).
 *
 * From then on the counters in the header say whether what is cached of an
 * inode still holds (sawmill_file_refresh), and a regular file's lease is
 * needed to change data, size or times here (sawmill_file_begin_change). When
 * the server wants a lease back, those who change the file come to their end,
 * the file is written back, and the lease is given.
 *
 * Locks: lease->mutex (under i_rwsem and mmap_lock, held over calls): asking
 * and taking; lease->lock (spinlock): its state. Giving a lease takes neither
 * i_rwsem nor a lock that is held over a call on this inode: so it always
 * comes to an end.
 */
#include <linux/backing-dev.h>
#include <linux/iversion.h>
#include <linux/pagemap.h>
#include <linux/posix_acl.h>
#include <linux/slab.h>
#include <linux/writeback.h>
#include "lease.h"

static struct sawmill_file_client *client_of(struct inode *inode)
{
	return get_fuse_conn(inode)->iq.priv;
}

u32 sawmill_file_counter(struct inode *inode)
{
	u32 bucket = SAWMILL_FILE_BUCKET(get_node_id(inode));
	u32 counter = READ_ONCE(client_of(inode)->header->changes[bucket]);

	/* Before anything that it vouches for is looked at. */
	smp_rmb();
	return counter;
}

/* ---- messages ---- */

int sawmill_file_send_lease(struct fuse_mount *fm, u64 id, u32 want,
			    struct fuse_attr_out *out)
{
	struct sawmill_file_lease_in in = { .want = want };

	return sawmill_file_ask(fm, id, SAWMILL_FILE_LEASE, &in, sizeof(in),
				out, out ? sizeof(*out) : 0);
}

static void send_give(struct inode *inode)
{
	sawmill_file_send_lease(get_fuse_mount(inode), get_node_id(inode),
				SAWMILL_FILE_LEASE_GIVE, NULL);
}

static void give_work(struct work_struct *work);

static struct lease *lease_of(struct inode *inode)
{
	struct sawmill_file_client *client = client_of(inode);
	struct lease *lease = READ_ONCE(inode->i_private), *fresh;

	if (likely(lease))
		return lease;
	fresh = kzalloc(sizeof(*fresh), GFP_NOFS | __GFP_NOFAIL);
	fresh->inode = inode;
	mutex_init(&fresh->mutex);
	spin_lock_init(&fresh->lock);
	init_waitqueue_head(&fresh->wait);
	INIT_WORK(&fresh->giving, give_work);
	spin_lock(&client->leases_lock);
	lease = inode->i_private;
	if (!lease) {
		lease = fresh;
		list_add(&fresh->among, &client->leases);
		smp_store_release(&inode->i_private, fresh);
		fresh = NULL;
	}
	spin_unlock(&client->leases_lock);
	kfree(fresh);
	return lease;
}

/*
 * In evict_inode. Nobody finds the inode any more, and who wants to, waits: so
 * a lease that the server knows of belongs to an inode here.
 */
void sawmill_file_free_lease(struct inode *inode)
{
	struct sawmill_file_client *client = client_of(inode);
	struct lease *lease = inode->i_private;

	if (!lease)
		return;
	/* A dead server's leases are void; recovery itself may come here. */
	if (lease->state == LEASE_HELD && (inode->i_sb->s_flags & SB_ACTIVE) &&
	    sawmill_file_is_live(client))
		send_give(inode);
	spin_lock(&client->leases_lock);
	list_del(&lease->among);
	spin_unlock(&client->leases_lock);
	inode->i_private = NULL;
	kfree_rcu(lease, rcu);
}

/* ---- asking and taking ---- */

static bool holds(struct lease *lease)
{
	return READ_ONCE(lease->state) != LEASE_NONE;
}

/* Takes over the server's view; under lease->mutex. */
static void apply(struct lease *lease, struct fuse_attr_out *out)
{
	struct inode *inode = lease->inode;
	struct fuse_inode *fi = get_fuse_inode(inode);
	u32 version = out->attr.flags >> SAWMILL_FILE_VERSION_SHIFT;
	bool is_ours = S_ISREG(inode->i_mode) && holds(lease);
	loff_t size = out->attr.size, before;

	sawmill_file_take_flags(inode, &out->attr);
	out->attr.flags = 0;
	spin_lock(&fi->lock);
	before = i_size_read(inode);
	fuse_change_attributes_common(inode, &out->attr,
				      SAWMILL_FILE_VALID_UNTIL,
				      is_ours ? fuse_get_cache_mask(inode) : 0);
	if (!is_ours)
		i_size_write(inode, size);
	spin_unlock(&fi->lock);
	forget_all_cached_acls(inode);
	clear_bit(SAWMILL_I_NO_CAPABILITY, &fi->state);
	/* What FUSE keeps of a directory's listing is of that version. */
	if (S_ISDIR(inode->i_mode))
		inode_maybe_inc_iversion(inode, true);
	if (!S_ISREG(inode->i_mode) || is_ours)
		return;
	if (size < before)
		truncate_pagecache(inode, size);
	if (!version || version != lease->version)
		invalidate_inode_pages2(inode->i_mapping);
	lease->version = version;
}

/* Under lease->mutex. */
static int ask(struct lease *lease, u32 want)
{
	struct inode *inode = lease->inode;
	struct fuse_attr_out out = {};
	u32 counter;
	int error;

	/* Left over from a server that died with the lease. */
	if (!holds(lease) && S_ISREG(inode->i_mode) &&
	    mapping_tagged(inode->i_mapping, PAGECACHE_TAG_DIRTY))
		write_inode_now(inode, 1);
	counter = sawmill_file_counter(inode);
	error = sawmill_file_send_lease(get_fuse_mount(inode),
					get_node_id(inode), want, &out);
	if (error)
		return error;
	error = sawmill_file_trust(inode, &out.attr);
	if (error)
		return error;
	apply(lease, &out);
	if (want == SAWMILL_FILE_LEASE_TAKE)
		lease->version = out.dummy;
	lease->seen = counter;
	smp_store_release(&lease->is_seen, true);
	return 0;
}

bool sawmill_file_is_fresh(struct inode *inode)
{
	const struct lease *lease = READ_ONCE(inode->i_private);

	return lease && smp_load_acquire(&lease->is_seen) &&
	       READ_ONCE(lease->seen) == sawmill_file_counter(inode);
}

/* Makes attributes and cached data those of the server, or -errno. */
int sawmill_file_refresh(struct inode *inode)
{
	struct lease *lease;
	int error = 0;

	if (sawmill_file_is_fresh(inode))
		return 0;
	if (fuse_is_bad(inode))
		return -EIO;
	lease = lease_of(inode);
	mutex_lock(&lease->mutex);
	if (!sawmill_file_is_fresh(inode))
		error = ask(lease, SAWMILL_FILE_LEASE_ASK);
	mutex_unlock(&lease->mutex);
	return error;
}

/* True if the caller may change the file, until it ends the change. */
static bool try_begin(struct lease *lease)
{
	bool may_change;

	spin_lock(&lease->lock);
	may_change = lease->state == LEASE_HELD && !lease->is_recalled;
	if (may_change)
		lease->changers++;
	spin_unlock(&lease->lock);
	return may_change;
}

/* May what is cached of times and size be the newest there is? */
bool sawmill_file_has_lease(struct inode *inode)
{
	struct lease *lease = READ_ONCE(inode->i_private);

	return !sawmill_file_is_shared(inode) || (lease && holds(lease));
}

/* Under lease->mutex; counts the caller as a changer. */
static int take(struct lease *lease)
{
	struct inode *inode = lease->inode;
	int error;

	spin_lock(&lease->lock);
	lease->is_taking = true;
	lease->is_recalled = false;
	spin_unlock(&lease->lock);
	error = ask(lease, SAWMILL_FILE_LEASE_TAKE);
	/* The server may have given it nevertheless. */
	if (error && !fuse_is_bad(inode))
		send_give(inode);
	spin_lock(&lease->lock);
	lease->is_taking = false;
	if (!error) {
		/* One change, even if it is wanted back by now. */
		lease->state = LEASE_HELD;
		lease->changers++;
	}
	spin_unlock(&lease->lock);
	return error;
}

static bool is_settled(const struct lease *lease)
{
	enum lease_state state = READ_ONCE(lease->state);

	return state == LEASE_NONE ||
	       (state == LEASE_HELD && !READ_ONCE(lease->is_recalled));
}

/*
 * Takes the lease of a regular file unless it is held; to be called after
 * i_rwsem, where that is taken. What is cached is fresh then.
 */
int sawmill_file_begin_change(struct inode *inode)
{
	struct lease *lease = lease_of(inode);
	int error = sawmill_file_refresh(inode);

	while (!error && !try_begin(lease)) {
		/* Without the mutex: changers that go on may need it. */
		wait_event(lease->wait, is_settled(lease));
		mutex_lock(&lease->mutex);
		if (READ_ONCE(lease->state) == LEASE_NONE) {
			error = take(lease);
			mutex_unlock(&lease->mutex);
			break;
		}
		mutex_unlock(&lease->mutex);
	}
	return error;
}

/* ---- giving ---- */

/* Under lease->lock. The inode is referred to, as by its changers. */
static void try_give(struct lease *lease)
{
	if (!lease->is_recalled || lease->changers ||
	    lease->state != LEASE_HELD || !igrab(lease->inode))
		return;
	lease->state = LEASE_GIVING;
	queue_work(sawmill_file_recovery, &lease->giving);
}

void sawmill_file_end_change(struct inode *inode)
{
	struct lease *lease = inode->i_private;

	spin_lock(&lease->lock);
	if (--lease->changers == 0)
		try_give(lease);
	spin_unlock(&lease->lock);
}

static void give_work(struct work_struct *work)
{
	struct lease *lease = container_of(work, struct lease, giving);
	struct inode *inode = lease->inode;

	/* An error is the mapping's, for the next fsync(2). */
	write_inode_now(inode, 1);
	send_give(inode);
	spin_lock(&lease->lock);
	lease->state = LEASE_NONE;
	lease->is_recalled = false;
	spin_unlock(&lease->lock);
	wake_up_all(&lease->wait);
	iput(inode);
}

/*
 * A lease that is not known has been given already: that happens before it is
 * forgotten here, and the server has, or will have, heard of it.
 */
void sawmill_file_recall(struct fuse_conn *fc, u64 id)
{
	struct inode *inode = fuse_ilookup(fc, id, NULL);
	struct lease *lease = inode ? READ_ONCE(inode->i_private) : NULL;

	if (lease) {
		spin_lock(&lease->lock);
		if (lease->is_taking || lease->state != LEASE_NONE) {
			lease->is_recalled = true;
			try_give(lease);
		}
		spin_unlock(&lease->lock);
	}
	iput(inode);
}

/* The server died; under no lease's lock. What it knew of leases is void. */
void sawmill_file_lose_lease(struct inode *inode)
{
	struct lease *lease = inode->i_private;

	if (!lease)
		return;
	spin_lock(&lease->lock);
	if (lease->state == LEASE_HELD)
		lease->state = LEASE_NONE;
	lease->is_seen = false;
	lease->has_names = false;
	lease->version = 0;
	spin_unlock(&lease->lock);
	wake_up_all(&lease->wait);
}

/* ---- names ---- */

/*
 * Is what is cached of a directory's names at least as new as the counter?
 * If not, none of them is taken for granted any more.
 */
bool sawmill_file_names_are_fresh(struct inode *directory)
{
	const struct lease *lease = READ_ONCE(directory->i_private);

	return lease && smp_load_acquire(&lease->has_names) &&
	       READ_ONCE(lease->names) == sawmill_file_counter(directory);
}

void sawmill_file_expire_names(struct dentry *parent)
{
	const struct fuse_entry_out expired = {};
	struct lease *lease = lease_of(d_inode(parent));
	u32 counter = sawmill_file_counter(d_inode(parent));
	struct dentry *child;

	spin_lock(&parent->d_lock);
	list_for_each_entry(child, &parent->d_subdirs, d_child)
		fuse_change_entry_timeout(child,
					  (struct fuse_entry_out *)&expired);
	spin_unlock(&parent->d_lock);
	spin_lock(&lease->lock);
	lease->names = counter;
	smp_store_release(&lease->has_names, true);
	spin_unlock(&lease->lock);
}

/*
 * Ends an operation on a name that began at @counter: what it found out may
 * have been true before another client's change.
 */
void sawmill_file_settle_name(struct inode *directory, struct dentry *dentry,
			      u32 counter)
{
	const struct fuse_entry_out expired = {};

	if (unlikely(sawmill_file_counter(directory) != counter))
		fuse_change_entry_timeout(dentry,
					  (struct fuse_entry_out *)&expired);
}
