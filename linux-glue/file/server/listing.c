// SPDX-License-Identifier: GPL-2.0-only
/*
 * READDIR and READDIRPLUS, READLINK.
 *
 * Entries are collected while the directory is locked; READDIRPLUS looks them
 * up afterwards, since a lookup takes the same lock.
 *
 * Lock: node->listing, outside of the directory's i_rwsem.
 */
#include <linux/file.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/slab.h>
#include "server.h"

#define LISTING_MAX	(32 * 1024)

struct listing {
	struct dir_context context;
	u8 *buffer;
	unsigned int capacity;
	unsigned int size;
	bool has_attributes;	/* READDIRPLUS */
	bool is_paged;		/* SAWMILL_FILE_LIST_PAGES */
	struct fuse_dirent *last;
};

static unsigned int entry_size(const struct listing *listing, int length)
{
	return FUSE_DIRENT_ALIGN((listing->has_attributes ?
				  FUSE_NAME_OFFSET_DIRENTPLUS :
				  FUSE_NAME_OFFSET) + length);
}

static bool add_entry(struct dir_context *context, const char *name,
		      int length, loff_t position, u64 ino, unsigned int type)
{
	struct listing *listing =
		container_of(context, struct listing, context);
	unsigned int size = entry_size(listing, length);
	unsigned int rest = PAGE_SIZE - offset_in_page(listing->size);
	struct fuse_dirent *entry;
	u8 *place;

	if (listing->is_paged && size > rest &&
	    rest < listing->capacity - listing->size) {
		memset(listing->buffer + listing->size, 0, rest);
		listing->size += rest;
	}
	place = listing->buffer + listing->size;
	if (size > listing->capacity - listing->size)
		return false;
	/* An entry's offset is where the next one is. */
	if (listing->last)
		listing->last->off = position;
	if (listing->has_attributes)
		memset(place, 0, size);
	else
		*(u64 *)(place + size - sizeof(u64)) = 0;
	entry = listing->has_attributes ?
		&((struct fuse_direntplus *)place)->dirent :
		(struct fuse_dirent *)place;
	entry->ino = ino;
	entry->namelen = length;
	entry->type = type;
	memcpy(entry->name, name, length);
	listing->last = entry;
	listing->size += size;
	return true;
}

static bool is_dot(const char *name, u32 length)
{
	return name[0] == '.' &&
	       (length == 1 || (length == 2 && name[1] == '.'));
}

/* Fills in attributes where they are to be had; an entry without is fine. */
static void add_attributes(struct request *request, struct listing *listing)
{
	unsigned int at = 0;

	while (at < listing->size) {
		struct fuse_direntplus *entry = (void *)listing->buffer + at;
		u32 length = entry->dirent.namelen;
		struct dentry *dentry;

		at += entry_size(listing, length);
		if (is_dot(entry->dirent.name, length))
			continue;
		dentry = lookup_one_len_unlocked(entry->dirent.name,
						 request->node->dentry, length);
		if (IS_ERR(dentry))
			continue;
		if (d_really_is_positive(dentry) &&
		    fill_entry(request->client, dentry, &entry->entry_out))
			memset(&entry->entry_out, 0, sizeof(entry->entry_out));
		dput(dentry);
	}
}

static int collect(struct request *request, struct listing *listing,
		   u64 offset)
{
	struct file *file = node_file(request->node);
	int error;

	if (IS_ERR(file))
		return PTR_ERR(file);
	mutex_lock(&request->node->listing);
	if (file->f_pos != offset) {
		file->f_pos = offset;
		/* Makes ext2 check that an entry begins there. */
		file->f_version = ~0ULL;
	}
	error = iterate_dir(file, &listing->context);
	if (listing->last)
		listing->last->off = listing->context.pos;
	mutex_unlock(&request->node->listing);
	/* A name that is gone has no entries (rmdir'd directory). */
	return error == -ENOENT ? 0 : error;
}

static int list(struct request *request, bool has_attributes)
{
	const struct fuse_read_in *in = take_arg(request, sizeof(*in));
	struct listing listing = {
		.context.actor = add_entry,
		.has_attributes = has_attributes,
	};
	struct iov_iter iter;
	int error;

	if (!in || request->data_flags != SAWMILL_FILE_DATA_OUT ||
	    (s64)in->offset < 0)
		return -EINVAL;
	listing.is_paged = !has_attributes &&
			   (in->read_flags & SAWMILL_FILE_LIST_PAGES);
	listing.capacity = min3(request->data_capacity, in->size,
				(u32)LISTING_MAX);
	listing.buffer = kmalloc(listing.capacity, GFP_KERNEL);
	if (!listing.buffer)
		return -ENOMEM;
	error = collect(request, &listing, in->offset);
	if (!error) {
		if (has_attributes)
			add_attributes(request, &listing);
		data_iter(request, &iter, READ, listing.size);
		request->data_size = copy_to_iter(listing.buffer, listing.size,
						  &iter);
	}
	kfree(listing.buffer);
	return error;
}

int operate_readdir(struct request *request)
{
	return list(request, false);
}

int operate_readdirplus(struct request *request)
{
	return list(request, true);
}

int operate_readlink(struct request *request)
{
	DEFINE_DELAYED_CALL(done);
	struct iov_iter iter;
	const char *target;
	size_t length;
	int error = 0;

	if (!d_is_symlink(request->node->dentry) ||
	    request->data_flags != SAWMILL_FILE_DATA_OUT)
		return -EINVAL;
	target = vfs_get_link(request->node->dentry, &done);
	if (IS_ERR(target))
		return PTR_ERR(target);
	length = strlen(target);
	if (length > request->data_capacity) {
		error = -ENAMETOOLONG;
	} else {
		data_iter(request, &iter, READ, length);
		request->data_size = copy_to_iter(target, length, &iter);
	}
	do_delayed_call(&done);
	return error;
}
