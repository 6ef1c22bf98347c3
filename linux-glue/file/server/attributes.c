// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attributes: GETATTR, SETATTR, STATFS, and entries as results of others.
 *
 * Permissions are the client's business (default_permissions): its kernel has
 * the attributes and the credentials. The server runs with its own.
 */
#include <linux/mount.h>
#include <linux/statfs.h>
#include "server.h"

void fill_attributes(const struct inode *inode, struct fuse_attr *attr)
{
	attr->ino = inode->i_ino;
	attr->size = i_size_read(inode);
	attr->blocks = inode->i_blocks;
	attr->atime = inode->i_atime.tv_sec;
	attr->atimensec = inode->i_atime.tv_nsec;
	attr->mtime = inode->i_mtime.tv_sec;
	attr->mtimensec = inode->i_mtime.tv_nsec;
	attr->ctime = inode->i_ctime.tv_sec;
	attr->ctimensec = inode->i_ctime.tv_nsec;
	attr->mode = inode->i_mode;
	attr->nlink = inode->i_nlink;
	attr->uid = i_uid_read(inode);
	attr->gid = i_gid_read(inode);
	attr->rdev = new_encode_dev(inode->i_rdev);
	attr->blksize = i_blocksize(inode);
	if (unlikely(IS_IMMUTABLE(inode)))
		attr->flags |= SAWMILL_FILE_ATTR_IMMUTABLE;
	if (unlikely(IS_APPEND(inode)))
		attr->flags |= SAWMILL_FILE_ATTR_APPEND;
}

int fill_entry(struct server_client *client, struct dentry *dentry,
	       struct fuse_entry_out *entry)
{
	const struct inode *inode = d_inode(dentry);
	int error = node_look_up(client, dentry, &entry->nodeid);

	if (error)
		return error;
	entry->generation = inode->i_generation;
	entry->entry_valid = VALID_SECONDS;
	entry->attr_valid = VALID_SECONDS;
	fill_attributes(inode, &entry->attr);
	if (READ_ONCE(lease_sharing) && S_ISREG(inode->i_mode)) {
		/* Asked for again, and then waited for, if it is used. */
		if (lease_is_foreign(client, entry->nodeid))
			entry->attr_valid = 0;
	}
	return 0;
}

int put_entry(struct request *request, struct dentry *dentry)
{
	struct fuse_entry_out *entry = put_result(request, sizeof(*entry));

	return entry ? fill_entry(request->client, dentry, entry) : -EINVAL;
}

int put_attributes(struct request *request)
{
	struct fuse_attr_out *out = put_result(request, sizeof(*out));
	struct inode *inode = node_inode(request->node);

	if (!out)
		return -EINVAL;
	out->attr_valid = VALID_SECONDS;
	if (READ_ONCE(lease_sharing) && S_ISREG(inode->i_mode))
		out->attr.flags = lease_version(inode) <<
				  SAWMILL_FILE_VERSION_SHIFT;
	fill_attributes(inode, &out->attr);
	return 0;
}

int operate_getattr(struct request *request)
{
	return put_attributes(request);
}

static struct timespec64 take_time(u64 seconds, u32 nanoseconds)
{
	return (struct timespec64){
		.tv_sec = seconds,
		.tv_nsec = min_t(u32, nanoseconds, NSEC_PER_SEC - 1),
	};
}

/* Writes back what the client's cache knows better; no notify_change(). */
static void set_times(struct inode *inode, const struct fuse_setattr_in *in)
{
	if (in->valid & FATTR_ATIME)
		inode->i_atime = timestamp_truncate(
			take_time(in->atime, in->atimensec), inode);
	if (in->valid & FATTR_MTIME)
		inode->i_mtime = timestamp_truncate(
			take_time(in->mtime, in->mtimensec), inode);
	if (in->valid & FATTR_CTIME)
		inode->i_ctime = timestamp_truncate(
			take_time(in->ctime, in->ctimensec), inode);
	mark_inode_dirty(inode);
}

static void to_iattr(const struct fuse_setattr_in *in,
		     const struct inode *inode, struct iattr *attr)
{
	if (in->valid & FATTR_MODE) {
		attr->ia_valid |= ATTR_MODE;
		/* notify_change() would change the type as well. */
		attr->ia_mode = (in->mode & S_IALLUGO) |
				(inode->i_mode & ~S_IALLUGO);
	}
	if (in->valid & FATTR_UID) {
		attr->ia_valid |= ATTR_UID;
		attr->ia_uid = make_kuid(&init_user_ns, in->uid);
	}
	if (in->valid & FATTR_GID) {
		attr->ia_valid |= ATTR_GID;
		attr->ia_gid = make_kgid(&init_user_ns, in->gid);
	}
	if (in->valid & FATTR_SIZE) {
		attr->ia_valid |= ATTR_SIZE;
		attr->ia_size = in->size;
	}
	if (in->valid & FATTR_ATIME) {
		attr->ia_valid |= ATTR_ATIME;
		attr->ia_atime = take_time(in->atime, in->atimensec);
		if (!(in->valid & FATTR_ATIME_NOW))
			attr->ia_valid |= ATTR_ATIME_SET;
	}
	if (in->valid & FATTR_MTIME) {
		attr->ia_valid |= ATTR_MTIME;
		attr->ia_mtime = take_time(in->mtime, in->mtimensec);
		if (!(in->valid & FATTR_MTIME_NOW))
			attr->ia_valid |= ATTR_MTIME_SET;
	}
	/* Every change is one of the inode, as in the callers of notify_change() in the VFS. */
	if (attr->ia_valid || (in->valid & FATTR_CTIME))
		attr->ia_valid |= ATTR_CTIME;
}

/* Of change: only regular files', from the client. */
static bool is_only_times(const struct fuse_setattr_in *in)
{
	u32 valid = in->valid & ~(FATTR_FH | FATTR_LOCKOWNER);

	if (valid & SAWMILL_FILE_SETATTR_TIMES)
		return true;
	return (valid & FATTR_CTIME) && !(valid & ~(FATTR_MTIME | FATTR_CTIME));
}

int operate_setattr(struct request *request)
{
	const struct fuse_setattr_in *in = take_arg(request, sizeof(*in));
	struct dentry *dentry = request->node->dentry;
	struct inode *inode = d_inode(dentry);
	struct iattr attr = {};
	int error;

	if (!in)
		return -EINVAL;
	if ((in->valid & FATTR_SIZE) &&
	    (!S_ISREG(inode->i_mode) || (s64)in->size < 0))
		return -EINVAL;
	to_iattr(in, inode, &attr);
	if (((attr.ia_valid & ATTR_UID) && !uid_valid(attr.ia_uid)) ||
	    ((attr.ia_valid & ATTR_GID) && !gid_valid(attr.ia_gid)))
		return -EINVAL;
	error = mnt_want_write(disk_mount());
	if (error)
		return error;
	inode_lock(inode);
	if (is_only_times(in)) {
		set_times(inode, in);
	} else if (attr.ia_valid) {
		error = notify_change(&init_user_ns, dentry, &attr, NULL);
		/* notify_change() sets its own time of change. */
		if (!error && (in->valid & FATTR_CTIME)) {
			inode->i_ctime = timestamp_truncate(
				take_time(in->ctime, in->ctimensec), inode);
			mark_inode_dirty(inode);
		}
	}
	inode_unlock(inode);
	mnt_drop_write(disk_mount());
	if (!error && (attr.ia_valid & ATTR_SIZE))
		lease_data_changed(inode);
	if (!error)
		lease_changed(request->client, inode);
	return error ?: put_attributes(request);
}

int operate_statfs(struct request *request)
{
	struct path path = {
		.mnt = disk_mount(),
		.dentry = request->node->dentry,
	};
	struct fuse_statfs_out *out = put_result(request, sizeof(*out));
	struct kstatfs stat;
	int error;

	if (!out)
		return -EINVAL;
	error = vfs_statfs(&path, &stat);
	if (error)
		return error;
	out->st.blocks = stat.f_blocks;
	out->st.bfree = stat.f_bfree;
	out->st.bavail = stat.f_bavail;
	out->st.files = stat.f_files;
	out->st.ffree = stat.f_ffree;
	out->st.bsize = stat.f_bsize;
	out->st.namelen = stat.f_namelen;
	out->st.frsize = stat.f_frsize;
	return 0;
}
