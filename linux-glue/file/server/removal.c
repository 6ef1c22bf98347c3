// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names that go: removal, renaming.
 *
 * Locks: the VFS's own (i_rwsem of directories, s_vfs_rename_mutex).
 */
#include <linux/mount.h>
#include <linux/namei.h>
#include "server.h"

/* ---- removal ---- */

static int remove_name(struct request *request,
		       int (*remove)(struct inode *directory,
				     struct dentry *dentry))
{
	const char *name = take_name(request);
	struct inode *inode = NULL;
	struct dentry *dentry;
	int error = -ENOENT;

	if (IS_ERR(name))
		return PTR_ERR(name);
	dentry = name_begin(request, name, I_MUTEX_PARENT);
	if (IS_ERR(dentry))
		return PTR_ERR(dentry);
	if (d_really_is_positive(dentry)) {
		/* Blocks are freed after the directory is unlocked. */
		inode = d_inode(dentry);
		ihold(inode);
		error = lease_keep(request->client, dentry);
		if (!error)
			error = remove(node_inode(request->node), dentry);
	}
	if (!error) {
		lease_changed(request->client, node_inode(request->node));
		lease_changed(request->client, inode);
	}
	name_end(request, dentry);
	iput(inode);
	return error;
}

static int remove_file(struct inode *directory, struct dentry *dentry)
{
	return vfs_unlink(&init_user_ns, directory, dentry, NULL);
}

static int remove_directory(struct inode *directory, struct dentry *dentry)
{
	return vfs_rmdir(&init_user_ns, directory, dentry);
}

int operate_unlink(struct request *request)
{
	return remove_name(request, remove_file);
}

int operate_rmdir(struct request *request)
{
	return remove_name(request, remove_directory);
}

/* ---- renaming ---- */

static int rename_locked(struct server_client *client,
			 struct dentry *old_parent, struct dentry *new_parent,
			 const char *old_name, const char *new_name,
			 struct dentry *trap, unsigned int flags)
{
	struct renamedata data = {
		.old_mnt_userns = &init_user_ns,
		.old_dir = d_inode(old_parent),
		.new_mnt_userns = &init_user_ns,
		.new_dir = d_inode(new_parent),
		.flags = flags,
	};
	struct dentry *old, *new;
	struct inode *replaced;
	int error;

	if (IS_DEADDIR(data.old_dir) || IS_DEADDIR(data.new_dir))
		return -ENOENT;
	old = name_look_up(old_parent, old_name);
	if (IS_ERR(old))
		return PTR_ERR(old);
	new = name_look_up(new_parent, new_name);
	if (IS_ERR(new)) {
		dput(old);
		return PTR_ERR(new);
	}
	data.old_dentry = old;
	data.new_dentry = new;
	error = -ENOENT;
	if (d_really_is_negative(old))
		goto out;
	error = -EEXIST;
	if ((flags & RENAME_NOREPLACE) && d_really_is_positive(new))
		goto out;
	/* Into its own subtree, or over its own ancestor. */
	error = -EINVAL;
	if (old == trap)
		goto out;
	error = -ENOTEMPTY;
	if (new == trap)
		goto out;
	replaced = d_inode(new);
	error = replaced ? lease_keep(client, new) : 0;
	if (!error)
		error = vfs_rename(&data);
	if (!error) {
		lease_changed(client, data.old_dir);
		lease_changed(client, data.new_dir);
		lease_changed(client, d_inode(old));
		if (replaced)
			lease_changed(client, replaced);
	}
out:
	dput(new);
	dput(old);
	return error;
}

static int rename_names(struct request *request, u64 new_directory,
			unsigned int flags)
{
	const char *old_name = take_name(request);
	const char *new_name = IS_ERR(old_name) ? old_name : take_name(request);
	struct dentry *trap;
	struct node *new;
	int error;

	/* What ext2 has; the rest is answered as ext2 answers. */
	if (IS_ERR(new_name))
		return PTR_ERR(new_name);
	if (flags & ~RENAME_NOREPLACE)
		return -EINVAL;
	new = node_get(request->client, new_directory);
	if (!new)
		return -ESTALE;
	error = -ENOTDIR;
	if (!d_is_dir(new->dentry))
		goto out;
	error = mnt_want_write(disk_mount());
	if (error)
		goto out;
	trap = lock_rename(new->dentry, request->node->dentry);
	error = rename_locked(request->client, request->node->dentry,
			      new->dentry, old_name, new_name, trap, flags);
	unlock_rename(new->dentry, request->node->dentry);
	mnt_drop_write(disk_mount());
out:
	node_put(new);
	return error;
}

int operate_rename(struct request *request)
{
	const struct fuse_rename_in *in = take_arg(request, sizeof(*in));

	return in ? rename_names(request, in->newdir, 0) : -EINVAL;
}

int operate_rename2(struct request *request)
{
	const struct fuse_rename2_in *in = take_arg(request, sizeof(*in));

	return in ? rename_names(request, in->newdir, in->flags) : -EINVAL;
}
