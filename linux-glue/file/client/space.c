// SPDX-License-Identifier: GPL-2.0-only
/*
 * Room on the disk for what write(2) puts into the cache.
 *
 * ext2 allocates in write(2), so a program learns there that the disk is full.
 * Here it would only show at write-back, when nobody can be told. So a page
 * becomes dirty only while the free blocks, which the server keeps in the
 * header, suffice for all dirty pages, taken as new and each far from the
 * others. Where they do not, everything is written back, and the rest of the
 * write(2) goes to the server at once, which answers as ext2 does.
 *
 * A mapped page becomes dirty in any case, as with ext2, which allocates for
 * it at write-back, too; but first the promises are kept that were made.
 * So are they before a name or an attribute may need a block.
 *
 * No lock: the counts of dirty pages are the kernel's own.
 */
#include <linux/backing-dev.h>
#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/uio.h>
#include <linux/writeback.h>
#include "client.h"

/* Blocks of ext2 that list a page's blocks, if they are all its own. */
#define LISTING_BLOCKS		3
/* CPUs may each be about to make a page dirty that is not counted yet. */
#define UNCOUNTED_PAGES		(2 * num_online_cpus())

static u64 blocks_of(const struct sawmill_file_client *client, u64 pages)
{
	return pages * (client->blocks_per_page + LISTING_BLOCKS);
}

static bool may_use_reserve(void)
{
	return uid_eq(current_fsuid(), GLOBAL_ROOT_UID) ||
	       capable(CAP_SYS_RESOURCE);
}

static u64 count_exactly(struct bdi_writeback *wb)
{
	return max_t(s64, wb_stat_sum(wb, WB_RECLAIMABLE) +
			  wb_stat_sum(wb, WB_WRITEBACK), 0);
}

/* Room for @pages more dirty pages, whoever writes them? */
static bool has_room(struct super_block *sb, u64 pages)
{
	struct sawmill_file_client *client = get_fuse_conn_super(sb)->iq.priv;
	const struct sawmill_file_header *header = client->header;
	struct bdi_writeback *wb = &sb->s_bdi->wb;
	u32 free = READ_ONCE(header->free_blocks);
	u32 reserved = READ_ONCE(header->reserved_blocks);
	u64 dirty = wb_stat(wb, WB_RECLAIMABLE) + wb_stat(wb, WB_WRITEBACK) +
		    2 * wb_stat_error();

	pages += UNCOUNTED_PAGES +
		 atomic_long_read(&client->unpromised_pages);
	if (likely(blocks_of(client, dirty + pages) + reserved <= free))
		return true;
	if (may_use_reserve())
		reserved = 0;
	return blocks_of(client, count_exactly(wb) + pages) + reserved <= free;
}

static void write_all_back(struct super_block *sb)
{
	if (count_exactly(&sb->s_bdi->wb))
		try_to_writeback_inodes_sb(sb, WB_REASON_FS_FREE_SPACE);
}

void sawmill_file_make_room(struct super_block *sb)
{
	if (unlikely(!has_room(sb, 1)))
		write_all_back(sb);
}

/* ---- write(2) ---- */

/* What is dirty has its room already; a full disk may have room for the rest. */
int sawmill_file_check_page(struct inode *inode, struct page *page)
{
	if (PageDirty(page) || likely(has_room(inode->i_sb, 1)))
		return 0;
	return -ENOSPC;
}

/* The server decides about what the cache does not take. */
static noinline ssize_t write_rest(struct kiocb *kiocb, struct iov_iter *from,
				   ssize_t done)
{
	struct super_block *sb = file_inode(kiocb->ki_filp)->i_sb;
	struct sawmill_file_client *client = get_fuse_conn_super(sb)->iq.priv;
	long pages = DIV_ROUND_UP(iov_iter_count(from), PAGE_SIZE) + 1;
	int flags = kiocb->ki_flags;
	ssize_t more;

	if (done < 0 && done != -ENOSPC)
		return done;
	/* Others promise none of what this may take while it is under way. */
	atomic_long_add(pages, &client->unpromised_pages);
	write_all_back(sb);
	kiocb->ki_flags |= IOCB_DIRECT;
	more = __generic_file_write_iter(kiocb, from);
	kiocb->ki_flags = flags;
	atomic_long_sub(pages, &client->unpromised_pages);
	if (more < 0)
		return done > 0 ? done : more;
	return max_t(ssize_t, done, 0) + more;
}

/* As generic_file_write_iter(), but for its end; under i_rwsem. */
ssize_t sawmill_file_write_locked(struct kiocb *kiocb, struct iov_iter *from)
{
	ssize_t done = generic_write_checks(kiocb, from);

	if (done <= 0)
		return done;
	done = __generic_file_write_iter(kiocb, from);
	if (likely(!iov_iter_count(from)))
		return done;
	return write_rest(kiocb, from, done);
}

/* ---- mappings ---- */

vm_fault_t sawmill_file_make_writable(struct vm_fault *fault)
{
	sawmill_file_make_room(file_inode(fault->vma->vm_file)->i_sb);
	return filemap_page_mkwrite(fault);
}
