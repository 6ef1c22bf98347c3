// SPDX-License-Identifier: GPL-2.0-only
/*
 * Times of access, and the writing back of times.
 *
 * FUSE leaves times of access to its server. Ours does not see what is read
 * from the cache, so they are kept here by the rules of the mount (relatime,
 * noatime), as for a file system on a disk, and written back with the inode.
 *
 * Until then every answer of the server brings the old one. So the new one
 * stands also in the upper half of fuse_inode::state, in whole seconds as ext2
 * has them, from the access until it has been sent or set by a program.
 */
#include <linux/fs.h>
#include "client.h"

#define ATIME_SHIFT	32
#define ATIME_MASK	(~0UL << ATIME_SHIFT)

static int (*fuse_getattr)(struct user_namespace *, const struct path *,
			   struct kstat *, u32, unsigned int);
static int (*fuse_setattr)(struct user_namespace *, struct dentry *,
			   struct iattr *);

static u32 kept_atime(struct inode *inode)
{
	return READ_ONCE(get_fuse_inode(inode)->state) >> ATIME_SHIFT;
}

static void keep_atime(struct inode *inode, u32 seconds)
{
	set_mask_bits(&get_fuse_inode(inode)->state, ATIME_MASK,
		      (unsigned long)seconds << ATIME_SHIFT);
}

/* A program has set another one. */
void sawmill_file_forget_atime(struct inode *inode)
{
	keep_atime(inode, 0);
}

static int update_time(struct inode *inode, struct timespec64 *time, int flags)
{
	if (flags & S_ATIME)
		keep_atime(inode, time->tv_sec);
	return generic_update_time(inode, time, flags);
}

static int get_attributes(struct user_namespace *ns, const struct path *path,
			  struct kstat *stat, u32 mask, unsigned int flags)
{
	struct inode *inode = d_inode(path->dentry);
	int error = 0;
	s32 kept;

	if (!sawmill_file_try_getattr(inode, stat, mask, flags))
		error = fuse_getattr(ns, path, stat, mask, flags);
	kept = kept_atime(inode);
	if (unlikely(kept) && !error) {
		inode->i_atime = (struct timespec64){ .tv_sec = kept };
		stat->atime = inode->i_atime;
	}
	return error;
}

static int set_attributes(struct user_namespace *ns, struct dentry *dentry,
			  struct iattr *attr)
{
	int error = fuse_setattr(ns, dentry, attr);

	if (!error && (attr->ia_valid & ATTR_ATIME))
		sawmill_file_forget_atime(d_inode(dentry));
	return error;
}

/* FUSE has the same functions in all its tables. */
void sawmill_file_keep_times(struct inode_operations *operations)
{
	fuse_getattr = operations->getattr;
	fuse_setattr = operations->setattr;
	operations->getattr = get_attributes;
	operations->setattr = set_attributes;
	operations->update_time = update_time;
}

/*
 * Of regular files all times are ours, while we have the lease; of others the
 * server has set the times of change.
 */
int sawmill_file_write_inode(struct inode *inode,
			     struct writeback_control *control)
{
	u32 atime = atomic_long_fetch_and(~ATIME_MASK,
			(atomic_long_t *)&get_fuse_inode(inode)->state) >>
		    ATIME_SHIFT;
	struct fuse_setattr_in in = { .valid = SAWMILL_FILE_SETATTR_TIMES };
	struct fuse_attr_out out;
	int error;

	if (atime) {
		in.valid |= FATTR_ATIME;
		in.atime = (s32)atime;
	}
	if (S_ISREG(inode->i_mode) &&
	    (!atime || sawmill_file_has_lease(inode))) {
		in.valid |= FATTR_MTIME | FATTR_CTIME;
		in.mtime = inode->i_mtime.tv_sec;
		in.mtimensec = inode->i_mtime.tv_nsec;
		in.ctime = inode->i_ctime.tv_sec;
		in.ctimensec = inode->i_ctime.tv_nsec;
	}
	if (in.valid == SAWMILL_FILE_SETATTR_TIMES)
		return 0;
	error = sawmill_file_ask(get_fuse_mount(inode), get_node_id(inode),
				 FUSE_SETATTR, &in, sizeof(in),
				 &out, sizeof(out));
	if (error && atime && !kept_atime(inode))
		keep_atime(inode, atime);
	/* Reading is allowed on a disk that cannot be written. */
	return error == -EROFS ? 0 : error;
}
