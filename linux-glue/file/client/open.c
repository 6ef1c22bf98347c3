// SPDX-License-Identifier: GPL-2.0-only
/*
 * Opening, creating and closing regular files.
 *
 * The server knows nothing of open files, so there is nothing to release.
 * FUSE prepares a RELEASE with each open nevertheless, as its servers may
 * reclaim memory while they read for a file: ours has memory of its own.
 *
 * Lock: none of its own; the VFS holds i_rwsem of a directory.
 */
#include <linux/iversion.h>
#include <linux/slab.h>
#include "client.h"

static struct fuse_file *alloc_file(struct fuse_mount *fm)
{
	struct fuse_file *ff = fuse_file_alloc(fm, false);

	if (ff)
		ff->open_flags = FOPEN_KEEP_CACHE;
	return ff;
}

static void begin_use(struct inode *inode, struct file *file,
		      struct fuse_file *ff)
{
	ff->nodeid = get_node_id(inode);
	file->private_data = ff;
	fuse_finish_open(inode, file);
}

int sawmill_file_open(struct inode *inode, struct file *file)
{
	struct fuse_file *ff;
	int error;

	if (fuse_is_bad(inode))
		return -EIO;
	error = generic_file_open(inode, file);
	if (error)
		return error;
	ff = alloc_file(get_fuse_mount(inode));
	if (!ff)
		return -ENOMEM;
	begin_use(inode, file, ff);
	return 0;
}

/* Nothing to write back either: not at close. */
int sawmill_file_release(struct inode *inode, struct file *file)
{
	struct fuse_inode *fi = get_fuse_inode(inode);
	struct fuse_file *ff = file->private_data;

	/* Opened by FUSE itself. */
	if (unlikely(ff->release_args)) {
		fuse_release_common(file, false);
		return 0;
	}
	if (!list_empty(&ff->write_entry)) {
		spin_lock(&fi->lock);
		list_del(&ff->write_entry);
		spin_unlock(&fi->lock);
	}
	/* Who reads or writes for it may be the last. */
	if (refcount_dec_and_test(&ff->count))
		fuse_file_free(ff);
	return 0;
}

static struct inode *get_inode(struct super_block *sb,
			       struct fuse_entry_out *entry)
{
	struct inode *inode;

	if (!S_ISREG(entry->attr.mode) || invalid_nodeid(entry->nodeid) ||
	    fuse_invalid_attr(&entry->attr))
		return ERR_PTR(-EIO);
	inode = fuse_iget(sb, entry->nodeid, entry->generation, &entry->attr,
			  entry_attr_timeout(entry), 0);
	if (inode)
		return inode;
	fuse_queue_forget(get_fuse_conn_super(sb),
			  kzalloc(sizeof(struct fuse_forget_link),
				  GFP_KERNEL | __GFP_NOFAIL),
			  entry->nodeid, 1);
	return ERR_PTR(-ENOMEM);
}

static int send_create(struct inode *directory, const struct qstr *name,
		       unsigned int flags, umode_t mode,
		       struct fuse_entry_out *entry)
{
	struct fuse_mount *fm = get_fuse_mount(directory);
	struct fuse_create_in in = {
		.flags = flags & ~O_NOCTTY,
		.umask = current_umask(),
	};
	struct fuse_open_out opened;
	FUSE_ARGS(args);

	in.mode = fm->fc->dont_mask ? mode : mode & ~in.umask;
	args.opcode = FUSE_CREATE;
	args.nodeid = get_node_id(directory);
	args.in_numargs = 2;
	args.in_args[0].size = sizeof(in);
	args.in_args[0].value = &in;
	args.in_args[1].size = name->len + 1;
	args.in_args[1].value = name->name;
	args.out_numargs = 2;
	args.out_args[0].size = sizeof(*entry);
	args.out_args[0].value = entry;
	args.out_args[1].size = sizeof(opened);
	args.out_args[1].value = &opened;
	return fuse_simple_request(fm, &args);
}

/* Of a name that is known, or guessed, not to be there. */
int sawmill_file_create_open(struct inode *directory, struct dentry *dentry,
			     struct file *file, unsigned int flags,
			     umode_t mode)
{
	struct fuse_file *ff = alloc_file(get_fuse_mount(directory));
	struct fuse_entry_out entry;
	struct inode *inode;
	int error;

	if (!ff)
		return -ENOMEM;
	error = send_create(directory, &dentry->d_name, flags, mode, &entry);
	if (error)
		goto out;
	inode = get_inode(directory->i_sb, &entry);
	error = PTR_ERR_OR_ZERO(inode);
	if (error)
		goto out;
	d_instantiate(dentry, inode);
	fuse_change_entry_timeout(dentry, &entry);
	inode_maybe_inc_iversion(directory, false);
	file->f_mode |= FMODE_CREATED;
	error = finish_open(file, dentry, generic_file_open);
	if (!error) {
		begin_use(inode, file, ff);
		return 0;
	}
out:
	fuse_file_free(ff);
	return error;
}
