// SPDX-License-Identifier: GPL-2.0-only
/*
 * Operations that differ from Linux's own FUSE.
 *
 * fs/fuse plays safe against a daemon that may be anyone's: it writes back at
 * close and munmap, drops every inode with its last dentry, and limits dirty
 * pages to next to nothing. A SawMill server is part of the system, so its
 * inodes are treated like those of a disk file system. The tables below are
 * copies of FUSE's own, made at the first mount, with those entries replaced.
 */
#include <linux/backing-dev.h>
#include <linux/pagemap.h>
#include <sawmill/pool.h>
#include "client.h"

static struct file_operations file_operations;
static struct address_space_operations file_aops;
static struct super_operations super_operations;
static const struct super_operations *fuse_super_operations;
static DEFINE_MUTEX(tables_mutex);
static bool has_file_tables;

/* Nothing to say to the server, nothing to write back: not at close. */
static int release_file(struct inode *inode, struct file *file)
{
	fuse_release_common(file, false);
	return 0;
}

/* FUSE's operations are static to its file; the first inode shows them. */
static void copy_file_tables(const struct inode *inode)
{
	mutex_lock(&tables_mutex);
	if (!has_file_tables) {
		file_operations = *inode->i_fop;
		file_operations.flush = NULL;
		file_operations.release = release_file;
		file_operations.mmap = generic_file_mmap;

		file_aops = *inode->i_mapping->a_ops;
		file_aops.writepage = NULL;
		file_aops.writepages = sawmill_file_writepages;
		file_aops.launder_folio = sawmill_file_launder_folio;
		file_aops.migrate_folio = filemap_migrate_folio;
		/* Pairs with the acquire of sawmill_file_init_inode(). */
		smp_store_release(&has_file_tables, true);
	}
	mutex_unlock(&tables_mutex);
}

void sawmill_file_init_inode(struct inode *inode)
{
	if (!S_ISREG(inode->i_mode))
		return;
	if (!smp_load_acquire(&has_file_tables))
		copy_file_tables(inode);
	inode->i_fop = &file_operations;
	inode->i_mapping->a_ops = &file_aops;
	mapping_set_gfp_mask(inode->i_mapping,
			     mapping_gfp_mask(inode->i_mapping) |
			     SAWMILL_GFP_POOL);
}

/* An unlinked file may be dirty at its end, since close wrote nothing. */
static void evict_inode(struct inode *inode)
{
	if (!inode->i_nlink) {
		spin_lock(&inode->i_lock);
		inode->i_state &= ~I_DIRTY_ALL;
		spin_unlock(&inode->i_lock);
	}
	fuse_super_operations->evict_inode(inode);
}

void sawmill_file_init_super(struct super_block *sb)
{
	mutex_lock(&tables_mutex);
	if (!fuse_super_operations) {
		fuse_super_operations = sb->s_op;
		super_operations = *sb->s_op;
		super_operations.drop_inode = generic_drop_inode;
		super_operations.evict_inode = evict_inode;
	}
	mutex_unlock(&tables_mutex);
	sb->s_op = &super_operations;
	/* Privileged bits are removed here, at the only client. */
	sb->s_flags |= SB_NOSEC;
	sb->s_time_min = S32_MIN;
	sb->s_time_max = S32_MAX;
	sb->s_bdi->capabilities |= BDI_CAP_WRITEBACK_ACCT;
	sb->s_bdi->capabilities &= ~BDI_CAP_STRICTLIMIT;
	bdi_set_max_ratio(sb->s_bdi, 100);
}
