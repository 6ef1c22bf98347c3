// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of nodes: what a client may refer to.
 *
 * The node id is the inode number, so that ids mean the same to a restarted
 * server. The table has a struct node, which holds a dentry and so the inode,
 * or, if that has not been used for a while, only the number of lookups: a
 * client may know many more files than this kernel has memory for. What is
 * restored is found as by a file handle of NFS, so a directory has its place in
 * the tree that renames are checked against. Inodes whose last name is gone are
 * not reduced.
 *
 * Full nodes are in hash lists, which cost a fifth of what an XArray does with
 * each request; numbers of lookups are in an XArray, which takes less memory.
 *
 * Lock: xa_lock of client->reduced (spinlock, innermost): both, node->lookups,
 * node->is_kept, counts; node->count rises from one only under it.
 */
#include <linux/exportfs.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/mount.h>
#include <linux/slab.h>
#include "server.h"

/* Full nodes that a client may have before cold ones are reduced... */
static unsigned int nodes_max;
#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "sawmill."
module_param(nodes_max, uint, 0644);
/* ...and, with those that cannot be, before it gets an error. */
#define NODES_HARD_FACTOR	4
#define REDUCE_SCAN		64
#define REDUCE_BUCKETS		1024
#define REDUCE_BATCH		16
/* About as many as there may be full nodes. */
#define BUCKETS_MIN		64UL
#define BUCKETS_MAX		(256UL * 1024)

static struct hlist_head *bucket_of(const struct server_client *client, u64 id)
{
	return &client->full[id & client->full_mask];
}

/* Under the table's lock, as all that looks into the table. */
static struct node *find(const struct server_client *client, u64 id)
{
	struct node *node;

	hlist_for_each_entry(node, bucket_of(client, id), hash)
		if (node->id == id)
			return node;
	return NULL;
}

/* The number of lookups in place of a node, or NULL. */
static void *find_reduced(struct server_client *client, u64 id)
{
	return xa_empty(&client->reduced) ? NULL : xa_load(&client->reduced, id);
}

static void add(struct server_client *client, struct node *node)
{
	hlist_add_head(&node->hash, bucket_of(client, node->id));
	client->node_count++;
}

static void remove(struct server_client *client, struct node *node)
{
	hlist_del(&node->hash);
	client->node_count--;
}

static struct node *create_node(struct dentry *dentry)
{
	struct node *node = kzalloc(sizeof(*node), GFP_KERNEL);

	if (!node)
		return NULL;
	node->id = id_of(d_inode(dentry));
	node->lookups = 1;
	refcount_set(&node->count, 1);
	node->dentry = dget(dentry);
	mutex_init(&node->listing);
	return node;
}

static void free_node(struct node *node)
{
	if (node->file) {
		if (node->has_locks)
			locks_end(node);
		/* At once where it may be: an inode waits to be deleted. */
		if (current->flags & PF_KTHREAD)
			__fput_sync(node->file);
		else
			fput(node->file);
	}
	dput(node->dentry);
	kfree(node);
}

void node_put(struct node *node)
{
	if (refcount_dec_and_test(&node->count))
		free_node(node);
}

/* ---- reducing and restoring ---- */

/*
 * Reduces @node to its lookups, if nobody uses it and it can be restored.
 * Under the table's lock.
 */
static bool try_reduce(struct server_client *client, struct node *node)
{
	if (node->is_kept || node->has_locks || node->id == FUSE_ROOT_ID ||
	    !node_inode(node)->i_nlink || node->lookups > LONG_MAX)
		return false;
	if (node->is_recent) {
		node->is_recent = false;
		return false;
	}
	if (refcount_read(&node->count) != 1 ||
	    xa_err(__xa_store(&client->reduced, node->id,
			      xa_mk_value(node->lookups),
			      GFP_NOWAIT | __GFP_NOWARN)))
		return false;
	remove(client, node);
	return true;
}

/* Makes room after an insertion: one step of a clock's hand. */
static void reduce_some(struct server_client *client)
{
	struct node *batch[REDUCE_BATCH];
	unsigned int count = 0, scanned = 0, buckets = 0, i;
	struct hlist_node *next;
	struct node *node;

	xa_lock(&client->reduced);
	while (buckets++ < REDUCE_BUCKETS && scanned < REDUCE_SCAN &&
	       count < REDUCE_BATCH && client->node_count > nodes_max)
		hlist_for_each_entry_safe(node, next,
					  bucket_of(client, client->reduce_hand++),
					  hash) {
			scanned++;
			if (count < REDUCE_BATCH && try_reduce(client, node))
				batch[count++] = node;
		}
	xa_unlock(&client->reduced);
	for (i = 0; i < count; i++)
		free_node(batch[i]);
}

/* Puts @fresh where the table has a number; false if it has none there. */
static bool try_restore(struct server_client *client, struct node *fresh)
{
	bool is_restored = false;
	void *entry;

	xa_lock(&client->reduced);
	entry = find_reduced(client, fresh->id);
	if (entry) {
		fresh->lookups = xa_to_value(entry);
		__xa_erase(&client->reduced, fresh->id);
		add(client, fresh);
		is_restored = true;
	}
	xa_unlock(&client->reduced);
	return is_restored;
}

static int accept_any(void *context, struct dentry *dentry)
{
	return 1;
}

/* By number, like a file handle of NFS; a directory gets its place in the tree. */
static struct dentry *find_dentry(u64 id)
{
	struct fid handle = { .i32.ino = id };

	if (id != (u32)id)
		return ERR_PTR(-ESTALE);
	return exportfs_decode_fh(disk_mount(), &handle, 2, FILEID_INO32_GEN,
				  accept_any, NULL);
}

/* Restores the node of an inode that the client still knows. */
static int restore(struct server_client *client, u64 id)
{
	struct dentry *dentry = find_dentry(id);
	struct node *fresh;

	if (IS_ERR(dentry))
		return PTR_ERR(dentry);
	fresh = create_node(dentry);
	dput(dentry);
	if (!fresh)
		return -ENOMEM;
	if (try_restore(client, fresh))
		reduce_some(client);
	else
		free_node(fresh);
	return 0;
}

/*
 * Makes a node for what the client knows from an earlier server. Whether a
 * number still means the same file, the client sees by the generation when it
 * next meets the name.
 */
static int adopt(struct server_client *client, u64 id)
{
	struct dentry *dentry = find_dentry(id);
	u64 found;
	int error;

	if (IS_ERR(dentry))
		return PTR_ERR(dentry);
	error = node_look_up(client, dentry, &found);
	dput(dentry);
	return error ?: found == id ? 0 : -ESTALE;
}

struct node *node_get(struct server_client *client, u64 id)
{
	struct node *node;
	bool is_reduced;

	for (;;) {
		xa_lock(&client->reduced);
		node = find(client, id);
		if (likely(node))
			refcount_inc(&node->count);
		is_reduced = !node && find_reduced(client, id);
		xa_unlock(&client->reduced);
		if (likely(node)) {
			node->is_recent = true;
			return node;
		}
		if (is_reduced ? restore(client, id) :
				 !client->is_resumed || adopt(client, id))
			return NULL;
	}
}

/*
 * Before a name of @dentry's inode goes: if the client knows the inode, keeps
 * it for as long as the client does.
 */
int node_keep(struct server_client *client, struct dentry *dentry)
{
	u64 id = id_of(d_inode(dentry));
	struct node *node;
	bool is_reduced;
	int error;

	for (;;) {
		xa_lock(&client->reduced);
		node = find(client, id);
		if (node)
			node->is_kept = true;
		is_reduced = !node && find_reduced(client, id);
		xa_unlock(&client->reduced);
		if (!node && !is_reduced && client->is_resumed) {
			error = node_look_up(client, dentry, &id);
			if (error)
				return error;
			continue;
		}
		if (!is_reduced)
			return 0;
		node = create_node(dentry);
		if (!node)
			return -ENOMEM;
		node->is_kept = true;
		if (try_restore(client, node))
			return 0;
		free_node(node);
	}
}

/* ---- lookups ---- */

/* Under the table's lock; @fresh is used up (set to NULL) if it goes in. */
static int count_lookup(struct server_client *client, u64 id,
			struct node **fresh)
{
	struct node *node = find(client, id);
	void *entry;

	if (node) {
		if (node->lookups < U64_MAX)
			node->lookups++;
		return 0;
	}
	entry = find_reduced(client, id);
	if (entry) {
		/* Replaces an entry: needs no memory. */
		__xa_store(&client->reduced, id,
			   xa_mk_value(min(xa_to_value(entry) + 1,
					   (unsigned long)LONG_MAX)), 0);
		return 0;
	}
	if (!*fresh)
		return -ENOENT;
	if (client->node_count / NODES_HARD_FACTOR >= nodes_max)
		return -ENFILE;
	add(client, *fresh);
	*fresh = NULL;
	return 0;
}

/* Counts one more lookup of @dentry's inode by the client; gives its id. */
int node_look_up(struct server_client *client, struct dentry *dentry, u64 *id)
{
	struct node *fresh = NULL;
	int error;

	*id = id_of(d_inode(dentry));
	xa_lock(&client->reduced);
	error = count_lookup(client, *id, &fresh);
	xa_unlock(&client->reduced);
	if (error != -ENOENT)
		return error;
	/* Not there: allocate without the lock, then look again. */
	fresh = create_node(dentry);
	if (!fresh)
		return -ENOMEM;
	xa_lock(&client->reduced);
	error = count_lookup(client, *id, &fresh);
	xa_unlock(&client->reduced);
	if (fresh)
		free_node(fresh);
	if (client->node_count > nodes_max)
		reduce_some(client);
	return error;
}

void node_forget(struct server_client *client, u64 id, u64 count)
{
	struct node *node;
	u64 lookups;
	void *entry;

	if (id == FUSE_ROOT_ID)
		return;
	xa_lock(&client->reduced);
	node = find(client, id);
	entry = node ? NULL : find_reduced(client, id);
	if (node) {
		node->lookups -= min(count, node->lookups);
		if (node->lookups)
			node = NULL;
		else
			remove(client, node);
	} else if (entry) {
		lookups = xa_to_value(entry);
		lookups -= min(count, lookups);
		if (lookups)
			__xa_store(&client->reduced, id, xa_mk_value(lookups), 0);
		else
			__xa_erase(&client->reduced, id);
	}
	xa_unlock(&client->reduced);
	if (node)
		node_put(node);
}

/*
 * Opened read-only: a writable open would keep the mount from going
 * read-only, and the operations of data.c do not look at the mode.
 */
struct file *node_file(struct node *node)
{
	struct file *file = READ_ONCE(node->file);
	struct path path;

	if (file)
		return file;
	path.mnt = disk_mount();
	path.dentry = node->dentry;
	file = dentry_open(&path, O_RDONLY | O_LARGEFILE | O_NOATIME,
			   current_cred());
	if (IS_ERR(file))
		return file;
	if (cmpxchg(&node->file, NULL, file)) {
		fput(file);
		file = READ_ONCE(node->file);
	}
	return file;
}

/* ---- the table ---- */

/* For as long as there is a connection: forgets come at any time. */
int node_table_attach(struct server_client *client)
{
	unsigned long count;

	if (!nodes_max)
		/* About 1.2 KiB each: at most a twelfth of memory. */
		nodes_max = clamp(totalram_pages() / 4, 256UL, 250000UL);
	count = roundup_pow_of_two(clamp((unsigned long)nodes_max, BUCKETS_MIN,
					 BUCKETS_MAX));
	xa_init(&client->reduced);
	client->full_mask = count - 1;
	client->full = kvcalloc(count, sizeof(*client->full), GFP_KERNEL);
	return client->full ? 0 : -ENOMEM;
}

void node_table_detach(struct server_client *client)
{
	kvfree(client->full);
}

int node_table_create(struct server_client *client)
{
	struct vfsmount *mount = disk_mount();
	struct node *root;

	if (IS_ERR(mount))
		return PTR_ERR(mount);
	root = create_node(mount->mnt_root);
	if (!root)
		return -ENOMEM;
	xa_lock(&client->reduced);
	add(client, root);
	xa_unlock(&client->reduced);
	return 0;
}

void node_table_destroy(struct server_client *client)
{
	struct hlist_node *next;
	struct hlist_head gone;
	struct node *node;
	unsigned long i;

	for (i = 0; i <= client->full_mask; i++) {
		xa_lock(&client->reduced);
		hlist_move_list(&client->full[i], &gone);
		hlist_for_each_entry(node, &gone, hash)
			client->node_count--;
		xa_unlock(&client->reduced);
		hlist_for_each_entry_safe(node, next, &gone, hash)
			node_put(node);
	}
	xa_destroy(&client->reduced);
}
