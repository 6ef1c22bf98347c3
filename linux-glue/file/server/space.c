// SPDX-License-Identifier: GPL-2.0-only
/*
 * Free blocks: what clients may promise to their programs.
 *
 * The count in a client's header is never more than what is free when the
 * client is answered: the client decides by it whether it may keep a write(2)
 * in its cache (file/client/space.c). Several clients get equal parts; what a
 * client then takes beyond its part, it takes when the others have written
 * back what they were promised.
 */
#include <linux/cpumask.h>
#include <linux/cred.h>
#include <linux/mount.h>
#include <linux/percpu_counter.h>
#include "ext2.h"
#include "server.h"

/* Fewer are counted exactly. */
#define EXACT_BELOW	16384
/* Of ext2: those that list a write's blocks, and what a change of names takes. */
#define LISTING_BLOCKS	5
#define NAME_BLOCKS	5

static struct ext2_sb_info *disk_info(void)
{
	struct vfsmount *mount = disk_mount();

	return IS_ERR(mount) ? NULL : EXT2_SB(mount->mnt_sb);
}

static u32 count_free(struct ext2_sb_info *info)
{
	struct percpu_counter *counter = &info->s_freeblocks_counter;
	s64 free = percpu_counter_read(counter) -
		   (s64)percpu_counter_batch * num_online_cpus();

	if (free < EXACT_BELOW)
		free = percpu_counter_sum_positive(counter);
	return min_t(s64, free, U32_MAX);
}

static void publish(struct server_client *client, void *blocks)
{
	WRITE_ONCE(client->header->free_blocks, *(u32 *)blocks);
}

/* Before an answer. */
void space_publish(struct server_client *client)
{
	struct ext2_sb_info *info = disk_info();
	u32 free;

	if (!info)
		return;
	free = count_free(info);
	if (unlikely(READ_ONCE(lease_sharing)))
		lease_share_out(free, publish);
	else if (READ_ONCE(client->header->free_blocks) != free)
		publish(client, &free);
}

/* Blocks that a request may take without a promise. */
static u32 growth_of(const struct request *request, const struct super_block *sb)
{
	const struct fuse_write_in *in = (const void *)request->args;

	switch (request->header.opcode) {
	case FUSE_WRITE:
		if (request->args_size < sizeof(*in) ||
		    (in->write_flags & FUSE_WRITE_CACHE))
			return 0;
		return request->data_capacity / sb->s_blocksize + LISTING_BLOCKS;
	case FUSE_CREATE:
	case FUSE_MKNOD:
	case FUSE_MKDIR:
	case FUSE_SYMLINK:
	case FUSE_LINK:
	case FUSE_RENAME:
	case FUSE_RENAME2:
	case FUSE_SETXATTR:
		return NAME_BLOCKS;
	}
	return 0;
}

/* While there are several clients. -EINPROGRESS: the request is parked. */
int space_admit(struct request *request)
{
	struct ext2_sb_info *info = disk_info();
	u32 blocks = info ? growth_of(request, disk_mount()->mnt_sb) : 0;

	if (!blocks)
		return 0;
	return clients_admit_growth(request, blocks, count_free(info));
}

void space_begin(struct server_client *client)
{
	struct super_block *sb = disk_mount()->mnt_sb;

	WRITE_ONCE(client->header->reserved_blocks,
		   le32_to_cpu(EXT2_SB(sb)->s_es->s_r_blocks_count));
	WRITE_ONCE(client->header->block_size, sb->s_blocksize);
}

/*
 * Root's reserve is for root: where it begins, others go without the right to
 * it. What clients write back has been promised, and comes as root's.
 */
const struct cred *space_restrict(const struct request *request)
{
	struct ext2_sb_info *info = disk_info();
	const struct cred *old;
	struct cred *cred;

	if (!info || percpu_counter_read(&info->s_freeblocks_counter) >
		     le32_to_cpu(info->s_es->s_r_blocks_count) + EXACT_BELOW)
		return NULL;
	cred = prepare_creds();
	if (!cred)
		return NULL;
	cred->fsuid = make_kuid(&init_user_ns, request->header.uid);
	cred->fsgid = make_kgid(&init_user_ns, request->header.gid);
	cap_lower(cred->cap_effective, CAP_SYS_RESOURCE);
	old = override_creds(cred);
	put_cred(cred);
	return old;
}
