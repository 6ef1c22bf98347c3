// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names: lookup and creation; removal.c has the rest.
 *
 * Locks: the VFS's own (i_rwsem of directories, s_vfs_rename_mutex).
 */
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/fs_struct.h>
#include <linux/init_task.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/sched/task.h>
#include "server.h"

/* ---- who creates ---- */

struct identity {
	const struct cred *old;	/* NULL: the server's own user */
	umode_t umask;
};

/*
 * New inodes belong to the client's user, and its umask applies unless the
 * directory has a default ACL. All capabilities stay.
 */
static int assume_identity(const struct request *request, u32 umask,
			   struct identity *identity)
{
	kuid_t uid = make_kuid(&init_user_ns, request->header.uid);
	kgid_t gid = make_kgid(&init_user_ns, request->header.gid);
	struct cred *cred;
	int error;

	if (!uid_valid(uid) || !gid_valid(gid))
		return -EINVAL;
	/* Kernel threads share one umask by default. */
	if (current->fs == &init_fs) {
		error = unshare_fs_struct();
		if (error)
			return error;
	}
	identity->old = NULL;
	if (!uid_eq(uid, current_fsuid()) || !gid_eq(gid, current_fsgid())) {
		cred = prepare_creds();
		if (!cred)
			return -ENOMEM;
		cred->fsuid = uid;
		cred->fsgid = gid;
		identity->old = override_creds(cred);
		put_cred(cred);
	}
	identity->umask = xchg(&current->fs->umask, umask & S_IRWXUGO);
	return 0;
}

static void drop_identity(const struct identity *identity)
{
	current->fs->umask = identity->umask;
	if (identity->old)
		revert_creds(identity->old);
}

/* ---- lookup ---- */

int operate_lookup(struct request *request)
{
	const char *name = take_name(request);
	struct fuse_entry_out *entry;
	struct dentry *dentry;
	int error;

	if (IS_ERR(name))
		return PTR_ERR(name);
	dentry = lookup_one_len_unlocked(name, request->node->dentry,
					 strlen(name));
	if (IS_ERR(dentry))
		return PTR_ERR(dentry);
	if (d_really_is_positive(dentry)) {
		error = put_entry(request, dentry);
	} else {
		/* No node id: there is no such name, and that stays so. */
		entry = put_result(request, sizeof(*entry));
		error = entry ? 0 : -EINVAL;
		if (entry)
			entry->entry_valid = VALID_SECONDS;
	}
	dput(dentry);
	return error;
}

/* ---- creation ---- */

/*
 * As lookup_one_len() in a directory that is locked exclusively, for a name
 * that take_name() has checked: permissions are the client's business, and
 * nobody else looks up the same name meanwhile.
 */
struct dentry *name_look_up(struct dentry *parent, const char *name)
{
	struct inode *directory = d_inode(parent);
	struct qstr this = QSTR_INIT(name, strlen(name));
	struct dentry *dentry, *other;

	this.hash = full_name_hash(parent, name, this.len);
	dentry = d_lookup(parent, &this);
	if (dentry)
		return dentry;
	dentry = d_alloc(parent, &this);
	if (!dentry)
		return ERR_PTR(-ENOMEM);
	other = directory->i_op->lookup(directory, dentry, 0);
	if (!other)
		return dentry;
	dput(dentry);
	return other;
}

/* Begins: locks the directory, returns the (negative or positive) dentry. */
struct dentry *name_begin(struct request *request, const char *name,
			  unsigned int lock_class)
{
	struct dentry *parent = request->node->dentry;
	struct dentry *dentry;
	int error = mnt_want_write(disk_mount());

	if (error)
		return ERR_PTR(error);
	inode_lock_nested(d_inode(parent), lock_class);
	/* A directory that the client removed and still refers to. */
	dentry = IS_DEADDIR(d_inode(parent)) ? ERR_PTR(-ENOENT) :
		 name_look_up(parent, name);
	if (IS_ERR(dentry)) {
		inode_unlock(d_inode(parent));
		mnt_drop_write(disk_mount());
	}
	return dentry;
}

void name_end(struct request *request, struct dentry *dentry)
{
	inode_unlock(node_inode(request->node));
	mnt_drop_write(disk_mount());
	dput(dentry);
}

/* What to create under a name. */
struct creation {
	umode_t mode;
	dev_t device;
	const char *link;	/* symbolic link */
	u32 umask;
};

static int create_locked(struct request *request, struct dentry *dentry,
			 const struct creation *creation)
{
	struct inode *directory = node_inode(request->node);
	struct identity identity;
	int error;

	if (d_really_is_positive(dentry))
		return -EEXIST;
	error = assume_identity(request, creation->umask, &identity);
	if (error)
		return error;
	switch (creation->mode & S_IFMT) {
	case S_IFREG:
		error = vfs_create(&init_user_ns, directory, dentry,
				   creation->mode, true);
		break;
	case S_IFDIR:
		error = vfs_mkdir(&init_user_ns, directory, dentry,
				  creation->mode & ~S_IFMT);
		break;
	case S_IFLNK:
		error = vfs_symlink(&init_user_ns, directory, dentry,
				    creation->link);
		break;
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		error = vfs_mknod(&init_user_ns, directory, dentry,
				  creation->mode, creation->device);
		break;
	default:
		error = -EINVAL;
	}
	drop_identity(&identity);
	if (!error)
		lease_changed(request->client, directory);
	return error;
}

static int create_name(struct request *request, const char *name,
		       const struct creation *creation)
{
	struct dentry *dentry = name_begin(request, name, I_MUTEX_PARENT);
	int error;

	if (IS_ERR(dentry))
		return PTR_ERR(dentry);
	error = create_locked(request, dentry, creation);
	if (!error)
		error = put_entry(request, dentry);
	name_end(request, dentry);
	return error;
}

int operate_mknod(struct request *request)
{
	const struct fuse_mknod_in *in = take_arg(request, sizeof(*in));
	const char *name = in ? take_name(request) : ERR_PTR(-EINVAL);
	struct creation creation;

	if (IS_ERR(name))
		return PTR_ERR(name);
	if (S_ISDIR(in->mode) || S_ISLNK(in->mode))
		return -EINVAL;
	creation = (struct creation){
		.mode = in->mode,
		.device = new_decode_dev(in->rdev),
		.umask = in->umask,
	};
	return create_name(request, name, &creation);
}

int operate_mkdir(struct request *request)
{
	const struct fuse_mkdir_in *in = take_arg(request, sizeof(*in));
	const char *name = in ? take_name(request) : ERR_PTR(-EINVAL);
	struct creation creation;

	if (IS_ERR(name))
		return PTR_ERR(name);
	creation = (struct creation){
		.mode = S_IFDIR | (in->mode & ~S_IFMT),
		.umask = in->umask,
	};
	return create_name(request, name, &creation);
}

int operate_symlink(struct request *request)
{
	const char *name = take_name(request);
	struct creation creation = { .mode = S_IFLNK | S_IRWXUGO };
	char *copy = NULL;
	struct iov_iter iter;
	unsigned int size;
	int error;

	if (IS_ERR(name))
		return PTR_ERR(name);
	if (request->data_flags == SAWMILL_FILE_DATA_IN) {
		size = request->data_capacity;
		if (size > PATH_MAX)
			return -ENAMETOOLONG;
		copy = kmalloc(size + 1, GFP_KERNEL);
		if (!copy)
			return -ENOMEM;
		data_iter(request, &iter, WRITE, size);
		if (copy_from_iter(copy, size, &iter) != size) {
			kfree(copy);
			return -EFAULT;
		}
		copy[size] = 0;
		creation.link = copy;
	} else {
		creation.link = request->args;
		size = request->args_size;
	}
	/* The terminator must be where the client says the target ends. */
	error = -EINVAL;
	if (size > 1 && strlen(creation.link) == size - 1)
		error = create_name(request, name, &creation);
	kfree(copy);
	return error;
}

static int put_opened_entry(struct request *request, struct dentry *dentry)
{
	struct fuse_open_out *out;
	int error = put_entry(request, dentry);

	if (error)
		return error;
	out = put_result(request, sizeof(*out));
	if (!out)
		return -EINVAL;
	out->open_flags = FOPEN_KEEP_CACHE;
	return 0;
}

int operate_create(struct request *request)
{
	const struct fuse_create_in *in = take_arg(request, sizeof(*in));
	const char *name = in ? take_name(request) : ERR_PTR(-EINVAL);
	struct creation creation;
	struct dentry *dentry;
	int error;

	if (IS_ERR(name))
		return PTR_ERR(name);
	if (!S_ISREG(in->mode))
		return -EINVAL;
	creation = (struct creation){ .mode = in->mode, .umask = in->umask };
	dentry = name_begin(request, name, I_MUTEX_PARENT);
	if (IS_ERR(dentry))
		return PTR_ERR(dentry);
	error = create_locked(request, dentry, &creation);
	if (!error)
		error = put_opened_entry(request, dentry);
	name_end(request, dentry);
	return error;
}

int operate_tmpfile(struct request *request)
{
	const struct fuse_create_in *in = take_arg(request, sizeof(*in));
	struct path path = {
		.mnt = disk_mount(),
		.dentry = request->node->dentry,
	};
	struct identity identity;
	struct file *file;
	int error;

	if (!in || !S_ISREG(in->mode))
		return -EINVAL;
	error = mnt_want_write(path.mnt);
	if (error)
		return error;
	error = assume_identity(request, in->umask, &identity);
	if (error) {
		mnt_drop_write(path.mnt);
		return error;
	}
	file = vfs_tmpfile_open(&init_user_ns, &path, in->mode,
				O_RDWR | O_LARGEFILE | (in->flags & O_EXCL),
				current_cred());
	drop_identity(&identity);
	mnt_drop_write(path.mnt);
	if (IS_ERR(file))
		return PTR_ERR(file);
	error = put_opened_entry(request, file->f_path.dentry);
	fput(file);
	return error;
}

int operate_link(struct request *request)
{
	const struct fuse_link_in *in = take_arg(request, sizeof(*in));
	const char *name = in ? take_name(request) : ERR_PTR(-EINVAL);
	struct dentry *dentry;
	struct node *old;
	int error;

	if (IS_ERR(name))
		return PTR_ERR(name);
	old = node_get(request->client, in->oldnodeid);
	if (!old)
		return -ESTALE;
	dentry = name_begin(request, name, I_MUTEX_PARENT);
	if (IS_ERR(dentry)) {
		error = PTR_ERR(dentry);
	} else {
		error = vfs_link(old->dentry, &init_user_ns,
				 node_inode(request->node), dentry, NULL);
		if (!error) {
			lease_changed(request->client,
				      node_inode(request->node));
			lease_changed(request->client, d_inode(dentry));
			error = put_entry(request, dentry);
		}
		name_end(request, dentry);
	}
	node_put(old);
	return error;
}
