// SPDX-License-Identifier: GPL-2.0-only
/*
 * Operations that look whether what is cached still holds.
 *
 * They take the place of others in the tables of inode.c and directory.c when
 * a server gets a second client; before that, no operation pays for them. The
 * tables are those of all mounts, so each operation asks whether its own
 * mount is shared.
 *
 * Attributes and data are made fresh at the start of an operation, names when
 * a path is walked. What a program has mapped is taken away from it some time
 * after another client has taken the lease; what it writes there goes into a
 * page for which the lease was held when it became writable.
 */
#include <linux/mm.h>
#include <linux/namei.h>
#include <linux/pagemap.h>
#include <linux/uio.h>
#include <linux/writeback.h>
#include "client.h"

/* Where a table had its own: those of fs/fuse, the same in all tables. */
static struct inode_operations fuse_inode;
static struct file_operations fuse_file, own_listing;
static struct inode_operations own_names;
static struct dentry_operations own_entry;

static int freshen(struct inode *inode)
{
	if (!sawmill_file_is_shared(inode))
		return 0;
	return sawmill_file_refresh(inode);
}

/* ---- attributes ---- */

static int check_permission(struct user_namespace *ns, struct inode *inode,
			    int mask)
{
	int error;

	if (sawmill_file_is_shared(inode) && !sawmill_file_is_fresh(inode)) {
		if (mask & MAY_NOT_BLOCK)
			return -ECHILD;
		error = sawmill_file_refresh(inode);
		if (error)
			return error;
	}
	return fuse_inode.permission(ns, inode, mask);
}

static int get_attributes(struct user_namespace *ns, const struct path *path,
			  struct kstat *stat, u32 mask, unsigned int flags)
{
	int error = 0;

	if (!(flags & AT_STATX_DONT_SYNC))
		error = freshen(d_inode(path->dentry));
	return error ?: fuse_inode.getattr(ns, path, stat, mask, flags);
}

void sawmill_file_share_inodes(struct inode_operations *operations)
{
	if (operations->getattr == get_attributes)
		return;
	fuse_inode.getattr = operations->getattr;
	WRITE_ONCE(operations->getattr, get_attributes);
	if (!operations->permission)
		return;
	fuse_inode.permission = operations->permission;
	WRITE_ONCE(operations->permission, check_permission);
}

/* ---- files ---- */

static ssize_t read_file(struct kiocb *kiocb, struct iov_iter *to)
{
	int error = freshen(file_inode(kiocb->ki_filp));

	return error ?: fuse_file.read_iter(kiocb, to);
}

/* With the lease. */
static ssize_t write_file(struct kiocb *kiocb, struct iov_iter *from)
{
	struct inode *inode = file_inode(kiocb->ki_filp);
	ssize_t done;

	if (!sawmill_file_is_shared(inode))
		return fuse_file.write_iter(kiocb, from);
	inode_lock(inode);
	done = sawmill_file_begin_change(inode);
	if (!done) {
		done = sawmill_file_write_locked(kiocb, from);
		sawmill_file_end_change(inode);
	}
	inode_unlock(inode);
	if (done > 0)
		done = generic_write_sync(kiocb, done);
	return done;
}

static loff_t seek_file(struct file *file, loff_t offset, int whence)
{
	int error = whence >= SEEK_END ? freshen(file_inode(file)) : 0;

	return error ?: fuse_file.llseek(file, offset, whence);
}

void sawmill_file_share_files(struct file_operations *operations)
{
	if (operations->read_iter == read_file)
		return;
	fuse_file = *operations;
	WRITE_ONCE(operations->read_iter, read_file);
	WRITE_ONCE(operations->write_iter, write_file);
	WRITE_ONCE(operations->llseek, seek_file);
}

/* ---- mapped files ---- */

static vm_fault_t fault_in(struct vm_fault *fault)
{
	if (freshen(file_inode(fault->vma->vm_file)))
		return VM_FAULT_SIGBUS;
	return filemap_fault(fault);
}

static vm_fault_t map_pages(struct vm_fault *fault, pgoff_t start, pgoff_t end)
{
	struct inode *inode = file_inode(fault->vma->vm_file);

	if (sawmill_file_is_shared(inode) && !sawmill_file_is_fresh(inode))
		return 0;
	return filemap_map_pages(fault, start, end);
}

static vm_fault_t make_writable(struct vm_fault *fault)
{
	struct inode *inode = file_inode(fault->vma->vm_file);
	vm_fault_t result;

	if (!sawmill_file_is_shared(inode))
		return sawmill_file_make_writable(fault);
	if (sawmill_file_begin_change(inode))
		return VM_FAULT_SIGBUS;
	result = sawmill_file_make_writable(fault);
	sawmill_file_end_change(inode);
	return result;
}

void sawmill_file_share_mappings(struct vm_operations_struct *operations)
{
	WRITE_ONCE(operations->fault, fault_in);
	WRITE_ONCE(operations->map_pages, map_pages);
	WRITE_ONCE(operations->page_mkwrite, make_writable);
}

/* ---- names ---- */

static struct dentry *look_up(struct inode *directory, struct dentry *dentry,
			      unsigned int flags)
{
	if (sawmill_file_is_shared(directory) &&
	    !sawmill_file_names_are_fresh(directory))
		sawmill_file_expire_names(dentry->d_parent);
	return own_names.lookup(directory, dentry, flags);
}

static int revalidate(struct dentry *dentry, unsigned int flags)
{
	struct dentry *parent = READ_ONCE(dentry->d_parent);
	struct inode *directory = d_inode_rcu(parent);
	u32 counter;
	int is_valid;

	if (!directory)
		return -ECHILD;
	if (!sawmill_file_is_shared(directory))
		return own_entry.d_revalidate(dentry, flags);
	if (flags & LOOKUP_RCU) {
		if (!sawmill_file_names_are_fresh(directory))
			return -ECHILD;
		return own_entry.d_revalidate(dentry, flags);
	}
	parent = dget_parent(dentry);
	directory = d_inode(parent);
	if (!sawmill_file_names_are_fresh(directory))
		sawmill_file_expire_names(parent);
	counter = sawmill_file_counter(directory);
	is_valid = own_entry.d_revalidate(dentry, flags);
	sawmill_file_settle_name(directory, dentry, counter);
	dput(parent);
	return is_valid;
}

static int list_names(struct file *file, struct dir_context *context)
{
	int error = freshen(file_inode(file));

	return error ?: own_listing.iterate_shared(file, context);
}

void sawmill_file_share_listings(struct file_operations *operations)
{
	if (operations->iterate_shared == list_names)
		return;
	own_listing.iterate_shared = operations->iterate_shared;
	WRITE_ONCE(operations->iterate_shared, list_names);
}

void sawmill_file_share_names(struct inode_operations *operations)
{
	if (operations->lookup == look_up)
		return;
	own_names.lookup = operations->lookup;
	WRITE_ONCE(operations->lookup, look_up);
}

void sawmill_file_share_entries(struct dentry_operations *operations)
{
	if (operations->d_revalidate == revalidate)
		return;
	own_entry.d_revalidate = operations->d_revalidate;
	WRITE_ONCE(operations->d_revalidate, revalidate);
}
