// SPDX-License-Identifier: GPL-2.0-only
/*
 * The one ext2 file system that this server serves.
 *
 * Mounted at boot, read-only, from the device named by sawmill.disk=DEVICE;
 * writable while a client uses it. So a clean end of the last client leaves a
 * clean image, and an image that is no ext2 is reported at boot.
 *
 * Lock: disk_mutex (outermost of the server): mounting, user count.
 */
#include <linux/async.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/fs_context.h>
#include <linux/init.h>
#include <linux/init_syscalls.h>
#include <linux/kdev_t.h>
#include <linux/moduleparam.h>
#include <linux/mount.h>
#include "../../../../fs/internal.h"
#include "server.h"

#define NODE_NAME		"/sawmill-disk"
#define MOUNT_OPTIONS		"acl,user_xattr"
#define DEVICE_WAIT_MS		5000
#define DEVICE_POLL_MS		20

static char device_name[64];
static bool is_read_only;
#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "sawmill."
module_param_string(disk, device_name, sizeof(device_name), 0444);
module_param_named(disk_ro, is_read_only, bool, 0444);

static DEFINE_MUTEX(disk_mutex);
static struct vfsmount *mount;		/* NULL: see mount_error */
static int mount_error = -ENODEV;
static unsigned int users;

struct vfsmount *disk_mount(void)
{
	return mount ?: ERR_PTR(mount_error);
}

static int set_writable(bool is_writable)
{
	/* ext2's parser writes into it. */
	char options[] = MOUNT_OPTIONS;
	struct super_block *sb = mount->mnt_sb;
	struct fs_context *fc;
	int error;

	if (is_writable == !sb_rdonly(sb) || (is_writable && is_read_only))
		return 0;
	fc = fs_context_for_reconfigure(mount->mnt_root,
					is_writable ? 0 : SB_RDONLY, SB_RDONLY);
	if (IS_ERR(fc))
		return PTR_ERR(fc);
	error = parse_monolithic_mount_data(fc, options);
	if (!error) {
		down_write(&sb->s_umount);
		error = reconfigure_super(fc);
		up_write(&sb->s_umount);
	}
	put_fs_context(fc);
	return error;
}

static int begin_writing(bool is_resumed)
{
	if (is_resumed && !is_read_only) {
		int error = disk_reconcile(mount->mnt_sb);

		if (error == -EROFS)
			is_read_only = true;
		else if (error)
			return error;
	}
	return set_writable(true);
}

/* A client begins (INIT), perhaps with what it knows from a dead server. */
int disk_begin(bool is_resumed)
{
	int error = 0;

	mutex_lock(&disk_mutex);
	if (!mount)
		error = mount_error;
	else if (!users)
		error = begin_writing(is_resumed);
	if (!error)
		users++;
	mutex_unlock(&disk_mutex);
	return error;
}

/* A client has ended (DESTROY, or it died). Its nodes are gone. */
void disk_end(void)
{
	struct super_block *sb = mount->mnt_sb;
	int error = 0;

	mutex_lock(&disk_mutex);
	down_read(&sb->s_umount);
	sync_filesystem(sb);
	up_read(&sb->s_umount);
	if (--users == 0) {
		error = set_writable(false);
		if (error)
			pr_warn("sawmill: file: %s stays writable: %d\n",
				device_name, error);
	}
	mutex_unlock(&disk_mutex);
}

static dev_t __init wait_for_device(void)
{
	unsigned int waited;
	dev_t device;

	for (waited = 0; waited <= DEVICE_WAIT_MS; waited += DEVICE_POLL_MS) {
		wait_for_device_probe();
		async_synchronize_full();
		device = name_to_dev_t(device_name);
		if (device)
			return device;
		msleep(DEVICE_POLL_MS);
	}
	return 0;
}

static int __init disk_init(void)
{
	static char options[] __initdata = MOUNT_OPTIONS;
	struct file_system_type *type;
	struct vfsmount *fresh;
	dev_t device;
	int error;

	if (!*device_name) {
		pr_err("sawmill: file: no disk (sawmill.disk=DEVICE)\n");
		return 0;
	}
	device = wait_for_device();
	if (!device) {
		pr_err("sawmill: file: disk %s: no such device\n", device_name);
		return 0;
	}
	error = init_mknod(NODE_NAME, S_IFBLK | 0600, new_encode_dev(device));
	if (error) {
		pr_err("sawmill: file: disk %s: no device node: %d\n",
		       device_name, error);
		return 0;
	}
	type = get_fs_type("ext2");
	fresh = type ? vfs_kern_mount(type, SB_RDONLY | SB_NOATIME | SB_NODEV,
				      NODE_NAME, options) : ERR_PTR(-ENODEV);
	if (IS_ERR(fresh)) {
		pr_err("sawmill: file: disk %s: not mountable as ext2: %ld\n",
		       device_name, PTR_ERR(fresh));
		/* The client shall see an error of the disk, not of us. */
		mount_error = -EIO;
		return 0;
	}
	mount = fresh;
	pr_info("sawmill: file: serving ext2 on %s, block size %lu\n",
		device_name, mount->mnt_sb->s_blocksize);
	return 0;
}
late_initcall(disk_init);
