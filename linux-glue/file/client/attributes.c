// SPDX-License-Identifier: GPL-2.0-only
/*
 * SETATTR of regular files, without write-back and without a GETATTR before;
 * flags of inodes; lists of extended attributes.
 *
 * FUSE writes all dirty pages back before it changes mode, owner or times,
 * because a server sets times of its own when data arrives. Ours leaves the
 * times of write-back to the client, so that there is nothing to order.
 * Changes of size stay with FUSE, which holds write-back off meanwhile.
 *
 * Lock: i_rwsem of the inode, held by the VFS.
 */
#include <linux/fs.h>
#include <linux/fileattr.h>
#include <linux/posix_acl.h>
#include <linux/xattr.h>
#include "client.h"

static void fill_times(const struct iattr *attr, struct fuse_setattr_in *in)
{
	if (attr->ia_valid & ATTR_ATIME) {
		in->valid |= FATTR_ATIME;
		in->atime = attr->ia_atime.tv_sec;
		in->atimensec = attr->ia_atime.tv_nsec;
		if (!(attr->ia_valid & ATTR_ATIME_SET))
			in->valid |= FATTR_ATIME_NOW;
	}
	/* The client's clock counts for these two, as for cached writes. */
	if (attr->ia_valid & ATTR_MTIME) {
		in->valid |= FATTR_MTIME;
		in->mtime = attr->ia_mtime.tv_sec;
		in->mtimensec = attr->ia_mtime.tv_nsec;
	}
	if (attr->ia_valid & ATTR_CTIME) {
		in->valid |= FATTR_CTIME;
		in->ctime = attr->ia_ctime.tv_sec;
		in->ctimensec = attr->ia_ctime.tv_nsec;
	}
}

static void fill(const struct iattr *attr, struct fuse_setattr_in *in)
{
	if (attr->ia_valid & ATTR_MODE) {
		in->valid |= FATTR_MODE;
		in->mode = attr->ia_mode;
	}
	if (attr->ia_valid & ATTR_UID) {
		in->valid |= FATTR_UID;
		in->uid = from_kuid(&init_user_ns, attr->ia_uid);
	}
	if (attr->ia_valid & ATTR_GID) {
		in->valid |= FATTR_GID;
		in->gid = from_kgid(&init_user_ns, attr->ia_gid);
	}
	fill_times(attr, in);
}

int sawmill_file_trust(struct inode *inode, struct fuse_attr *attr)
{
	if (!fuse_invalid_attr(attr) && !inode_wrong_type(inode, attr->mode))
		return 0;
	fuse_make_bad(inode);
	return -EIO;
}

static int send(struct inode *inode, const struct iattr *attr)
{
	struct fuse_inode *fi = get_fuse_inode(inode);
	struct fuse_setattr_in in = {};
	struct fuse_attr_out out = {};
	int error;

	fill(attr, &in);
	error = sawmill_file_ask(get_fuse_mount(inode), get_node_id(inode),
				 FUSE_SETATTR, &in, sizeof(in),
				 &out, sizeof(out));
	if (error)
		return error;
	error = sawmill_file_trust(inode, &out.attr);
	if (error)
		return error;
	spin_lock(&fi->lock);
	/* As the file system can store them: in whole seconds, until 2038. */
	if (attr->ia_valid & ATTR_MTIME) {
		inode->i_mtime.tv_sec = out.attr.mtime;
		inode->i_mtime.tv_nsec = out.attr.mtimensec;
	}
	if (attr->ia_valid & ATTR_CTIME) {
		inode->i_ctime.tv_sec = out.attr.ctime;
		inode->i_ctime.tv_nsec = out.attr.ctimensec;
	}
	fuse_change_attributes_common(inode, &out.attr, fi->i_time,
				      fuse_get_cache_mask(inode));
	spin_unlock(&fi->lock);
	return 0;
}

/* True if done, with the result in @error; false: it is FUSE's to do. */
bool sawmill_file_try_setattr(struct dentry *dentry, struct iattr *attr,
			      int *error)
{
	struct inode *inode = d_inode(dentry);

	/* Nothing to kill: the mode here is the mode. */
	if (!(inode->i_mode & (S_ISUID | S_ISGID)))
		attr->ia_valid &= ~(ATTR_KILL_SUID | ATTR_KILL_SGID);
	if (!S_ISREG(inode->i_mode) || fuse_is_bad(inode) ||
	    (attr->ia_valid & (ATTR_SIZE | ATTR_KILL_SUID | ATTR_KILL_SGID)))
		return false;
	*error = setattr_prepare(&init_user_ns, dentry, attr);
	if (!*error && attr->ia_valid)
		*error = send(inode, attr);
	if (!*error && (attr->ia_valid & ATTR_MODE))
		forget_all_cached_acls(inode);
	return true;
}

/* ---- what chattr(1) sets: the VFS here looks at the inode here ---- */

void sawmill_file_take_flags(struct inode *inode, const struct fuse_attr *attr)
{
	inode_set_flags(inode,
			(attr->flags & SAWMILL_FILE_ATTR_IMMUTABLE ?
			 S_IMMUTABLE : 0) |
			(attr->flags & SAWMILL_FILE_ATTR_APPEND ? S_APPEND : 0),
			S_IMMUTABLE | S_APPEND);
}

int sawmill_file_set_flags(struct user_namespace *ns, struct dentry *dentry,
			   struct fileattr *attr)
{
	int error = fuse_fileattr_set(ns, dentry, attr);

	if (!error)
		inode_set_flags(d_inode(dentry),
				(attr->flags & FS_IMMUTABLE_FL ? S_IMMUTABLE : 0) |
				(attr->flags & FS_APPEND_FL ? S_APPEND : 0),
				S_IMMUTABLE | S_APPEND);
	return error;
}

/* ---- extended attributes ---- */

/* As ext2: the names of trusted attributes are for who may read them. */
ssize_t sawmill_file_list_xattrs(struct dentry *dentry, char *list, size_t size)
{
	ssize_t got = fuse_listxattr(dentry, list, size);
	char *from, *to = list;
	size_t length;

	if (got <= 0 || !size || capable(CAP_SYS_ADMIN))
		return got;
	/* FUSE has checked that each name ends before the list does. */
	for (from = list; from < list + got; from += length) {
		length = strlen(from) + 1;
		if (!strncmp(from, XATTR_TRUSTED_PREFIX,
			     XATTR_TRUSTED_PREFIX_LEN))
			continue;
		memmove(to, from, length);
		to += length;
	}
	return to - list;
}
