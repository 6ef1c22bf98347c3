// SPDX-License-Identifier: GPL-2.0-only
/*
 * Locks among several clients: GETLK, SETLK.
 *
 * A client settles locks among its own processes itself and then asks here, so
 * that only locks of different clients meet. They are POSIX locks of this
 * kernel, whose owner is a keyed hash of what the client calls it, so that no
 * client can speak for another. An flock(2) lock is one on the last byte
 * that a file could have, which no fcntl(2) lock reaches here.
 *
 * Nobody waits here: a client asks again.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/siphash.h>
#include "server.h"

#define FLOCK_BYTE	OFFSET_MAX
/* On one file: each takes memory of this kernel. */
#define LOCKS_MAX	1024

/* Nobody can guess what stands for another client's owner. */
static void *owner_of(struct server_client *client, u64 id)
{
	return (void *)(unsigned long)siphash_1u64(id, &client->owner_key);
}

/* The lock that a request is about; 0 or -errno. */
static int take_lock(struct request *request, struct file_lock *lock)
{
	const struct fuse_lk_in *in = take_arg(request, sizeof(*in));
	struct file *file;
	bool is_flock;

	if (!in)
		return -EINVAL;
	file = node_file(request->node);
	if (IS_ERR(file))
		return PTR_ERR(file);
	is_flock = in->lk_flags & FUSE_LK_FLOCK;
	locks_init_lock(lock);
	lock->fl_type = in->lk.type;
	lock->fl_flags = FL_POSIX;
	lock->fl_owner = owner_of(request->client, in->owner);
	lock->fl_file = file;
	lock->fl_pid = in->lk.pid;
	lock->fl_start = is_flock ? FLOCK_BYTE : in->lk.start;
	lock->fl_end = is_flock ? FLOCK_BYTE :
		       min_t(u64, in->lk.end, FLOCK_BYTE - 1);
	if (lock->fl_start < 0 || lock->fl_end < lock->fl_start ||
	    (in->lk.type != F_RDLCK && in->lk.type != F_WRLCK &&
	     in->lk.type != F_UNLCK))
		return -EINVAL;
	return 0;
}

static unsigned int count_locks(struct inode *inode)
{
	struct file_lock_context *context = smp_load_acquire(&inode->i_flctx);
	unsigned int count = 0;
	struct file_lock *lock;

	if (!context)
		return 0;
	spin_lock(&context->flc_lock);
	list_for_each_entry(lock, &context->flc_posix, fl_list)
		count++;
	spin_unlock(&context->flc_lock);
	return count;
}

/* May there be a lock more afterwards? One that is cut in two makes two. */
static bool is_growing(const struct file_lock *lock)
{
	return lock->fl_type != F_UNLCK ||
	       (lock->fl_start > 0 && lock->fl_end < FLOCK_BYTE - 1);
}

int operate_setlk(struct request *request)
{
	struct file_lock lock;
	int error = take_lock(request, &lock);

	if (error)
		return error;
	if (is_growing(&lock) &&
	    count_locks(file_inode(lock.fl_file)) >= LOCKS_MAX)
		return -ENOLCK;
	/* Set before the lock is, so that it is looked for. */
	WRITE_ONCE(request->node->has_locks, true);
	return posix_lock_file(lock.fl_file, &lock, NULL);
}

int operate_getlk(struct request *request)
{
	struct fuse_lk_out *out;
	struct file_lock lock;
	int error = take_lock(request, &lock);

	if (error)
		return error;
	out = put_result(request, sizeof(*out));
	if (!out)
		return -EINVAL;
	posix_test_lock(lock.fl_file, &lock);
	out->lk.type = lock.fl_type;
	if (lock.fl_type != F_UNLCK) {
		out->lk.start = lock.fl_start;
		/* As it would be without the byte that is not there. */
		out->lk.end = lock.fl_end == FLOCK_BYTE - 1 ? OFFSET_MAX :
							      lock.fl_end;
	}
	return 0;
}

/* The owner of a lock that was set through @file, or NULL. */
static void *find_owner(struct file *file)
{
	struct file_lock_context *context =
		smp_load_acquire(&file_inode(file)->i_flctx);
	struct file_lock *lock;
	void *owner = NULL;

	if (!context)
		return NULL;
	spin_lock(&context->flc_lock);
	list_for_each_entry(lock, &context->flc_posix, fl_list)
		if (lock->fl_file == file)
			owner = lock->fl_owner;
	spin_unlock(&context->flc_lock);
	return owner;
}

/* Before a client's node goes, its locks go. */
void locks_end(struct node *node)
{
	void *owner;

	while ((owner = find_owner(node->file)) != NULL) {
		struct file_lock lock;

		locks_init_lock(&lock);
		lock.fl_type = F_UNLCK;
		lock.fl_flags = FL_POSIX | FL_CLOSE;
		lock.fl_owner = owner;
		lock.fl_file = node->file;
		lock.fl_end = OFFSET_MAX;
		/* Takes no memory: it ends with a lock less. */
		if (posix_lock_file(node->file, &lock, NULL))
			break;
	}
}
