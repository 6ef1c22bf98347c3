// SPDX-License-Identifier: GPL-2.0-only
/*
 * Operations that differ from Linux's own FUSE.
 *
 * fs/fuse plays safe against a daemon that may be anyone's: it writes back at
 * close and munmap, drops every inode with its last dentry, and limits dirty
 * pages to next to nothing. A SawMill server is part of the system, so its
 * inodes are treated like those of a disk file system. The tables used here
 * are copies of FUSE's own, which are static to their files: the first inode
 * of a kind shows them.
 *
 * Lock: tables_mutex: making the copies.
 */
#include <linux/backing-dev.h>
#include <linux/pagemap.h>
#include <linux/posix_acl_xattr.h>
#include <linux/xattr.h>
#include <sawmill/pool.h>
#include "client.h"

static struct file_operations file_operations;
static struct inode_operations inode_operations, special_operations;
/* generic_file_mmap()'s, until shared.c has something to add. */
static struct vm_operations_struct mapping_operations = {
	.fault		= filemap_fault,
	.map_pages	= filemap_map_pages,
	.page_mkwrite	= sawmill_file_make_writable,
};
static struct address_space_operations file_aops;
static struct super_operations super_operations;
static const struct inode_operations *fuse_inode;
static const struct file_operations *fuse_file;
static const struct address_space_operations *fuse_aops;
static const struct super_operations *fuse_super_operations;
static const struct dentry_operations *entry_operations;
static DEFINE_MUTEX(tables_mutex);
static bool has_file_tables, has_directory_tables, has_link_tables;
static bool has_special_tables;
static bool is_sharing;		/* shared.c's functions go into the tables */

/* ---- regular files ---- */

/*
 * A server that dies takes what it had not put on the disk along; then pages
 * are dirty again (recovery.c) and the whole has to be done again.
 */
static int sync_file(struct file *file, loff_t start, loff_t end, int datasync)
{
	struct inode *inode = file_inode(file);
	struct sawmill_file_client *client = get_fuse_conn(inode)->iq.priv;
	struct fuse_inode *fi = get_fuse_inode(inode);
	bool is_whole = start == 0 && end == LLONG_MAX, has_died;
	unsigned int deaths;
	int error;

	do {
		deaths = READ_ONCE(client->deaths);
		if (sawmill_file_try_sync(inode, start, end, datasync)) {
			error = file_check_and_advance_wb_err(file);
		} else {
			error = file_write_and_wait_range(file, start, end);
			if (error)
				break;
			if (is_whole)
				clear_bit(SAWMILL_I_UNSTABLE, &fi->state);
			error = fuse_file->fsync(file, start, end, datasync);
			if (error)
				set_bit(SAWMILL_I_UNSTABLE, &fi->state);
		}
		/* Recovery did not know what had been unstable. */
		has_died = deaths != READ_ONCE(client->deaths);
		if (has_died)
			sawmill_file_make_dirty_again(inode);
	} while (!error && has_died);
	return error;
}

/* FUSE would ask for the size at the end of file: ours is the newest. */
static ssize_t read_file(struct kiocb *kiocb, struct iov_iter *to)
{
	if (fuse_is_bad(file_inode(kiocb->ki_filp)))
		return -EIO;
	return generic_file_read_iter(kiocb, to);
}

/* As FUSE's own, with an end that the disk's size sets. */
static ssize_t write_file(struct kiocb *kiocb, struct iov_iter *from)
{
	struct file *file = kiocb->ki_filp;
	struct inode *inode = file_inode(file);
	ssize_t done;

	if (fuse_is_bad(inode))
		return -EIO;
	done = fuse_update_attributes(inode, file, STATX_SIZE | STATX_MODE);
	if (done)
		return done;
	inode_lock(inode);
	done = sawmill_file_write_locked(kiocb, from);
	inode_unlock(inode);
	if (done > 0)
		done = generic_write_sync(kiocb, done);
	return done;
}

static int write_begin(struct file *file, struct address_space *mapping,
		       loff_t position, unsigned int length,
		       struct page **page, void **data)
{
	int error = fuse_aops->write_begin(file, mapping, position, length,
					   page, data);

	if (likely(!error)) {
		error = sawmill_file_check_page(mapping->host, *page);
		if (unlikely(error)) {
			unlock_page(*page);
			put_page(*page);
		}
	}
	return error;
}

static int read_folio(struct file *file, struct folio *folio)
{
	struct inode *inode = folio->mapping->host;
	int error = fuse_aops->read_folio(file, folio);

	sawmill_file_keep_atime(inode);
	return error;
}

static void readahead(struct readahead_control *control)
{
	fuse_aops->readahead(control);
	sawmill_file_keep_atime(control->mapping->host);
}

static int set_attributes(struct user_namespace *ns, struct dentry *dentry,
			  struct iattr *attr)
{
	struct inode *inode = d_inode(dentry);
	bool is_shared = sawmill_file_is_shared(inode);
	int error;

	if (is_shared) {
		error = sawmill_file_begin_change(inode);
		if (error)
			return error;
	}
	if (!sawmill_file_try_setattr(dentry, attr, &error))
		error = fuse_inode->setattr(ns, dentry, attr);
	if (!error && (attr->ia_valid & ATTR_ATIME))
		sawmill_file_forget_atime(inode);
	if (is_shared)
		sawmill_file_end_change(inode);
	return error;
}

static int map(struct file *file, struct vm_area_struct *vma)
{
	int error = generic_file_mmap(file, vma);

	if (!error)
		vma->vm_ops = &mapping_operations;
	return error;
}

static void share_file_tables(void)
{
	sawmill_file_share_inodes(&inode_operations);
	sawmill_file_share_files(&file_operations);
	sawmill_file_share_mappings(&mapping_operations);
}

static void copy_file_tables(const struct inode *inode)
{
	fuse_inode = inode->i_op;
	inode_operations = *fuse_inode;
	sawmill_file_keep_times(&inode_operations);
	sawmill_file_check_cached(&inode_operations);
	inode_operations.setattr = set_attributes;
	inode_operations.fiemap = sawmill_file_fiemap;
	inode_operations.fileattr_set = sawmill_file_set_flags;
	inode_operations.listxattr = sawmill_file_list_xattrs;

	fuse_file = inode->i_fop;
	file_operations = *fuse_file;
	file_operations.read_iter = read_file;
	file_operations.write_iter = write_file;
	file_operations.fsync = sync_file;
	file_operations.flush = NULL;
	file_operations.open = sawmill_file_open;
	file_operations.release = sawmill_file_release;
	file_operations.mmap = map;
	file_operations.lock = sawmill_file_lock;
	file_operations.flock = sawmill_file_flock;

	fuse_aops = inode->i_mapping->a_ops;
	file_aops = *fuse_aops;
	file_aops.read_folio = read_folio;
	file_aops.readahead = readahead;
	file_aops.write_begin = write_begin;
	file_aops.writepage = NULL;
	file_aops.writepages = sawmill_file_writepages;
	file_aops.launder_folio = sawmill_file_launder_folio;
	file_aops.migrate_folio = filemap_migrate_folio;
	if (is_sharing)
		share_file_tables();
}

static void copy_special_tables(const struct inode *inode)
{
	special_operations = *inode->i_op;
	sawmill_file_keep_times(&special_operations);
	sawmill_file_check_cached(&special_operations);
	special_operations.listxattr = sawmill_file_list_xattrs;
	if (is_sharing)
		sawmill_file_share_inodes(&special_operations);
}

static void copy_directory_tables(const struct inode *inode)
{
	sawmill_file_copy_directory_tables(inode);
	if (is_sharing)
		sawmill_file_share_directory_tables();
}

static void copy_link_tables(const struct inode *inode)
{
	sawmill_file_copy_link_tables(inode);
	if (is_sharing)
		sawmill_file_share_directory_tables();
}

void sawmill_file_share_tables(void)
{
	mutex_lock(&tables_mutex);
	is_sharing = true;
	if (has_file_tables)
		share_file_tables();
	if (has_special_tables)
		sawmill_file_share_inodes(&special_operations);
	sawmill_file_share_directory_tables();
	mutex_unlock(&tables_mutex);
}

static void need_tables(bool *has_tables, const struct inode *inode,
			void (*copy)(const struct inode *))
{
	if (likely(smp_load_acquire(has_tables)))
		return;
	mutex_lock(&tables_mutex);
	if (!*has_tables) {
		copy(inode);
		smp_store_release(has_tables, true);
	}
	mutex_unlock(&tables_mutex);
}

void sawmill_file_init_inode(struct inode *inode, const struct fuse_attr *attr)
{
	/* The rules of the mount apply: see times.c. */
	inode->i_flags &= ~S_NOATIME;
	sawmill_file_take_flags(inode, attr);
	switch (inode->i_mode & S_IFMT) {
	case S_IFREG:
		need_tables(&has_file_tables, inode, copy_file_tables);
		inode->i_op = &inode_operations;
		inode->i_fop = &file_operations;
		inode->i_mapping->a_ops = &file_aops;
		/* Only file data: a server could change what is in the pool. */
		mapping_set_gfp_mask(inode->i_mapping,
				     mapping_gfp_mask(inode->i_mapping) |
				     SAWMILL_GFP_POOL);
		break;
	case S_IFDIR:
		need_tables(&has_directory_tables, inode,
			    copy_directory_tables);
		sawmill_file_init_directory(inode);
		break;
	case S_IFLNK:
		need_tables(&has_link_tables, inode, copy_link_tables);
		sawmill_file_init_link(inode);
		break;
	default:
		need_tables(&has_special_tables, inode, copy_special_tables);
		inode->i_op = &special_operations;
		break;
	}
}

/* ---- security.capability: asked for by every first write to a file ---- */

static atomic_t capability_changes;

static int get_capability(const struct xattr_handler *handler,
			  struct dentry *dentry, struct inode *inode,
			  const char *name, void *value, size_t size)
{
	struct fuse_inode *fi = get_fuse_inode(inode);
	int before = atomic_read(&capability_changes);
	ssize_t got;

	if (fuse_is_bad(inode))
		return -EIO;
	if (test_bit(SAWMILL_I_NO_CAPABILITY, &fi->state))
		return -ENODATA;
	got = fuse_getxattr(inode, XATTR_NAME_CAPS, value, size);
	if (got == -ENODATA || got == -EOPNOTSUPP) {
		set_bit(SAWMILL_I_NO_CAPABILITY, &fi->state);
		/* One may have been set while we asked. */
		smp_mb__after_atomic();
		if (atomic_read(&capability_changes) != before)
			clear_bit(SAWMILL_I_NO_CAPABILITY, &fi->state);
	}
	return got;
}

static int set_capability(const struct xattr_handler *handler,
			  struct user_namespace *ns, struct dentry *dentry,
			  struct inode *inode, const char *name,
			  const void *value, size_t size, int flags)
{
	int error;

	if (fuse_is_bad(inode))
		return -EIO;
	atomic_inc(&capability_changes);
	error = value ? fuse_setxattr(inode, XATTR_NAME_CAPS, value, size,
				      flags, 0) :
			fuse_removexattr(inode, XATTR_NAME_CAPS);
	atomic_inc(&capability_changes);
	smp_mb__after_atomic();
	clear_bit(SAWMILL_I_NO_CAPABILITY, &get_fuse_inode(inode)->state);
	return error;
}

static const struct xattr_handler capability_handler = {
	.name = XATTR_NAME_CAPS,
	.get = get_capability,
	.set = set_capability,
};

/* fuse_acl_xattr_handlers ends with the handler of all other names. */
static const struct xattr_handler *xattr_handlers[] = {
	&capability_handler,
	&posix_acl_access_xattr_handler,
	&posix_acl_default_xattr_handler,
	NULL,
	NULL,
};

/* ---- the super block ---- */

/*
 * An unlinked file may be dirty at its end, since close wrote nothing. What
 * this client has unlinked may have a name that another client gave it.
 */
static void evict_inode(struct inode *inode)
{
	struct sawmill_file_client *client = get_fuse_conn(inode)->iq.priv;

	if (!inode->i_nlink) {
		if (unlikely(client->is_shared) && sawmill_file_is_live(client))
			filemap_write_and_wait(inode->i_mapping);
		spin_lock(&inode->i_lock);
		inode->i_state &= ~I_DIRTY_ALL;
		spin_unlock(&inode->i_lock);
	}
	if (unlikely(inode->i_private))
		sawmill_file_free_lease(inode);
	fuse_super_operations->evict_inode(inode);
}

/* Under s_umount. As sync_file(). */
static int sync_super(struct super_block *sb, int wait)
{
	struct sawmill_file_client *client = get_fuse_conn_super(sb)->iq.priv;
	unsigned int deaths;
	int error;

	for (;;) {
		deaths = READ_ONCE(client->deaths);
		error = fuse_super_operations->sync_fs(sb, wait);
		if (error || !wait || deaths == READ_ONCE(client->deaths))
			return error;
		sync_inodes_sb(sb);
	}
}

void sawmill_file_init_super(struct super_block *sb)
{
	mutex_lock(&tables_mutex);
	if (!fuse_super_operations) {
		fuse_super_operations = sb->s_op;
		super_operations = *sb->s_op;
		super_operations.drop_inode = generic_drop_inode;
		super_operations.evict_inode = evict_inode;
		super_operations.write_inode = sawmill_file_write_inode;
		super_operations.sync_fs = sync_super;
		entry_operations = sawmill_file_dentry_operations(sb->s_d_op);
		xattr_handlers[3] = fuse_xattr_handlers[0];
	}
	mutex_unlock(&tables_mutex);
	sb->s_op = &super_operations;
	sb->s_d_op = entry_operations;
	/* Privileged bits are removed here, at the only client. */
	sb->s_flags |= SB_NOSEC;
	sb->s_time_min = S32_MIN;
	sb->s_time_max = S32_MAX;
	sb->s_bdi->capabilities |= BDI_CAP_WRITEBACK_ACCT;
	sb->s_bdi->capabilities &= ~BDI_CAP_STRICTLIMIT;
	bdi_set_max_ratio(sb->s_bdi, 100);
}

/* After INIT, which has FUSE set its own. */
void sawmill_file_init_xattrs(struct super_block *sb)
{
	if (sb->s_user_ns == &init_user_ns)
		sb->s_xattr = xattr_handlers;
}
