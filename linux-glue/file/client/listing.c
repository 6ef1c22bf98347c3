// SPDX-License-Identifier: GPL-2.0-only
/*
 * Listings of directories of which many names are known.
 *
 * FUSE begins a listing with READDIRPLUS, whose attributes save a lookup for
 * each name that is not known. For known ones they are a waste: then the
 * listing is fetched here, as a whole and in few calls, into the cache that
 * FUSE has for listings, and FUSE reads it from there.
 *
 * FUSE takes what is in its cache for checked: that is done here.
 *
 * Lock: filling, by inode: a listing is put into the cache by one task at a
 * time, be it here or in FUSE; outside of page locks and fi->rdc.lock.
 */
#include <linux/hash.h>
#include <linux/highmem.h>
#include <linux/iversion.h>
#include <linux/pagemap.h>
#include <asm/word-at-a-time.h>
#include "client.h"

/* Known names from which on attributes are not asked for. */
#define KNOWN_MIN	16
#define KNOWN_SCAN	64
/* Pages of one call, and of a listing. */
#define CALL_PAGES	8
#define LISTING_PAGES	256
#define ENTRY_MAX	FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + NAME_MAX)

static struct mutex filling[16];

/* A part of a listing, in locked pages of the directory's cache. */
struct part {
	struct page *pages[CALL_PAGES];
	pgoff_t first;
	unsigned int size;	/* of all pages but the last one: PAGE_SIZE */
};

static bool knows_names(struct dentry *directory)
{
	unsigned int known = 0, scanned = 0;
	struct dentry *child;

	spin_lock(&directory->d_lock);
	list_for_each_entry(child, &directory->d_subdirs, d_child) {
		known += d_really_is_positive(child);
		if (known == KNOWN_MIN || ++scanned == KNOWN_SCAN)
			break;
	}
	spin_unlock(&directory->d_lock);
	return known == KNOWN_MIN;
}

/* As fuse_readdir_cached() decides at the beginning of a listing. */
static bool is_cached(struct inode *inode)
{
	struct fuse_inode *fi = get_fuse_inode(inode);
	bool is_valid;

	spin_lock(&fi->rdc.lock);
	is_valid = fi->rdc.cached &&
		   inode_peek_iversion(inode) == fi->rdc.iversion &&
		   timespec64_equal(&fi->rdc.mtime, &inode->i_mtime);
	spin_unlock(&fi->rdc.lock);
	return is_valid;
}

static int get_pages(struct address_space *mapping, struct part *part)
{
	unsigned int i;

	for (i = 0; i < CALL_PAGES; i++) {
		part->pages[i] = find_or_create_page(mapping, part->first + i,
						     mapping_gfp_mask(mapping));
		if (!part->pages[i])
			return -ENOMEM;
	}
	return 0;
}

static void put_pages(struct part *part)
{
	unsigned int i;

	for (i = 0; i < CALL_PAGES && part->pages[i]; i++) {
		unlock_page(part->pages[i]);
		put_page(part->pages[i]);
		part->pages[i] = NULL;
	}
}

/* Reads the part that begins at @position into its pages. */
static int read_part(struct inode *inode, struct part *part, loff_t position)
{
	struct fuse_page_desc descs[CALL_PAGES];
	struct fuse_read_in in = {
		.offset = position,
		.size = CALL_PAGES * PAGE_SIZE,
		.read_flags = SAWMILL_FILE_LIST_PAGES,
	};
	struct fuse_args_pages ap = {
		.args = {
			.opcode = FUSE_READDIR,
			.nodeid = get_node_id(inode),
			.out_pages = true,
			.out_argvar = true,
			.in_numargs = 1,
			.in_args = { { .size = sizeof(in), .value = &in } },
			.out_numargs = 1,
			.out_args = { { .size = CALL_PAGES * PAGE_SIZE } },
		},
		.pages = part->pages,
		.descs = descs,
		.num_pages = CALL_PAGES,
	};
	ssize_t got;
	unsigned int i;

	for (i = 0; i < CALL_PAGES; i++) {
		descs[i].offset = 0;
		descs[i].length = PAGE_SIZE;
	}
	got = fuse_simple_request(get_fuse_mount(inode), &ap.args);
	if (got < 0)
		return got;
	part->size = got;
	return 0;
}

/*
 * Whether there is a slash in an entry's name, or in what fills its last word
 * up, which the server has to zero: a word at a time, since listings are long.
 */
static bool has_slash(const struct fuse_dirent *entry)
{
	const struct word_at_a_time constants = WORD_AT_A_TIME_CONSTANTS;
	const unsigned long *word = (const void *)entry->name;
	const unsigned long *end = (const void *)entry +
				   FUSE_DIRENT_SIZE(entry);
	unsigned long bits;

	for (; word < end; word++)
		if (has_zero(*word ^ REPEAT_BYTE('/'), &bits, &constants))
			return true;
	return false;
}

/* Checks a page of entries; @position becomes the one after the last. */
static int check_page(const u8 *data, unsigned int size, loff_t *position)
{
	unsigned int at = 0;

	while (size - at >= FUSE_NAME_OFFSET) {
		const struct fuse_dirent *entry = (const void *)(data + at);

		if (!entry->namelen)
			return 0;
		if (entry->namelen > NAME_MAX ||
		    FUSE_DIRENT_SIZE(entry) > size - at ||
		    has_slash(entry))
			return -EIO;
		*position = entry->off;
		at += FUSE_DIRENT_SIZE(entry);
	}
	return 0;
}

static int check_part(struct part *part, loff_t *position)
{
	unsigned int at, size;
	int error = 0;

	for (at = 0; at < part->size && !error; at += PAGE_SIZE) {
		struct page *page = part->pages[at >> PAGE_SHIFT];
		u8 *data = kmap_local_page(page);

		size = min_t(unsigned int, part->size - at, PAGE_SIZE);
		memset(data + size, 0, PAGE_SIZE - size);
		error = check_page(data, size, position);
		kunmap_local(data);
		if (!error)
			SetPageUptodate(page);
	}
	return error;
}

/* One more entry would have had room. */
static bool is_last(const struct part *part)
{
	return CALL_PAGES * PAGE_SIZE - part->size >= ENTRY_MAX;
}

/* Fetches the whole listing; returns its size in the cache or -errno. */
static loff_t fetch(struct inode *inode, loff_t *position)
{
	struct part part = {};
	int error;

	for (; part.first < LISTING_PAGES; part.first += CALL_PAGES) {
		error = get_pages(inode->i_mapping, &part);
		if (!error)
			error = read_part(inode, &part, *position);
		if (!error)
			error = check_part(&part, position);
		put_pages(&part);
		if (error)
			return error;
		if (is_last(&part))
			return ((loff_t)part.first << PAGE_SHIFT) + part.size;
	}
	return -E2BIG;
}

static void fill(struct inode *inode)
{
	struct fuse_inode *fi = get_fuse_inode(inode);
	struct timespec64 time;
	loff_t position = 0, size;
	u64 version, changes;

	spin_lock(&fi->rdc.lock);
	fi->rdc.cached = false;
	fi->rdc.size = 0;
	fi->rdc.pos = 0;
	version = ++fi->rdc.version;
	time = inode->i_mtime;
	changes = inode_query_iversion(inode);
	spin_unlock(&fi->rdc.lock);

	size = fetch(inode, &position);
	if (size < 0)
		return;
	spin_lock(&fi->rdc.lock);
	if (fi->rdc.version == version) {
		fi->rdc.cached = true;
		fi->rdc.size = size;
		fi->rdc.pos = position;
		fi->rdc.mtime = time;
		fi->rdc.iversion = changes;
	}
	spin_unlock(&fi->rdc.lock);
	truncate_inode_pages(inode->i_mapping, ALIGN(size, PAGE_SIZE));
}

/* What @iterate, FUSE's own, does, with a cache that is filled in time. */
int sawmill_file_iterate(struct file *file, struct dir_context *context,
			 int (*iterate)(struct file *, struct dir_context *))
{
	struct inode *inode = file_inode(file);
	struct mutex *lock = &filling[hash_ptr(inode, 4)];
	int error;

	mutex_lock(lock);
	if (!context->pos && !fuse_is_bad(inode) && !is_cached(inode) &&
	    i_size_read(inode) <= LISTING_PAGES / 2 * PAGE_SIZE &&
	    knows_names(file->f_path.dentry))
		fill(inode);
	error = iterate(file, context);
	mutex_unlock(lock);
	return error;
}

static int __init listing_init(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(filling); i++)
		mutex_init(&filling[i]);
	return 0;
}
subsys_initcall(listing_init);
