// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where a file's data is on the disk: FIEMAP as ext2 answers it. There is no
 * FIBMAP in a kernel without a block layer.
 *
 * What is dirty here has no place yet: it is written back first.
 */
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/pagemap.h>
#include "client.h"

/* Blocks that follow each other on the disk. */
struct extent {
	u64 from, to;	/* number in the file, on the disk (0: a hole) */
	u64 count;	/* of a hole: 1 */
};

static int find(struct inode *inode, u64 block, struct extent *extent)
{
	struct fuse_bmap_in in = {
		.block = block,
		.blocksize = i_blocksize(inode),
	};
	struct fuse_bmap_out out = {};
	int error = sawmill_file_ask(get_fuse_mount(inode), get_node_id(inode),
				     FUSE_BMAP, &in, sizeof(in),
				     &out, sizeof(out));

	extent->from = block;
	extent->to = (u32)out.block;
	extent->count = extent->to ? max_t(u64, out.block >> 32, 1) : 1;
	return error;
}

static int put(struct inode *inode, struct fiemap_extent_info *info,
	       const struct extent *extent, u32 flags)
{
	unsigned int bits = inode->i_blkbits;

	if (!extent->count)
		return 0;
	return fiemap_fill_next_extent(info, extent->from << bits,
				       extent->to << bits,
				       extent->count << bits,
				       FIEMAP_EXTENT_MERGED | flags);
}

static int put_extents(struct inode *inode, struct fiemap_extent_info *info,
		       u64 block, u64 end)
{
	struct extent extent, last = {};
	int result;

	while (block < end) {
		if (fatal_signal_pending(current))
			return -EINTR;
		result = find(inode, block, &extent);
		if (result)
			return result;
		extent.count = min(extent.count, end - block);
		block += extent.count;
		if (!extent.to)
			continue;
		/* 1: the program has room for no more. */
		result = put(inode, info, &last, 0);
		if (result)
			return min(result, 0);
		last = extent;
	}
	return min(put(inode, info, &last, FIEMAP_EXTENT_LAST), 0);
}

int sawmill_file_fiemap(struct inode *inode, struct fiemap_extent_info *info,
			u64 start, u64 length)
{
	unsigned int bits = inode->i_blkbits;
	int error;

	if (fuse_is_bad(inode))
		return -EIO;
	inode_lock(inode);
	length = min_t(u64, length, max_t(loff_t, i_size_read(inode), 1));
	error = fiemap_prep(inode, info, start, &length, 0);
	if (!error)
		error = filemap_write_and_wait(inode->i_mapping);
	if (!error)
		error = put_extents(inode, info, start >> bits,
				    ((start + length - 1) >> bits) + 1);
	inode_unlock(inode);
	return error;
}
