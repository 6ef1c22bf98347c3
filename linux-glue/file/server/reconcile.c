// SPDX-License-Identifier: GPL-2.0-only
/*
 * Before writing to a disk that a dead server left behind.
 *
 * ext2 puts inodes on the disk with fsync, but not the bitmaps that say which
 * blocks they use: its file systems are checked before they are mounted again.
 * A server that takes over has clients that wait. So it marks as used what
 * inodes on the disk refer to; nothing that was synchronized is overwritten.
 * Blocks that are marked and unused, and the counts, are left to e2fsck -p.
 *
 * A block that two inodes claim must not be freed with one of them: then the
 * disk stays read-only.
 *
 * The clients wait meanwhile, so tables of inodes are read in large pieces.
 */
#include <linux/buffer_head.h>
#include <linux/pagemap.h>
#include <linux/vmalloc.h>
#include "ext2.h"
#include "server.h"

/* Of a table, read with one command to the disk. */
#define PIECE_BYTES	(512 * 1024)

struct marks {
	struct super_block *sb;
	unsigned long first, count;	/* blocks of the file system */
	unsigned long *used;		/* by number - first */
	unsigned long claimed_twice;
};

static void mark(struct marks *marks, u32 block)
{
	if (block < marks->first || block - marks->first >= marks->count)
		return;
	if (__test_and_set_bit(block - marks->first, marks->used))
		marks->claimed_twice++;
}

/* A block of a file and, @depth levels deep, those that it lists. */
static int mark_tree(struct marks *marks, u32 block, unsigned int depth)
{
	struct buffer_head *buffer;
	unsigned int i;
	int error = 0;

	if (!block)
		return 0;
	mark(marks, block);
	if (!depth || block < marks->first ||
	    block - marks->first >= marks->count)
		return 0;
	buffer = sb_bread(marks->sb, block);
	if (!buffer)
		return -EIO;
	for (i = 0; i < marks->sb->s_blocksize / sizeof(__le32) && !error; i++)
		error = mark_tree(marks,
				  le32_to_cpu(((__le32 *)buffer->b_data)[i]),
				  depth - 1);
	brelse(buffer);
	return error;
}

static bool has_blocks(const struct marks *marks,
		       const struct ext2_inode *inode)
{
	u16 mode = le16_to_cpu(inode->i_mode);
	u32 own = inode->i_file_acl ? marks->sb->s_blocksize >> 9 : 0;

	if (S_ISLNK(mode))
		return le32_to_cpu(inode->i_blocks) > own;
	return S_ISREG(mode) || S_ISDIR(mode);
}

static int mark_inode(struct marks *marks, const struct ext2_inode *inode)
{
	u32 attributes = le32_to_cpu(inode->i_file_acl);
	unsigned int i;
	int error = 0;

	/* Inodes share blocks of attributes. */
	if (attributes >= marks->first &&
	    attributes - marks->first < marks->count)
		__set_bit(attributes - marks->first, marks->used);
	if (!has_blocks(marks, inode))
		return 0;
	for (i = 0; i < EXT2_N_BLOCKS && !error; i++)
		error = mark_tree(marks, le32_to_cpu(inode->i_block[i]),
				  i < EXT2_NDIR_BLOCKS ? 0 :
				  i - EXT2_NDIR_BLOCKS + 1);
	return error;
}

static void read_ahead(struct super_block *sb, u32 block, unsigned int count)
{
	unsigned int shift = PAGE_SHIFT - sb->s_blocksize_bits;
	pgoff_t first = block >> shift;
	pgoff_t last = (block + count - 1) >> shift;
	DEFINE_READAHEAD(pages, NULL, NULL, sb->s_bdev->bd_inode->i_mapping,
			 first);

	page_cache_ra_unbounded(&pages, last - first + 1, 0);
}

/* One group's inodes: marks their blocks, and themselves in @bitmap. */
static int mark_inodes(struct marks *marks, unsigned int group, u32 table,
		       struct buffer_head *bitmap)
{
	struct super_block *sb = marks->sb;
	unsigned int size = EXT2_INODE_SIZE(sb);
	unsigned int count = EXT2_INODES_PER_GROUP(sb);
	unsigned int per_block = sb->s_blocksize / size;
	unsigned int per_piece = PIECE_BYTES / size;
	struct buffer_head *buffer = NULL;
	unsigned int i;
	int error = 0;

	for (i = 0; i < count && !error; i++) {
		unsigned long number = (unsigned long)group * count + i + 1;
		const struct ext2_inode *inode;

		if (i % per_piece == 0)
			read_ahead(sb, table + i / per_block,
				   DIV_ROUND_UP(min(per_piece, count - i),
						per_block));
		if (i % per_block == 0) {
			brelse(buffer);
			buffer = sb_bread(sb, table + i / per_block);
			if (!buffer)
				return -EIO;
		}
		inode = (void *)(buffer->b_data + i % per_block * size);
		if (!inode->i_links_count || !inode->i_mode ||
		    (number != EXT2_ROOT_INO && number < EXT2_FIRST_INO(sb)))
			continue;
		if (!ext2_set_bit(i, bitmap->b_data))
			mark_buffer_dirty(bitmap);
		error = mark_inode(marks, inode);
	}
	brelse(buffer);
	return error;
}

/* Takes over into the disk's bitmap what is marked in a group's blocks. */
static void merge(const struct marks *marks, unsigned int group,
		  struct buffer_head *bitmap)
{
	unsigned long per_group = EXT2_BLOCKS_PER_GROUP(marks->sb);
	unsigned long from = group * per_group;
	unsigned long end = min(from + per_group, marks->count), i = from;

	for_each_set_bit_from(i, marks->used, end)
		if (!ext2_set_bit(i - from, bitmap->b_data))
			mark_buffer_dirty(bitmap);
}

static int walk(struct marks *marks)
{
	struct ext2_sb_info *info = EXT2_SB(marks->sb);
	const struct ext2_group_desc *group;
	struct buffer_head *bitmap;
	unsigned int i;
	int error = 0;

	for (i = 0; i < info->s_groups_count && !error; i++) {
		group = ext2_get_group_desc(marks->sb, i, NULL);
		bitmap = group ? sb_bread(marks->sb,
				le32_to_cpu(group->bg_inode_bitmap)) : NULL;
		if (!bitmap)
			return -EIO;
		error = mark_inodes(marks, i,
				    le32_to_cpu(group->bg_inode_table), bitmap);
		brelse(bitmap);
	}
	for (i = 0; i < info->s_groups_count && !error; i++) {
		group = ext2_get_group_desc(marks->sb, i, NULL);
		bitmap = sb_bread(marks->sb,
				  le32_to_cpu(group->bg_block_bitmap));
		if (!bitmap)
			return -EIO;
		merge(marks, i, bitmap);
		brelse(bitmap);
	}
	return error;
}

/* 0, or -EROFS: two inodes claim one block; or another error. */
int disk_reconcile(struct super_block *sb)
{
	struct ext2_super_block *on_disk = EXT2_SB(sb)->s_es;
	struct marks marks = {
		.sb = sb,
		.first = le32_to_cpu(on_disk->s_first_data_block),
		.count = le32_to_cpu(on_disk->s_blocks_count) -
			 le32_to_cpu(on_disk->s_first_data_block),
	};
	int error;

	marks.used = vzalloc(BITS_TO_LONGS(marks.count) * sizeof(long));
	if (!marks.used)
		return -ENOMEM;
	error = walk(&marks);
	vfree(marks.used);
	if (!error && marks.claimed_twice) {
		pr_err("sawmill: file: %lu blocks belong to two files: read-only until e2fsck\n",
		       marks.claimed_twice);
		error = -EROFS;
	}
	return error;
}
