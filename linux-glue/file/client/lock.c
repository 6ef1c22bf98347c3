// SPDX-License-Identifier: GPL-2.0-only
/*
 * fcntl(2) and flock(2) locks, when there are other clients.
 *
 * The server grants a lock, then it is set here as without a server, so that
 * closing a file finds it. Locks that are held when the first other client
 * comes are told to the server then, and again to a server that was started
 * again. Who waits asks again and again, and can be interrupted; a deadlock is
 * not found. A lock also makes visible what others wrote into mapped files:
 * they are looked at before it is granted.
 */
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/pid_namespace.h>
#include <linux/sched/signal.h>
#include "client.h"

#define ASK_FIRST_MS	1
#define ASK_LAST_MS	32

static int ask(struct inode *inode, const struct file_lock *lock,
	       unsigned char type, u32 opcode, struct fuse_lk_out *out)
{
	struct fuse_mount *fm = get_fuse_mount(inode);
	bool is_flock = lock->fl_flags & FL_FLOCK;
	struct fuse_lk_in in = {
		/* The owner of an flock(2) lock is the open file. */
		.owner = fuse_lock_owner_id(fm->fc, is_flock ? lock->fl_file :
					    lock->fl_owner),
		.lk.start = lock->fl_start,
		.lk.end = lock->fl_end,
		.lk.type = type,
		.lk_flags = is_flock ? FUSE_LK_FLOCK : 0,
	};

	return sawmill_file_ask(fm, get_node_id(inode), opcode,
				&in, sizeof(in), out, out ? sizeof(*out) : 0);
}

static int tell(struct inode *inode, const struct file_lock *lock,
		unsigned char type)
{
	return ask(inode, lock, type, FUSE_SETLK, NULL);
}

/* Asks until it is granted, if @may_wait. */
static int tell_and_wait(struct inode *inode, const struct file_lock *lock,
			 bool may_wait)
{
	unsigned int pause = ASK_FIRST_MS;
	int error;

	for (;;) {
		error = tell(inode, lock, lock->fl_type);
		if (error != -EAGAIN || !may_wait)
			return error;
		if (msleep_interruptible(pause))
			return -ERESTARTSYS;
		pause = min_t(unsigned int, 2 * pause, ASK_LAST_MS);
	}
}

static int set_here(struct file *file, struct file_lock *lock)
{
	if (lock->fl_flags & FL_FLOCK)
		return locks_lock_file_wait(file, lock);
	/* FILE_LOCK_DEFERRED: the VFS waits, and comes back. */
	return posix_lock_file(file, lock, NULL);
}

static int set(struct file *file, struct file_lock *lock)
{
	struct inode *inode = file_inode(file);
	bool may_wait = lock->fl_flags & FL_SLEEP;
	int error;

	if (!sawmill_file_is_shared(inode)) {
		error = set_here(file, lock);
		/* Unless share() came between, and did not see this one. */
		if (error || lock->fl_type == F_UNLCK ||
		    !sawmill_file_is_shared(inode))
			return error;
	}
	if (lock->fl_type == F_UNLCK) {
		tell(inode, lock, F_UNLCK);
		return set_here(file, lock);
	}
	/* flock(2) gives up what it has before it waits for more. */
	if (lock->fl_flags & FL_FLOCK)
		tell(inode, lock, F_UNLCK);
	error = tell_and_wait(inode, lock, may_wait);
	if (!error) {
		/* Who had it here has told the server, and is about to go. */
		lock->fl_flags |= FL_SLEEP;
		error = locks_lock_file_wait(file, lock);
		if (error)
			tell(inode, lock, F_UNLCK);
		else
			sawmill_file_look_now(get_fuse_conn(inode)->iq.priv);
	} else if (lock->fl_flags & FL_FLOCK) {
		lock->fl_type = F_UNLCK;
		locks_lock_file_wait(file, lock);
	}
	return error;
}

static int test(struct file *file, struct file_lock *lock)
{
	struct inode *inode = file_inode(file);
	struct fuse_lk_out out = {};
	struct file_lock local = *lock;
	int error;

	posix_test_lock(file, &local);
	if (local.fl_type != F_UNLCK || !sawmill_file_is_shared(inode)) {
		*lock = local;
		return 0;
	}
	error = ask(inode, lock, lock->fl_type, FUSE_GETLK, &out);
	if (error)
		return error;
	lock->fl_type = out.lk.type;
	if (out.lk.type == F_UNLCK)
		return 0;
	if (out.lk.start > OFFSET_MAX || out.lk.end > OFFSET_MAX ||
	    out.lk.end < out.lk.start)
		return -EIO;
	lock->fl_start = out.lk.start;
	lock->fl_end = out.lk.end;
	/* A process of another kernel. */
	lock->fl_pid = 0;
	return 0;
}

int sawmill_file_lock(struct file *file, int command, struct file_lock *lock)
{
	if (command == F_CANCELLK)
		return 0;
	if (command == F_GETLK)
		return test(file, lock);
	return set(file, lock);
}

int sawmill_file_flock(struct file *file, int command, struct file_lock *lock)
{
	return set(file, lock);
}

/* ---- locks that are held already ---- */

static struct file_lock *copy_nth(struct list_head *list, unsigned int n,
				  struct file_lock *copy)
{
	struct file_lock *lock;

	list_for_each_entry(lock, list, fl_list)
		if (!n--) {
			*copy = *lock;
			return copy;
		}
	return NULL;
}

/* Few files have any, and few locks. */
static void tell_locks(struct inode *inode)
{
	struct file_lock_context *context = smp_load_acquire(&inode->i_flctx);
	struct file_lock copy, *lock;
	unsigned int list, i;

	if (!context)
		return;
	for (list = 0; list < 2; list++)
		for (i = 0;; i++) {
			spin_lock(&context->flc_lock);
			lock = copy_nth(list ? &context->flc_flock :
					       &context->flc_posix, i, &copy);
			spin_unlock(&context->flc_lock);
			if (!lock)
				break;
			if (tell(inode, lock, lock->fl_type))
				pr_warn("sawmill: file: a lock on inode %lu is held by another client, too\n",
					inode->i_ino);
		}
}

/* Tells the server of all locks. */
void sawmill_file_tell_locks(struct super_block *sb)
{
	struct inode *inode, *last = NULL;

	spin_lock(&sb->s_inode_list_lock);
	list_for_each_entry(inode, &sb->s_inodes, i_sb_list) {
		/* Who can have a lock has a reference. */
		if (!smp_load_acquire(&inode->i_flctx) ||
		    !atomic_read(&inode->i_count) || !igrab(inode))
			continue;
		spin_unlock(&sb->s_inode_list_lock);
		iput(last);
		last = inode;
		tell_locks(inode);
		spin_lock(&sb->s_inode_list_lock);
	}
	spin_unlock(&sb->s_inode_list_lock);
	iput(last);
}
