// SPDX-License-Identifier: GPL-2.0-only
/*
 * What path walks and stat(2) ask, answered from what is cached and valid.
 *
 * FUSE asks each time whether this process may use the mount at all (anyone
 * may use ours), and which of the attributes may have changed at the server,
 * in ways that depend on what the server can do. Ours is known. Where anything
 * has to be asked for, and where the answer would be no, FUSE decides.
 *
 * No lock: as in FUSE.
 */
#include <linux/fs.h>
#include <linux/namei.h>
#include "client.h"

#define PERMISSION_FROM	(STATX_MODE | STATX_UID | STATX_GID)

static int (*fuse_permission)(struct user_namespace *, struct inode *, int);

/* None of @attributes has to be asked for. */
static bool is_valid(struct inode *inode, u32 attributes)
{
	const struct fuse_inode *fi = get_fuse_inode(inode);

	return !(READ_ONCE(fi->inval_mask) & attributes) &&
	       !time_before64(fi->i_time, get_jiffies_64()) &&
	       !fuse_is_bad(inode);
}

static int check_permission(struct user_namespace *ns, struct inode *inode,
			    int mask)
{
	int error = -EACCES;

	if (likely(is_valid(inode, PERMISSION_FROM)))
		error = generic_permission(&init_user_ns, inode, mask);
	if (unlikely(error == -EACCES))
		error = fuse_permission(ns, inode, mask);
	return error;
}

/* FUSE has the same function in all its tables that have one. */
void sawmill_file_check_cached(struct inode_operations *operations)
{
	if (!operations->permission)
		return;
	fuse_permission = operations->permission;
	operations->permission = check_permission;
}

/* False: the server may know better. */
bool sawmill_file_try_getattr(struct inode *inode, struct kstat *stat, u32 mask,
			      unsigned int flags)
{
	const struct fuse_inode *fi = get_fuse_inode(inode);

	if (!is_valid(inode, mask & ~fuse_get_cache_mask(inode)) ||
	    unlikely(flags & AT_STATX_FORCE_SYNC))
		return false;
	generic_fillattr(&init_user_ns, inode, stat);
	stat->mode = fi->orig_i_mode;
	stat->ino = fi->orig_ino;
	return true;
}

/* False: FUSE has to look. A name's time is where FUSE keeps it. */
bool sawmill_file_is_valid_name(const struct dentry *dentry, unsigned int flags)
{
	struct inode *inode = d_inode_rcu(dentry);
	u64 valid_until = (unsigned long)READ_ONCE(dentry->d_fsdata);

	BUILD_BUG_ON(BITS_PER_LONG != 64);
	if (time_before64(valid_until, get_jiffies_64()) ||
	    (flags & LOOKUP_REVAL))
		return false;
	return !inode || (!fuse_is_bad(inode) &&
			  !test_bit(FUSE_I_INIT_RDPLUS,
				    &get_fuse_inode(inode)->state));
}
