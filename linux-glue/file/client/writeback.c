// SPDX-License-Identifier: GPL-2.0-only
/*
 * Write-back of cached pages, straight from the page cache.
 *
 * Linux's FUSE copies each dirty page to a temporary one, since a daemon in
 * user space may never answer and PG_writeback would then block anyone who
 * reclaims or syncs. Here the transport answers every request when the server
 * has died or its successor has it (recovery.c), so pages are under write-back while the server has
 * them, like those of a file system on a disk.
 *
 * fi->writectr is kept as in fs/fuse: a truncation holds writes off with
 * FUSE_NOWRITE while it talks to the server, and waits for those in flight.
 */
#include <linux/backing-dev.h>
#include <linux/highmem.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/writeback.h>
#include "client.h"

/* Contiguous pages of one file, all locked once and under write-back now. */
struct batch {
	struct inode *inode;
	u32 sync;		/* SAWMILL_FILE_WRITE_*SYNC or 0 */
	unsigned int count;
	struct page *pages[SAWMILL_FILE_PAGES_MAX];
	struct fuse_page_desc descs[SAWMILL_FILE_PAGES_MAX];
};

static bool try_begin_write(struct fuse_inode *fi)
{
	bool is_allowed;

	spin_lock(&fi->lock);
	is_allowed = fi->writectr >= 0;
	if (is_allowed)
		fi->writectr++;
	spin_unlock(&fi->lock);
	return is_allowed;
}

static void end_write(struct fuse_inode *fi)
{
	spin_lock(&fi->lock);
	fi->writectr--;
	spin_unlock(&fi->lock);
	wake_up(&fi->page_waitq);
}

static int send_write(struct batch *batch, loff_t offset, unsigned int size)
{
	struct fuse_mount *fm = get_fuse_mount(batch->inode);
	struct fuse_write_in in = {
		.offset = offset,
		.size = size,
		.write_flags = FUSE_WRITE_CACHE | batch->sync,
	};
	struct fuse_write_out out = {};
	struct fuse_args_pages ap = {
		.args = {
			.nodeid = get_node_id(batch->inode),
			.opcode = FUSE_WRITE,
			.force = true,
			.nocreds = true,
			.in_pages = true,
			.in_numargs = 2,
			.in_args = {
				{ .size = sizeof(in), .value = &in },
				{ .size = size },
			},
			.out_numargs = 1,
			.out_args = { { .size = sizeof(out), .value = &out } },
		},
		.pages = batch->pages,
		.descs = batch->descs,
		.num_pages = batch->count,
	};
	struct fuse_inode *fi = get_fuse_inode(batch->inode);
	int error;

	/* What others write meanwhile sets it again. */
	if (batch->sync)
		clear_bit(SAWMILL_I_UNSTABLE, &fi->state);
	error = fuse_simple_request(fm, &ap.args);
	/* An I/O error would have been said. */
	if (!error && out.size != size)
		error = -ENOSPC;
	if (error ? batch->sync : !batch->sync)
		set_bit(SAWMILL_I_UNSTABLE, &fi->state);
	/* The server may have allocated: it says how much there is now. */
	if (!error)
		batch->inode->i_blocks = out.padding;
	return error;
}

static int flush_batch(struct batch *batch)
{
	struct inode *inode = batch->inode;
	struct fuse_inode *fi = get_fuse_inode(inode);
	loff_t offset = page_offset(batch->pages[0]);
	unsigned int i;
	loff_t size;
	int error = 0;

	wait_event(fi->page_waitq, try_begin_write(fi));
	/* A truncation that just ended has already set its size. */
	size = min_t(loff_t, i_size_read(inode) - offset,
		     (loff_t)batch->count << PAGE_SHIFT);
	if (size > 0)
		error = send_write(batch, offset, size);
	end_write(fi);
	if (error)
		mapping_set_error(inode->i_mapping, error);
	if (error)
		set_mask_bits(&fi->inval_mask, 0, STATX_BLOCKS);
	for (i = 0; i < batch->count; i++) {
		struct page *page = batch->pages[i];

		if (error)
			SetPageError(page);
		end_page_writeback(page);
	}
	batch->count = 0;
	return error;
}

static bool belongs_to_batch(const struct batch *batch, const struct page *page,
			     unsigned int limit)
{
	return batch->count < limit &&
	       batch->pages[batch->count - 1]->index + 1 == page->index;
}

/* Takes a locked, clean-for-io page; unlocks it. */
static int add_page(struct page *page, struct writeback_control *control,
		    void *data)
{
	struct batch *batch = data;
	struct inode *inode = batch->inode;
	loff_t size = i_size_read(inode);
	loff_t offset = page_offset(page);
	unsigned int limit = min_t(unsigned int, SAWMILL_FILE_PAGES_MAX,
				   get_fuse_conn(inode)->max_pages);
	int error = 0;

	if (offset >= size) {
		/* Truncated meanwhile: truncate_pagecache() takes it. */
		unlock_page(page);
		return 0;
	}
	/* What a mapping wrote beyond the end of file is not data. */
	if (offset + PAGE_SIZE > size)
		zero_user_segment(page, offset_in_page(size), PAGE_SIZE);
	/* First: space.c counts what is dirty or under write-back. */
	set_page_writeback(page);
	if (batch->count && !belongs_to_batch(batch, page, limit))
		error = flush_batch(batch);
	unlock_page(page);
	batch->pages[batch->count] = page;
	batch->descs[batch->count].offset = 0;
	batch->descs[batch->count].length = PAGE_SIZE;
	batch->count++;
	return error;
}

static int write_pages(struct address_space *mapping,
		       struct writeback_control *control, u32 sync)
{
	struct batch *batch;
	int error, last = 0;

	if (fuse_is_bad(mapping->host))
		return -EIO;
	batch = kmalloc(sizeof(*batch), GFP_NOFS | __GFP_NOFAIL);
	batch->inode = mapping->host;
	batch->sync = 0;
	batch->count = 0;
	error = write_cache_pages(mapping, control, add_page, batch);
	batch->sync = sync;
	if (batch->count)
		last = flush_batch(batch);
	kfree(batch);
	return error ?: last;
}

int sawmill_file_writepages(struct address_space *mapping,
			    struct writeback_control *control)
{
	return write_pages(mapping, control, 0);
}

/*
 * Writes dirty pages back, the last of them with an fsync in the same call.
 * True if that made all data stable that was written before. It did not if
 * there was nothing to write, or if writes of others were under way: those
 * are seen by the tag of their pages, and then by SAWMILL_I_UNSTABLE.
 */
bool sawmill_file_try_sync(struct inode *inode, loff_t start, loff_t end,
			   int datasync)
{
	struct address_space *mapping = inode->i_mapping;
	struct writeback_control control = {
		.sync_mode = WB_SYNC_ALL,
		.nr_to_write = LONG_MAX,
		.range_start = start,
		.range_end = end,
	};
	u32 sync = datasync ? SAWMILL_FILE_WRITE_DATASYNC :
			      SAWMILL_FILE_WRITE_FSYNC;

	/* FUSE sends changed times before it syncs. */
	if ((READ_ONCE(inode->i_state) & I_DIRTY_INODE) ||
	    !mapping_tagged(mapping, PAGECACHE_TAG_DIRTY) ||
	    mapping_tagged(mapping, PAGECACHE_TAG_WRITEBACK))
		return false;
	set_bit(SAWMILL_I_UNSTABLE, &get_fuse_inode(inode)->state);
	if (write_pages(mapping, &control, sync))
		return false;
	/* The tag goes after the bit was set. */
	smp_mb();
	return !mapping_tagged(mapping, PAGECACHE_TAG_WRITEBACK) &&
	       !test_bit(SAWMILL_I_UNSTABLE, &get_fuse_inode(inode)->state);
}

/* Called with the folio locked and dirty; returns with it locked. */
int sawmill_file_launder_folio(struct folio *folio)
{
	struct inode *inode = folio->mapping->host;
	struct batch *batch;
	int error;

	if (!folio_clear_dirty_for_io(folio))
		return 0;
	folio_wait_writeback(folio);
	batch = kmalloc(sizeof(*batch), GFP_NOFS | __GFP_NOFAIL);
	batch->inode = inode;
	batch->sync = 0;
	batch->count = 1;
	batch->pages[0] = &folio->page;
	batch->descs[0].offset = 0;
	batch->descs[0].length = PAGE_SIZE;
	folio_start_writeback(folio);
	error = flush_batch(batch);
	kfree(batch);
	return error;
}
