// SPDX-License-Identifier: GPL-2.0-only
/*
 * Carries on with a server that root has started in place of a dead one.
 *
 * The session is BROKEN from the server's death on: no slot is given out, and
 * whoever has one learns of the death. When the last slot is back, nobody is
 * in a call and the control area is ours alone; root then connects us with
 * the new server as soon as there is one, and INIT says that we know nodes.
 * Node ids are inode numbers, so what is open and cached stays as it is.
 *
 * What the old server had not yet put on the disk is lost with it. Of file
 * data the cache here has a copy: files not synchronized since they were
 * written back become dirty again. Where that copy is gone, or the file with
 * it, the next fsync(2) fails; so does that of a directory whose names were
 * changed and not synchronized.
 *
 * Lock: client->lock: session, sb.
 */
#include <linux/delay.h>
#include <linux/pagemap.h>
#include <linux/pagevec.h>
#include "client.h"

/* A server that does not come back by then counts as gone. */
#define RESTART_WAIT	(20 * HZ)
#define ASK_AGAIN_MS	10

struct workqueue_struct *sawmill_file_recovery;

/* ---- the session ---- */

static bool is_quiet(struct sawmill_file_client *client)
{
	return READ_ONCE(client->free_slots) == ~0UL;
}

/* INIT in a slot of our own; 0 or -errno. */
static int resume(struct sawmill_file_client *client)
{
	struct {
		struct fuse_in_header header;
		struct fuse_init_in arg;
	} message = {
		.header.len = sizeof(message),
		.header.opcode = FUSE_INIT,
		.arg.major = FUSE_KERNEL_VERSION,
		.arg.minor = FUSE_KERNEL_MINOR_VERSION,
		.arg.flags = FUSE_INIT_EXT,
		.arg.flags2 = SAWMILL_FILE_INIT_RESUME,
	};
	struct sawmill_file_completion answer;
	u64 in[SAWMILL_CALL_WORDS] = {
		0, sizeof(message) | (u64)sizeof(struct fuse_init_out) << 32,
	};
	bool is_answered;

	/* Whoever has it just now sees the session and gives it back. */
	while (!test_and_clear_bit(0, &client->free_slots))
		cpu_relax();
	spin_lock_irq(&client->lock);
	client->ring_taken = READ_ONCE(client->header->head);
	client->slots[0].state = SLOT_CALLED;
	spin_unlock_irq(&client->lock);
	memcpy(client->shared_slots[0].in, &message, sizeof(message));
	is_answered = sawmill_file_call(client, 0, in, &answer);
	sawmill_file_put_slot(client, 0);
	if (!is_answered)
		return -EAGAIN;
	return answer.error ? -EIO : 0;
}

static int reconnect(struct sawmill_file_client *client)
{
	unsigned long end = jiffies + RESTART_WAIT;
	int error;

	for (;;) {
		error = sawmill_connection_revive(client->connection);
		if (!error && READ_ONCE(client->sb))
			error = resume(client);
		if (error != -EAGAIN || time_after(jiffies, end))
			return error;
		msleep(ASK_AGAIN_MS);
	}
}

/* ---- what is cached ---- */

static bool has_all_pages(struct inode *inode)
{
	return inode->i_mapping->nrpages >=
	       DIV_ROUND_UP(i_size_read(inode), PAGE_SIZE);
}

/* Nothing of it is under I/O that could fail to come: no page is locked. */
void sawmill_file_make_dirty_again(struct inode *inode)
{
	struct address_space *mapping = inode->i_mapping;
	struct folio_batch batch;
	pgoff_t next = 0;
	unsigned int i;

	if (!has_all_pages(inode))
		mapping_set_error(mapping, -EIO);
	folio_batch_init(&batch);
	while (filemap_get_folios(mapping, &next, ULONG_MAX, &batch)) {
		for (i = 0; i < folio_batch_count(&batch); i++) {
			struct folio *folio = batch.folios[i];

			if (folio_test_uptodate(folio))
				filemap_dirty_folio(mapping, folio);
		}
		folio_batch_release(&batch);
		cond_resched();
	}
}

static void look_at_inode(struct inode *inode)
{
	const struct fuse_entry_out expired = {};
	struct fuse_inode *fi = get_fuse_inode(inode);
	struct dentry *dentry;

	/* Names that did not reach the disk are gone. */
	spin_lock(&inode->i_lock);
	hlist_for_each_entry(dentry, &inode->i_dentry, d_u.d_alias)
		fuse_change_entry_timeout(dentry,
					  (struct fuse_entry_out *)&expired);
	spin_unlock(&inode->i_lock);
	/* Attributes are the new server's; size and times are ours. */
	set_mask_bits(&fi->inval_mask, 0, STATX_BASIC_STATS);
	sawmill_file_lose_lease(inode);
	if (!test_bit(SAWMILL_I_UNSTABLE, &fi->state))
		return;
	if (S_ISREG(inode->i_mode))
		sawmill_file_make_dirty_again(inode);
	else
		mapping_set_error(inode->i_mapping, -EIO);
}

static void look_at_inodes(struct super_block *sb)
{
	struct inode *inode, *last = NULL;

	spin_lock(&sb->s_inode_list_lock);
	list_for_each_entry(inode, &sb->s_inodes, i_sb_list) {
		spin_lock(&inode->i_lock);
		if ((inode->i_state & (I_FREEING | I_WILL_FREE | I_NEW)) ||
		    fuse_is_bad(inode)) {
			spin_unlock(&inode->i_lock);
			continue;
		}
		__iget(inode);
		spin_unlock(&inode->i_lock);
		spin_unlock(&sb->s_inode_list_lock);
		iput(last);
		last = inode;
		look_at_inode(inode);
		cond_resched();
		spin_lock(&sb->s_inode_list_lock);
	}
	spin_unlock(&sb->s_inode_list_lock);
	iput(last);
}

/* ---- recovery ---- */

/* Returns the mounted super block with a reference, or NULL. */
struct super_block *
sawmill_file_hold_super(struct sawmill_file_client *client)
{
	struct super_block *sb;

	spin_lock_irq(&client->lock);
	sb = client->sb;
	if (sb && !atomic_inc_not_zero(&sb->s_active))
		sb = NULL;
	spin_unlock_irq(&client->lock);
	return sb;
}

/* True if the session has left BROKEN. */
static bool try_end(struct sawmill_file_client *client, int error)
{
	bool is_over;

	spin_lock_irq(&client->lock);
	is_over = error || !sawmill_connection_is_dead(client->connection);
	if (is_over)
		WRITE_ONCE(client->session, error ? SESSION_GONE : SESSION_LIVE);
	spin_unlock_irq(&client->lock);
	return is_over;
}

void sawmill_file_recover(struct work_struct *work)
{
	struct sawmill_file_client *client =
		container_of(work, struct sawmill_file_client, recovery);
	const char *name = client->connection->name;
	struct super_block *sb = sawmill_file_hold_super(client);
	int error;

	pr_warn("sawmill: file: the server of %s died\n", name);
	do {
		wait_event(client->room, is_quiet(client));
		if (sb)
			sawmill_file_drop_forgets(client,
						  &get_fuse_conn_super(sb)->iq);
		error = reconnect(client);
		if (sb && !error) {
			shrink_dcache_sb(sb);
			look_at_inodes(sb);
		}
	} while (!try_end(client, error));
	wake_up_all(&client->room);
	if (sb && !error && client->is_shared)
		sawmill_file_tell_locks(sb);
	if (error)
		pr_err("sawmill: file: no server for %s: %d\n", name, error);
	else
		pr_warn("sawmill: file: %s goes on with a new server\n", name);
	if (sb)
		deactivate_super(sb);
}

static int __init recovery_init(void)
{
	sawmill_file_recovery = alloc_workqueue("sawmill-file",
						WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	return sawmill_file_recovery ? 0 : -ENOMEM;
}
subsys_initcall(recovery_init);
