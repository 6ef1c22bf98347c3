// SPDX-License-Identifier: GPL-2.0-only
/*
 * Extended attributes (with them, ACLs) and inode flags.
 */
#include <linux/fs.h>
#include <linux/fileattr.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/mount.h>
#include <linux/slab.h>
#include <linux/xattr.h>
#include "server.h"

/* "user.name", terminated. */
static const char *take_attribute_name(struct request *request)
{
	const char *name = request->args;
	size_t length = strnlen(name, request->args_size);

	if (length == request->args_size || !length || length > XATTR_NAME_MAX)
		return NULL;
	return take_arg(request, length + 1);
}

/* The value comes inline behind the name, or by reference if it is long. */
static void *take_value(struct request *request, unsigned int size)
{
	struct iov_iter iter;
	const void *inline_value;
	void *value;

	value = kvmalloc(size ?: 1, GFP_KERNEL);
	if (!value)
		return ERR_PTR(-ENOMEM);
	if (request->data_flags == SAWMILL_FILE_DATA_IN) {
		data_iter(request, &iter, WRITE, request->data_capacity);
		if (request->data_capacity == size &&
		    copy_from_iter(value, size, &iter) == size)
			return value;
	} else {
		inline_value = take_arg(request, size);
		if (inline_value) {
			memcpy(value, inline_value, size);
			return value;
		}
	}
	kvfree(value);
	return ERR_PTR(-EINVAL);
}

/* Answers with @size bytes, wherever the client wants them. */
static int put_value(struct request *request, const void *value,
		     unsigned int size)
{
	struct iov_iter iter;
	void *result;

	if (request->data_flags == SAWMILL_FILE_DATA_OUT) {
		if (size > request->data_capacity)
			return -ERANGE;
		data_iter(request, &iter, READ, size);
		request->data_size = copy_to_iter(value, size, &iter);
		return 0;
	}
	result = put_result(request, size);
	if (!result)
		return -ERANGE;
	memcpy(result, value, size);
	return 0;
}

static int put_size(struct request *request, ssize_t size)
{
	struct fuse_getxattr_out *out = put_result(request, sizeof(*out));

	if (!out)
		return -EINVAL;
	out->size = size;
	return 0;
}

int operate_setxattr(struct request *request)
{
	const struct fuse_setxattr_in *in = take_arg(request, sizeof(*in));
	const char *name = in ? take_attribute_name(request) : NULL;
	struct dentry *dentry = request->node->dentry;
	struct iattr attr = { .ia_valid = ATTR_MODE };
	void *value;
	int error;

	if (!name || (in->flags & ~(XATTR_CREATE | XATTR_REPLACE)))
		return -EINVAL;
	if (in->size > XATTR_SIZE_MAX)
		return -E2BIG;
	value = take_value(request, in->size);
	if (IS_ERR(value))
		return PTR_ERR(value);
	error = mnt_want_write(disk_mount());
	if (!error) {
		error = vfs_setxattr(&init_user_ns, dentry, name, value,
				     in->size, in->flags);
		if (!error && (in->setxattr_flags & FUSE_SETXATTR_ACL_KILL_SGID)) {
			inode_lock(d_inode(dentry));
			attr.ia_mode = d_inode(dentry)->i_mode & ~S_ISGID;
			error = notify_change(&init_user_ns, dentry, &attr,
					      NULL);
			inode_unlock(d_inode(dentry));
		}
		mnt_drop_write(disk_mount());
	}
	if (!error)
		lease_changed(request->client, d_inode(dentry));
	kvfree(value);
	return error;
}

int operate_getxattr(struct request *request)
{
	const struct fuse_getxattr_in *in = take_arg(request, sizeof(*in));
	const char *name = in ? take_attribute_name(request) : NULL;
	void *value = NULL;
	ssize_t size;
	int error;

	if (!name)
		return -EINVAL;
	if (in->size > XATTR_SIZE_MAX)
		return -E2BIG;
	if (in->size) {
		value = kvmalloc(in->size, GFP_KERNEL);
		if (!value)
			return -ENOMEM;
	}
	size = vfs_getxattr(&init_user_ns, request->node->dentry, name, value,
			    in->size);
	if (size < 0)
		error = size;
	else
		error = in->size ? put_value(request, value, size) :
				   put_size(request, size);
	kvfree(value);
	return error;
}

int operate_listxattr(struct request *request)
{
	const struct fuse_getxattr_in *in = take_arg(request, sizeof(*in));
	char *names = NULL;
	ssize_t size;
	int error;

	if (!in)
		return -EINVAL;
	if (in->size > XATTR_LIST_MAX)
		return -E2BIG;
	if (in->size) {
		names = kvmalloc(in->size, GFP_KERNEL);
		if (!names)
			return -ENOMEM;
	}
	size = vfs_listxattr(request->node->dentry, names, in->size);
	if (size < 0)
		error = size;
	else
		error = in->size ? put_value(request, names, size) :
				   put_size(request, size);
	kvfree(names);
	return error;
}

int operate_removexattr(struct request *request)
{
	const char *name = take_attribute_name(request);
	int error;

	if (!name)
		return -EINVAL;
	error = mnt_want_write(disk_mount());
	if (error)
		return error;
	error = vfs_removexattr(&init_user_ns, request->node->dentry, name);
	mnt_drop_write(disk_mount());
	lease_changed(request->client, node_inode(request->node));
	return error;
}

/* ---- inode flags: the ioctls behind lsattr and chattr ---- */

static int get_flags(struct request *request, bool has_extended)
{
	struct fileattr attr = { .flags_valid = true };
	struct fsxattr *extended;
	u32 *flags;
	int error = vfs_fileattr_get(request->node->dentry, &attr);

	if (error)
		return error;
	if (!has_extended) {
		flags = put_result(request, sizeof(*flags));
		if (!flags)
			return -EINVAL;
		*flags = attr.flags;
		return 0;
	}
	extended = put_result(request, sizeof(*extended));
	if (!extended)
		return -EINVAL;
	extended->fsx_xflags = attr.fsx_xflags;
	extended->fsx_projid = attr.fsx_projid;
	return 0;
}

static int set_flags(struct request *request, bool has_extended)
{
	const struct fsxattr *extended;
	struct fileattr attr = {};
	const u32 *flags;
	int error;

	if (has_extended) {
		extended = take_arg(request, sizeof(*extended));
		if (!extended)
			return -EINVAL;
		fileattr_fill_xflags(&attr, extended->fsx_xflags);
	} else {
		flags = take_arg(request, sizeof(*flags));
		if (!flags)
			return -EINVAL;
		fileattr_fill_flags(&attr, *flags);
	}
	error = mnt_want_write(disk_mount());
	if (error)
		return error;
	error = vfs_fileattr_set(&init_user_ns, request->node->dentry, &attr);
	mnt_drop_write(disk_mount());
	lease_changed(request->client, node_inode(request->node));
	return error;
}

int operate_ioctl(struct request *request)
{
	const struct fuse_ioctl_in *in = take_arg(request, sizeof(*in));

	if (!in || !put_result(request, sizeof(struct fuse_ioctl_out)))
		return -EINVAL;
	switch (in->cmd) {
	case FS_IOC_GETFLAGS:
		return get_flags(request, false);
	case FS_IOC_FSGETXATTR:
		return get_flags(request, true);
	case FS_IOC_SETFLAGS:
		return set_flags(request, false);
	case FS_IOC_FSSETXATTR:
		return set_flags(request, true);
	}
	return -ENOTTY;
}
