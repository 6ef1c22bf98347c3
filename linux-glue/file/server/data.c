// SPDX-License-Identifier: GPL-2.0-only
/*
 * File data: READ, WRITE, FSYNC, SYNCFS.
 *
 * Data moves between the disk and the client's pages by direct I/O; the page
 * cache here stays empty. Only what direct I/O cannot do (blocks touched in
 * part, data in the control area) goes through the page cache, and leaves it
 * before the operation ends.
 *
 * Lock: i_rwsem of the inode, as the VFS would take it.
 */
#include <linux/backing-dev.h>
#include <linux/bio.h>
#include <linux/buffer_head.h>
#include <linux/file.h>
#include <linux/highmem.h>
#include <linux/mount.h>
#include <linux/pagemap.h>
#include <linux/uio.h>
#include <linux/writeback.h>
#include "ext2.h"
#include "server.h"

/* Blocks of one answer to BMAP. */
#define BMAP_MAX	65536

/*
 * May the request's data go directly? Whole blocks, in pages that have a
 * struct page. The end of the last segment is not looked at.
 */
static bool is_direct(const struct request *request, const struct inode *inode,
		      u64 offset)
{
	unsigned int mask = i_blocksize(inode) - 1;
	unsigned long bits = offset;
	unsigned int i;

	if (!request->is_pool || !request->segment_count)
		return false;
	for (i = 0; i < request->segment_count; i++) {
		bits |= request->bvecs[i].bv_offset;
		if (i + 1 < request->segment_count)
			bits |= request->bvecs[i].bv_len;
	}
	return !(bits & mask);
}

static ssize_t direct_io(struct file *file, struct iov_iter *iter, u64 offset)
{
	struct inode *inode = file_inode(file);
	struct kiocb kiocb;

	init_sync_kiocb(&kiocb, file);
	kiocb.ki_pos = offset;
	kiocb.ki_flags = IOCB_DIRECT;
	/* Not DIO_SKIP_HOLES: a write into a hole allocates here. */
	return __blockdev_direct_IO(&kiocb, inode, inode->i_sb->s_bdev, iter,
				    ext2_get_block, NULL, NULL, DIO_LOCKING);
}

/* Writes back and drops what the page cache has of a range. */
static int empty_cache(struct address_space *mapping, u64 offset, u64 size)
{
	int error;

	if (likely(!mapping->nrpages) || !size)
		return 0;
	error = filemap_write_and_wait_range(mapping, offset,
					     offset + size - 1);
	invalidate_inode_pages2_range(mapping, offset >> PAGE_SHIFT,
				      (offset + size - 1) >> PAGE_SHIFT);
	return error;
}

/* ---- read ---- */

static bool is_whole_pages(const struct request *request, u64 offset)
{
	unsigned int i;

	if (!request->is_pool || (offset & ~PAGE_MASK))
		return false;
	for (i = 0; i < request->segment_count; i++)
		if (request->bvecs[i].bv_len != PAGE_SIZE)
			return false;
	return true;
}

/* Reads @count blocks from @block on, or zeros; returns how many, or -errno. */
static int read_extent(struct inode *inode, struct bio_vec *pages,
		       unsigned int count, sector_t block)
{
	struct buffer_head map = { .b_size = (size_t)count << PAGE_SHIFT };
	struct bio bio;
	int error = ext2_get_block(inode, block, &map, 0);

	if (error)
		return error;
	if (!buffer_mapped(&map)) {
		zero_user(pages->bv_page, 0, PAGE_SIZE);
		return 1;
	}
	count = min_t(size_t, count, map.b_size >> PAGE_SHIFT);
	bio_init(&bio, inode->i_sb->s_bdev, pages, count, REQ_OP_READ);
	bio.bi_vcnt = count;
	bio.bi_iter.bi_size = count << PAGE_SHIFT;
	bio.bi_iter.bi_sector = map.b_blocknr << (PAGE_SHIFT - SECTOR_SHIFT);
	error = submit_bio_wait(&bio);
	bio_uninit(&bio);
	return error ?: count;
}

/*
 * What direct I/O would do for blocks of a page and whole pages, at a third
 * of its instructions.
 */
static ssize_t read_pages(struct request *request, u64 offset)
{
	struct inode *inode = node_inode(request->node);
	unsigned int count, done = 0;
	loff_t size;
	int error;

	/* As direct I/O: no block is given back while it is read. */
	inode_lock_shared(inode);
	size = min_t(loff_t, i_size_read(inode) - offset,
		     request->data_capacity);
	error = filemap_write_and_wait_range(inode->i_mapping, offset,
					     offset + request->data_capacity - 1);
	count = size > 0 ? DIV_ROUND_UP(size, PAGE_SIZE) : 0;
	while (!error && done < count) {
		int got = read_extent(inode, request->bvecs + done,
				      count - done,
				      (offset >> PAGE_SHIFT) + done);

		if (got < 0)
			error = got;
		else
			done += got;
	}
	inode_unlock_shared(inode);
	return error ?: max_t(loff_t, size, 0);
}

static ssize_t read_cached(struct file *file, struct iov_iter *iter, u64 offset)
{
	size_t size = iov_iter_count(iter);
	struct kiocb kiocb;
	ssize_t got;

	init_sync_kiocb(&kiocb, file);
	kiocb.ki_pos = offset;
	kiocb.ki_flags = 0;
	got = filemap_read(&kiocb, iter, 0);
	inode_lock(file_inode(file));
	empty_cache(file->f_mapping, offset, size);
	inode_unlock(file_inode(file));
	return got;
}

int operate_read(struct request *request)
{
	const struct fuse_read_in *in = take_arg(request, sizeof(*in));
	unsigned int capacity = request->data_capacity;
	struct inode *inode = node_inode(request->node);
	struct iov_iter iter;
	struct file *file;
	ssize_t got;

	if (!in || request->data_flags != SAWMILL_FILE_DATA_OUT || !capacity ||
	    in->size != capacity || in->offset > (u64)LLONG_MAX - capacity)
		return -EINVAL;
	if (in->offset >= i_size_read(inode))
		return 0;
	if (i_blocksize(inode) == PAGE_SIZE &&
	    is_whole_pages(request, in->offset)) {
		got = read_pages(request, in->offset);
		goto done;
	}
	file = node_file(request->node);
	if (IS_ERR(file))
		return PTR_ERR(file);
	data_iter(request, &iter, READ, capacity);
	if (is_direct(request, inode, in->offset) &&
	    !(capacity & (i_blocksize(inode) - 1)))
		got = direct_io(file, &iter, in->offset);
	else
		got = read_cached(file, &iter, in->offset);
done:
	if (got < 0)
		return got;
	request->data_size = got;
	return 0;
}

int operate_bmap(struct request *request)
{
	const struct fuse_bmap_in *in = take_arg(request, sizeof(*in));
	struct inode *inode = node_inode(request->node);
	struct buffer_head map = { .b_size = BMAP_MAX << inode->i_blkbits };
	struct fuse_bmap_out *out = put_result(request, sizeof(*out));
	int error;

	if (!in || !out || in->blocksize != i_blocksize(inode) ||
	    in->block > U32_MAX)
		return -EINVAL;
	inode_lock_shared(inode);
	error = ext2_get_block(inode, in->block, &map, 0);
	inode_unlock_shared(inode);
	if (!error && buffer_mapped(&map))
		out->block = map.b_blocknr |
			     (u64)(map.b_size >> inode->i_blkbits) << 32;
	return error;
}

/* ---- write ---- */

/* Gives back blocks beyond the end of file that a failed write allocated. */
static void drop_excess(struct dentry *dentry, u64 end)
{
	struct inode *inode = d_inode(dentry);
	struct iattr attr = {
		.ia_valid = ATTR_SIZE | ATTR_FORCE,
		.ia_size = i_size_read(inode),
	};

	if (end <= attr.ia_size)
		return;
	/* Only a change of size makes ext2 truncate. */
	i_size_write(inode, end);
	if (notify_change(&init_user_ns, dentry, &attr, NULL))
		i_size_write(inode, attr.ia_size);
}

/*
 * Writes whole blocks. @size may end within a block at the end of file: the
 * rest of the client's page is written with it (zeros, if the client cares).
 */
static ssize_t write_direct(struct request *request, struct file *file,
			    u64 offset, unsigned int size)
{
	struct inode *inode = file_inode(file);
	unsigned int rounded = round_up(size, i_blocksize(inode));
	struct bio_vec *last = &request->bvecs[request->segment_count - 1];
	struct iov_iter iter;
	ssize_t done;
	int error;

	last->bv_len += rounded - size;
	error = empty_cache(inode->i_mapping, offset, rounded);
	if (error)
		return error;
	data_iter(request, &iter, WRITE, rounded);
	done = direct_io(file, &iter, offset);
	if (done < rounded)
		drop_excess(request->node->dentry, offset + rounded);
	return min_t(ssize_t, done, size);
}

static bool can_write_direct(const struct request *request,
			     const struct inode *inode, u64 offset,
			     unsigned int size)
{
	const struct bio_vec *last =
		&request->bvecs[request->segment_count - 1];
	unsigned int rest = round_up(size, i_blocksize(inode)) - size;

	if (!is_direct(request, inode, offset))
		return false;
	if (!rest)
		return true;
	return offset + size >= i_size_read(inode) &&
	       last->bv_offset + last->bv_len + rest <= PAGE_SIZE;
}

static ssize_t write_cached(struct request *request, struct file *file,
			    u64 offset, unsigned int size)
{
	struct inode *inode = file_inode(file);
	struct iov_iter iter;
	struct kiocb kiocb;
	ssize_t done;
	int error;

	init_sync_kiocb(&kiocb, file);
	kiocb.ki_pos = offset;
	kiocb.ki_flags = 0;
	data_iter(request, &iter, WRITE, size);
	current->backing_dev_info = inode_to_bdi(inode);
	done = generic_perform_write(&kiocb, &iter);
	current->backing_dev_info = NULL;
	error = empty_cache(inode->i_mapping, offset, size);
	return error ?: done;
}

static ssize_t write_locked(struct request *request, struct file *file,
			    const struct fuse_write_in *in)
{
	struct inode *inode = file_inode(file);
	ssize_t done = -ENOSPC;

	if (can_write_direct(request, inode, in->offset, in->size))
		done = write_direct(request, file, in->offset, in->size);
	/* Of a write that finds no room, what goes in goes in. */
	if (done == -ENOSPC)
		done = write_cached(request, file, in->offset, in->size);
	if (done <= 0)
		return done;
	if (in->offset + done > i_size_read(inode)) {
		i_size_write(inode, in->offset + done);
		mark_inode_dirty(inode);
	}
	/* Write-back brings no times: the client sends them itself. */
	if (!(in->write_flags & FUSE_WRITE_CACHE)) {
		inode->i_mtime = current_time(inode);
		inode->i_ctime = inode->i_mtime;
		mark_inode_dirty(inode);
	}
	return done;
}

int operate_write(struct request *request)
{
	const struct fuse_write_in *in = take_arg(request, sizeof(*in));
	struct inode *inode = node_inode(request->node);
	struct fuse_write_out *out;
	struct file *file;
	ssize_t done;
	int error;

	if (!in || request->data_flags != SAWMILL_FILE_DATA_IN || !in->size ||
	    in->size != request->data_capacity ||
	    in->offset > (u64)LLONG_MAX - in->size)
		return -EINVAL;
	if (in->offset + in->size > inode->i_sb->s_maxbytes)
		return -EFBIG;
	out = put_result(request, sizeof(*out));
	if (!out)
		return -EINVAL;
	file = node_file(request->node);
	if (IS_ERR(file))
		return PTR_ERR(file);
	error = mnt_want_write(disk_mount());
	if (error)
		return error;
	inode_lock(inode);
	done = write_locked(request, file, in);
	inode_unlock(inode);
	mnt_drop_write(disk_mount());
	if (done < 0)
		return done;
	if (done == in->size && (in->write_flags & (SAWMILL_FILE_WRITE_FSYNC |
						    SAWMILL_FILE_WRITE_DATASYNC))) {
		error = vfs_fsync(file, !(in->write_flags &
					  SAWMILL_FILE_WRITE_FSYNC));
		if (error)
			return error;
	}
	out->size = done;
	/* Ours, not FUSE's: an ext2 file has less than 2^32 of them. */
	out->padding = min_t(u64, inode->i_blocks, U32_MAX);
	return 0;
}

/* ---- stable storage ---- */

int operate_fsync(struct request *request)
{
	const struct fuse_fsync_in *in = take_arg(request, sizeof(*in));
	struct file *file;

	if (!in)
		return -EINVAL;
	file = node_file(request->node);
	if (IS_ERR(file))
		return PTR_ERR(file);
	return vfs_fsync(file, in->fsync_flags & FUSE_FSYNC_FDATASYNC);
}

int operate_syncfs(struct request *request)
{
	struct super_block *sb = disk_mount()->mnt_sb;
	int error;

	down_read(&sb->s_umount);
	error = sync_filesystem(sb);
	up_read(&sb->s_umount);
	return error;
}
