// SPDX-License-Identifier: GPL-2.0-only
/*
 * The file system type "sawmill": mount -t sawmill SERVICE DIRECTORY.
 *
 * The source is the name of a service to which the system description gave
 * this partition a connection. One connection carries one super block: a
 * second mount of the same source shares it.
 *
 * Lock: mount_mutex, under s_umount; protects client->is_mounted.
 */
#include <linux/fs_context.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/slab.h>
#include "client.h"

static DEFINE_MUTEX(mount_mutex);

static void set_connection_limits(struct fuse_conn *fc)
{
	fc->release = fuse_free_conn;
	fc->delete_stale = true;
	fc->sync_fs = true;
	fc->init_inode = sawmill_file_init_inode;
	fc->simple_request = sawmill_file_simple_request;
	fc->max_pages_limit = min_t(unsigned int, fc->max_pages_limit,
				    SAWMILL_FILE_PAGES_MAX);
	/* Not in the protocol: no server has state for an open file. */
	fc->no_open = 1;
	fc->no_opendir = 1;
	fc->no_flush = 1;
	fc->no_access = 1;
	fc->no_interrupt = 1;
	fc->no_poll = 1;
	fc->no_bmap = 1;
	/* Answered as ext2 answers: by Linux's generic code here. */
	fc->no_lseek = 1;
	fc->no_fallocate = 1;
	fc->no_copy_file_range = 1;
}

static void set_super(struct sawmill_file_client *client,
		      struct super_block *sb)
{
	spin_lock_irq(&client->lock);
	client->sb = sb;
	spin_unlock_irq(&client->lock);
}

static int fill_super(struct super_block *sb, struct sawmill_file_client *client)
{
	struct fuse_mount *fm = get_fuse_mount_super(sb);
	struct fuse_conn *fc = fm->fc;
	struct fuse_fs_context context = {
		.rootmode = S_IFDIR,
		.default_permissions = true,
		.allow_other = true,
		.max_read = UINT_MAX,
		.destroy = true,
		.no_control = true,
		.no_force_umount = true,
	};
	int error = fuse_fill_super_common(sb, &context);
	u32 block_size;
	u64 size_max;

	if (error)
		return error;
	sawmill_file_init_super(sb);
	client->forget_count = 0;
	client->init_error = -EIO;
	fuse_send_init(fm);
	sawmill_file_drain(client);
	flush_work(&client->background_work);
	if (client->init_error || fc->conn_error) {
		error = client->init_error ?: -EPROTO;
		pr_err("sawmill: file: %s refuses the mount: %d\n",
		       client->connection->name, error);
		return error;
	}
	sawmill_file_init_xattrs(sb);
	/* So that write(2) says EFBIG, and not its write-back. */
	size_max = READ_ONCE(client->header->size_max);
	if (size_max && size_max < sb->s_maxbytes)
		sb->s_maxbytes = size_max;
	block_size = READ_ONCE(client->header->block_size);
	if (!is_power_of_2(block_size) || block_size < 512 ||
	    block_size > PAGE_SIZE)
		return -EPROTO;
	client->blocks_per_page = PAGE_SIZE / block_size;
	/* As FIGETBSZ tells it. */
	sb->s_blocksize = block_size;
	sb->s_blocksize_bits = ilog2(block_size);
	client->is_mounted = true;
	sawmill_file_begin_sharing(client, sb);
	set_super(client, sb);
	/* What the server said meanwhile. */
	sawmill_file_look_at_header(client);
	return 0;
}

static int test_super(struct super_block *sb, struct fs_context *fsc)
{
	struct fuse_mount *fm = fsc->s_fs_info;

	return fm->fc->iq.priv == get_fuse_conn_super(sb)->iq.priv;
}

static int get_tree(struct fs_context *fsc)
{
	struct sawmill_connection *connection;
	struct sawmill_file_client *client;
	struct super_block *sb;
	struct fuse_mount *fm;
	struct fuse_conn *fc;
	int error = -ENOMEM;

	if (!fsc->source)
		return invalf(fsc, "sawmill: no source (name of a service)");
	connection = sawmill_connection_find(fsc->source, SAWMILL_ROLE_CLIENT);
	if (!connection) {
		errorf(fsc, "sawmill: no connection to service %s", fsc->source);
		return -ENODEV;
	}
	if (sawmill_connection_is_dead(connection)) {
		errorf(fsc, "sawmill: service %s is dead", fsc->source);
		return -EIO;
	}
	mutex_lock(&mount_mutex);
	client = connection->user ?: sawmill_file_client_create(connection);
	mutex_unlock(&mount_mutex);
	if (IS_ERR(client))
		return PTR_ERR(client);

	fc = kzalloc(sizeof(*fc), GFP_KERNEL);
	fm = kzalloc(sizeof(*fm), GFP_KERNEL);
	if (!fc || !fm) {
		kfree(fc);
		kfree(fm);
		return error;
	}
	fuse_conn_init(fc, fm, fsc->user_ns, &sawmill_file_queue_ops, client);
	set_connection_limits(fc);
	fsc->s_fs_info = fm;
	sb = sget_fc(fsc, test_super, set_anon_super_fc);
	if (fsc->s_fs_info)
		fuse_mount_destroy(fm);
	if (IS_ERR(sb))
		return PTR_ERR(sb);
	if (!sb->s_root) {
		mutex_lock(&mount_mutex);
		error = client->is_mounted ? -EBUSY : fill_super(sb, client);
		mutex_unlock(&mount_mutex);
		if (error) {
			deactivate_locked_super(sb);
			return error;
		}
		sb->s_flags |= SB_ACTIVE;
	}
	fsc->root = dget(sb->s_root);
	return 0;
}

static const struct fs_context_operations context_operations = {
	.get_tree = get_tree,
};

static int init_fs_context(struct fs_context *fsc)
{
	fsc->ops = &context_operations;
	return 0;
}

static void kill_super(struct super_block *sb)
{
	struct fuse_mount *fm = get_fuse_mount_super(sb);
	struct sawmill_file_client *client = fm->fc->iq.priv;
	bool is_last = false;

	/* Nobody can take a reference any more. */
	if (client->sb == sb)
		set_super(client, NULL);
	if (sb->s_root) {
		is_last = fuse_mount_remove(fm);
		if (is_last) {
			/* Dirty pages first: DESTROY is the last message. */
			sync_filesystem(sb);
			fuse_conn_destroy(fm);
		}
	}
	kill_anon_super(sb);
	/* Its queue goes; nothing is forgotten after the last inode. */
	cancel_delayed_work_sync(&client->forget_work);
	fuse_mount_destroy(fm);
	if (is_last) {
		mutex_lock(&mount_mutex);
		client->is_mounted = false;
		mutex_unlock(&mount_mutex);
	}
}

static struct file_system_type sawmill_file_type = {
	.owner = THIS_MODULE,
	.name = "sawmill",
	.init_fs_context = init_fs_context,
	.kill_sb = kill_super,
};

static int __init sawmill_file_init(void)
{
	return register_filesystem(&sawmill_file_type);
}
fs_initcall(sawmill_file_init);
