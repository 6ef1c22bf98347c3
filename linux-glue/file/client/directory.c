// SPDX-License-Identifier: GPL-2.0-only
/*
 * Operations on names with fewer messages than Linux's FUSE sends.
 *
 * FUSE does not know what its server does besides what it was asked for. Ours
 * is a known one and this is its client, so after a change only those
 * attributes of a directory are fetched again that the change has touched
 * (not its mode, which every path walk needs), times that the server has set
 * itself are not sent to it, and a name that is to be created exclusively is
 * not looked up first. The operations proper remain those of fs/fuse.
 *
 * Locks: none of its own; the VFS holds i_rwsem of the directories, and of
 * the inode whose name changes.
 */
#include <linux/namei.h>
#include "client.h"

#define DIRECTORY_CHANGED \
	(STATX_MTIME | STATX_CTIME | STATX_SIZE | STATX_BLOCKS | STATX_NLINK)
#define NEGATIVE_VALID_SECONDS	(1UL << 28)

static struct inode_operations operations;
static struct file_operations file_operations;
static struct inode_operations link_operations;
static struct dentry_operations entry_operations;
static const struct inode_operations *fuse;
static const struct file_operations *fuse_file;
static const struct inode_operations *fuse_link;
static const struct dentry_operations *fuse_entry;

/* Access times are kept here (times.c): no reason to ask for them. */
void sawmill_file_keep_atime(struct inode *inode)
{
	struct fuse_inode *fi = get_fuse_inode(inode);

	if (READ_ONCE(fi->inval_mask) & STATX_ATIME)
		set_mask_bits(&fi->inval_mask, STATX_ATIME, 0);
}

/* ---- what a change leaves to be fetched ---- */

struct before {
	u32 inval_mask;
	u32 counter;	/* of changes by other clients */
};

static struct before begin_change(struct inode *directory)
{
	return (struct before){
		.inval_mask = READ_ONCE(get_fuse_inode(directory)->inval_mask),
		.counter = sawmill_file_counter(directory),
	};
}

static int end_change(struct inode *directory, struct dentry *dentry,
		      const struct before *before, int error)
{
	if (error)
		return error;
	WRITE_ONCE(get_fuse_inode(directory)->inval_mask,
		   before->inval_mask | DIRECTORY_CHANGED);
	/* Test first: a locked operation is not cheap. */
	if (!test_bit(SAWMILL_I_UNSTABLE, &get_fuse_inode(directory)->state))
		set_bit(SAWMILL_I_UNSTABLE, &get_fuse_inode(directory)->state);
	sawmill_file_settle_name(directory, dentry, before->counter);
	return 0;
}

/*
 * Keeps FUSE from sending a file's new time of change to the server, which
 * has just set its own. S_NOCMTIME is what FUSE asks before it does.
 */
static bool begin_quiet(struct inode *inode)
{
	if (!inode || !S_ISREG(inode->i_mode) || IS_NOCMTIME(inode))
		return false;
	inode_set_flags(inode, S_NOCMTIME, S_NOCMTIME);
	return true;
}

static void end_quiet(struct inode *inode, bool is_quiet, int error)
{
	if (!is_quiet)
		return;
	inode_set_flags(inode, 0, S_NOCMTIME);
	if (!error)
		inode->i_ctime = current_time(inode);
}

/* ---- lookup ---- */

/*
 * mkdir(2) and its like say that the name must not exist, and most new names
 * of rename(2) do not: the server will find out. Only where creation is
 * allowed at all: who may not create learns first whether the name exists.
 */
static struct dentry *look_up(struct inode *directory, struct dentry *dentry,
			      unsigned int flags)
{
	const unsigned int exclusive = LOOKUP_CREATE | LOOKUP_EXCL;
	bool is_guessed = (flags & exclusive) == exclusive ||
			  (flags & (LOOKUP_RENAME_TARGET | LOOKUP_REVAL)) ==
			  LOOKUP_RENAME_TARGET;
	struct dentry *found;
	u32 counter;

	if (is_guessed &&
	    dentry->d_name.len <= NAME_MAX && !sb_rdonly(directory->i_sb) &&
	    !inode_permission(&init_user_ns, directory, MAY_WRITE | MAY_EXEC))
		return NULL;
	counter = sawmill_file_counter(directory);
	found = fuse->lookup(directory, dentry, flags);
	if (!IS_ERR(found))
		sawmill_file_settle_name(directory, found ?: dentry, counter);
	return found;
}

/* What is cached holds for these, too; with other clients, see shared.c. */
static int revalidate(struct dentry *dentry, unsigned int flags)
{
	if (likely(sawmill_file_is_valid_name(dentry, flags)))
		return 1;
	return fuse_entry->d_revalidate(dentry, flags & ~(LOOKUP_EXCL |
							  LOOKUP_RENAME_TARGET));
}

/* The name has just gone, and if it comes back by another client we see it. */
static void keep_negative(struct dentry *dentry)
{
	struct fuse_entry_out entry = { .entry_valid = NEGATIVE_VALID_SECONDS };

	fuse_change_entry_timeout(dentry, &entry);
}

/* ---- creation ---- */

static int atomic_open(struct inode *directory, struct dentry *dentry,
		       struct file *file, unsigned int flags, umode_t mode)
{
	const unsigned int exclusive = O_CREAT | O_EXCL;
	bool is_unknown = d_in_lookup(dentry) &&
			  (flags & exclusive) == exclusive &&
			  dentry->d_name.len <= NAME_MAX;
	bool is_new = is_unknown || (!d_in_lookup(dentry) &&
				     (flags & O_CREAT) &&
				     d_really_is_negative(dentry));
	struct before before = begin_change(directory);
	int error;

	if (fuse_is_bad(directory))
		return -EIO;
	/* No lookup: say that it is not there. */
	if (is_unknown)
		d_add(dentry, NULL);
	error = is_new ?
		sawmill_file_create_open(directory, dentry, file, flags, mode) :
		fuse->atomic_open(directory, dentry, file, flags, mode);
	if (error) {
		if (is_unknown)
			d_drop(dentry);
		/* Another client was faster: that is an open, then. */
		if (error == -EEXIST && !(flags & O_EXCL)) {
			d_drop(dentry);
			error = -ESTALE;
		}
		return error;
	}
	if (file->f_mode & FMODE_CREATED) {
		end_change(directory, dentry, &before, 0);
		if (file->f_mode & FMODE_OPENED)
			set_bit(SAWMILL_I_NO_CAPABILITY,
				&get_fuse_inode(file_inode(file))->state);
	}
	return 0;
}

static int create(struct user_namespace *ns, struct inode *directory,
		  struct dentry *dentry, umode_t mode, bool exclusive)
{
	struct before before = begin_change(directory);

	return end_change(directory, dentry, &before,
			  fuse->create(ns, directory, dentry, mode, exclusive));
}

static int make_node(struct user_namespace *ns, struct inode *directory,
		     struct dentry *dentry, umode_t mode, dev_t device)
{
	struct before before = begin_change(directory);

	return end_change(directory, dentry, &before,
			  fuse->mknod(ns, directory, dentry, mode, device));
}

static int make_directory(struct user_namespace *ns, struct inode *directory,
			  struct dentry *dentry, umode_t mode)
{
	struct before before = begin_change(directory);

	return end_change(directory, dentry, &before,
			  fuse->mkdir(ns, directory, dentry, mode));
}

static int make_symlink(struct user_namespace *ns, struct inode *directory,
			struct dentry *dentry, const char *target)
{
	struct before before = begin_change(directory);

	return end_change(directory, dentry, &before,
			  fuse->symlink(ns, directory, dentry, target));
}

static int make_link(struct dentry *old, struct inode *directory,
		     struct dentry *dentry)
{
	struct inode *inode = d_inode(old);
	struct before before = begin_change(directory);
	bool is_quiet = begin_quiet(inode);
	int error = fuse->link(old, directory, dentry);

	end_quiet(inode, is_quiet, error);
	return end_change(directory, dentry, &before, error);
}

/* ---- removal, renaming ---- */

static int remove_name(struct inode *directory, struct dentry *dentry)
{
	struct inode *inode = d_inode(dentry);
	struct before before = begin_change(directory);
	bool is_quiet = begin_quiet(inode);
	int error = fuse->unlink(directory, dentry);

	end_quiet(inode, is_quiet, error);
	if (!error)
		keep_negative(dentry);
	return end_change(directory, dentry, &before, error);
}

static int remove_directory(struct inode *directory, struct dentry *dentry)
{
	struct before before = begin_change(directory);
	int error = fuse->rmdir(directory, dentry);

	if (!error)
		keep_negative(dentry);
	return end_change(directory, dentry, &before, error);
}

/*
 * A new name that look_up() guessed not to be there is in no hash list. If it
 * is there after all, the VFS repeats rename(2) with LOOKUP_REVAL on -ESTALE.
 */
static int rename_name(struct user_namespace *ns, struct inode *old_directory,
		       struct dentry *old, struct inode *new_directory,
		       struct dentry *new, unsigned int flags)
{
	bool is_guessed = d_unhashed(new) && d_really_is_negative(new);
	struct inode *moved = d_inode(old), *replaced = d_inode(new);
	struct before old_before = begin_change(old_directory);
	struct before new_before = begin_change(new_directory);
	bool is_moved_quiet = begin_quiet(moved);
	bool is_replaced_quiet = begin_quiet(replaced);
	int error = fuse->rename(ns, old_directory, old, new_directory, new,
				 flags | (is_guessed ? RENAME_NOREPLACE : 0));

	if (error == -EEXIST && is_guessed && !(flags & RENAME_NOREPLACE))
		error = -ESTALE;
	end_quiet(replaced, is_replaced_quiet, error);
	end_quiet(moved, is_moved_quiet, error);
	end_change(old_directory, old, &old_before, error);
	if (new_directory != old_directory)
		end_change(new_directory, old, &new_before, error);
	return error;
}

/* ---- reading ---- */

static int iterate(struct file *file, struct dir_context *context)
{
	int error = sawmill_file_iterate(file, context,
					 fuse_file->iterate_shared);

	sawmill_file_keep_atime(file_inode(file));
	return error;
}

/* A name may have been lost with a server: recovery.c leaves the error. */
static int sync_directory(struct file *file, loff_t start, loff_t end,
			  int datasync)
{
	struct inode *inode = file_inode(file);
	int error;

	clear_bit(SAWMILL_I_UNSTABLE, &get_fuse_inode(inode)->state);
	error = fuse_file->fsync(file, start, end, datasync);
	if (error)
		set_bit(SAWMILL_I_UNSTABLE, &get_fuse_inode(inode)->state);
	return file_check_and_advance_wb_err(file) ?: error;
}

static const char *get_link(struct dentry *dentry, struct inode *inode,
			    struct delayed_call *done)
{
	const char *target = fuse_link->get_link(dentry, inode, done);

	sawmill_file_keep_atime(inode);
	return target;
}

/* ---- set-up ---- */

void sawmill_file_copy_directory_tables(const struct inode *inode)
{
	fuse = inode->i_op;
	operations = *fuse;
	sawmill_file_keep_times(&operations);
	sawmill_file_check_cached(&operations);
	operations.lookup = look_up;
	operations.atomic_open = atomic_open;
	operations.create = create;
	operations.mknod = make_node;
	operations.mkdir = make_directory;
	operations.symlink = make_symlink;
	operations.link = make_link;
	operations.unlink = remove_name;
	operations.rmdir = remove_directory;
	operations.rename = rename_name;
	operations.fileattr_set = sawmill_file_set_flags;
	operations.listxattr = sawmill_file_list_xattrs;

	fuse_file = inode->i_fop;
	file_operations = *fuse_file;
	file_operations.iterate_shared = iterate;
	file_operations.fsync = sync_directory;
}

void sawmill_file_copy_link_tables(const struct inode *inode)
{
	fuse_link = inode->i_op;
	link_operations = *fuse_link;
	sawmill_file_keep_times(&link_operations);
	link_operations.get_link = get_link;
	link_operations.listxattr = sawmill_file_list_xattrs;
}

void sawmill_file_init_directory(struct inode *inode)
{
	inode->i_op = &operations;
	inode->i_fop = &file_operations;
}

void sawmill_file_init_link(struct inode *inode)
{
	inode->i_op = &link_operations;
}

/* As far as there are any: the rest follows when it is copied. */
void sawmill_file_share_directory_tables(void)
{
	if (fuse) {
		sawmill_file_share_inodes(&operations);
		sawmill_file_share_names(&operations);
		sawmill_file_share_listings(&file_operations);
	}
	if (fuse_link)
		sawmill_file_share_inodes(&link_operations);
	if (fuse_entry)
		sawmill_file_share_entries(&entry_operations);
}

const struct dentry_operations *
sawmill_file_dentry_operations(const struct dentry_operations *of_fuse)
{
	fuse_entry = of_fuse;
	entry_operations = *of_fuse;
	entry_operations.d_revalidate = revalidate;
	return &entry_operations;
}
