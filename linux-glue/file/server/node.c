// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of nodes: what a client may refer to.
 *
 * The node id is the inode number, so that ids mean the same to a restarted
 * server. An entry of the table is a struct node, which holds a dentry and so
 * the inode, or, if that has not been used for a while, only the number of
 * lookups: a client may know many more files than this kernel has memory for.
 * What is restored is found as by a file handle of NFS, so a directory has its
 * place in the tree that renames are checked against. Inodes whose last name
 * is gone are not reduced.
 *
 * Lock: xa_lock of the table (spinlock, innermost): entries, node->lookups,
 * node->is_kept, counts. Readers go without it, by RCU and node->count.
 */
#include <linux/exportfs.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/mount.h>
#include <linux/rcupdate.h>
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
#define REDUCE_BATCH		16

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
	kfree_rcu(node, rcu);
}

void node_put(struct node *node)
{
	if (refcount_dec_and_test(&node->count))
		free_node(node);
}

/* ---- reducing and restoring ---- */

/*
 * Reduces @node to its lookups, if nobody uses it and it can be restored.
 * Under the table's lock. A reader that meets the node in between finds its
 * count at zero and looks again.
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
	if (!refcount_dec_if_one(&node->count))
		return false;
	/* Replaces an entry: needs no memory. */
	__xa_store(&client->nodes, node->id, xa_mk_value(node->lookups), 0);
	client->node_count--;
	return true;
}

/* Makes room after an insertion: one step of a clock's hand. */
static void reduce_some(struct server_client *client)
{
	struct node *batch[REDUCE_BATCH];
	unsigned int count = 0, scanned = 0, i;
	unsigned long id = client->reduce_hand;
	void *entry;

	xa_lock(&client->nodes);
	while (scanned++ < REDUCE_SCAN && count < REDUCE_BATCH &&
	       client->node_count > nodes_max) {
		entry = xa_find(&client->nodes, &id, ULONG_MAX, XA_PRESENT);
		if (!entry) {
			id = 0;
			continue;
		}
		if (!xa_is_value(entry) && try_reduce(client, entry))
			batch[count++] = entry;
		id++;
	}
	client->reduce_hand = id;
	xa_unlock(&client->nodes);
	for (i = 0; i < count; i++)
		free_node(batch[i]);
}

/* Puts @fresh where the table has a number; false if it has none there. */
static bool try_restore(struct server_client *client, struct node *fresh)
{
	bool is_restored = false;
	void *entry;

	xa_lock(&client->nodes);
	entry = xa_load(&client->nodes, fresh->id);
	if (xa_is_value(entry)) {
		fresh->lookups = xa_to_value(entry);
		__xa_store(&client->nodes, fresh->id, fresh, 0);
		client->node_count++;
		is_restored = true;
	}
	xa_unlock(&client->nodes);
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
	void *entry;

	if (id != (unsigned long)id)
		return NULL;
	for (;;) {
		rcu_read_lock();
		entry = xa_load(&client->nodes, id);
		node = xa_is_value(entry) ? NULL : entry;
		if (node && refcount_inc_not_zero(&node->count)) {
			rcu_read_unlock();
			node->is_recent = true;
			return node;
		}
		rcu_read_unlock();
		if (!entry && (!client->is_resumed || adopt(client, id)))
			return NULL;
		/* A node on its way out (the entry changes at once), or... */
		if (!xa_is_value(entry))
			cpu_relax();	/* or one that was just adopted */
		else if (restore(client, id))
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
	struct node *fresh;
	void *entry;
	int error;

	for (;;) {
		xa_lock(&client->nodes);
		entry = xa_load(&client->nodes, id);
		if (entry && !xa_is_value(entry))
			((struct node *)entry)->is_kept = true;
		xa_unlock(&client->nodes);
		if (!entry && client->is_resumed) {
			error = node_look_up(client, dentry, &id);
			if (error)
				return error;
			continue;
		}
		if (!xa_is_value(entry))
			return 0;
		fresh = create_node(dentry);
		if (!fresh)
			return -ENOMEM;
		fresh->is_kept = true;
		if (try_restore(client, fresh))
			return 0;
		free_node(fresh);
	}
}

/* ---- lookups ---- */

/* Under the table's lock; @fresh is used up (set to NULL) if it goes in. */
static int count_lookup(struct server_client *client, u64 id,
			struct node **fresh)
{
	void *entry = xa_load(&client->nodes, id);
	struct node *node = entry;
	int error;

	if (xa_is_value(entry)) {
		__xa_store(&client->nodes, id,
			   xa_mk_value(min(xa_to_value(entry) + 1,
					   (unsigned long)LONG_MAX)), 0);
		return 0;
	}
	if (node) {
		if (node->lookups < U64_MAX)
			node->lookups++;
		return 0;
	}
	if (!*fresh)
		return -ENOENT;
	if (client->node_count / NODES_HARD_FACTOR >= nodes_max)
		return -ENFILE;
	error = xa_err(__xa_store(&client->nodes, id, *fresh, GFP_NOWAIT));
	if (!error) {
		client->node_count++;
		*fresh = NULL;
	}
	return error;
}

/* Counts one more lookup of @dentry's inode by the client; gives its id. */
int node_look_up(struct server_client *client, struct dentry *dentry, u64 *id)
{
	struct node *fresh = NULL;
	int error;

	*id = id_of(d_inode(dentry));
	xa_lock(&client->nodes);
	error = count_lookup(client, *id, &fresh);
	xa_unlock(&client->nodes);
	if (error != -ENOENT)
		return error;
	/* Not there: allocate without the lock, then look again. */
	fresh = create_node(dentry);
	if (!fresh || xa_reserve(&client->nodes, *id, GFP_KERNEL)) {
		error = -ENOMEM;
	} else {
		xa_lock(&client->nodes);
		error = count_lookup(client, *id, &fresh);
		xa_unlock(&client->nodes);
		if (error)
			xa_release(&client->nodes, *id);
	}
	if (fresh)
		free_node(fresh);
	if (client->node_count > nodes_max)
		reduce_some(client);
	return error;
}

void node_forget(struct server_client *client, u64 id, u64 count)
{
	struct node *node = NULL;
	u64 lookups;
	void *entry;

	if (id == FUSE_ROOT_ID || id != (unsigned long)id)
		return;
	xa_lock(&client->nodes);
	entry = xa_load(&client->nodes, id);
	if (xa_is_value(entry)) {
		lookups = xa_to_value(entry);
		lookups -= min(count, lookups);
		if (lookups)
			__xa_store(&client->nodes, id, xa_mk_value(lookups), 0);
		else
			__xa_erase(&client->nodes, id);
	} else if (entry) {
		node = entry;
		node->lookups -= min(count, node->lookups);
		if (node->lookups) {
			node = NULL;
		} else {
			__xa_erase(&client->nodes, id);
			client->node_count--;
		}
	}
	xa_unlock(&client->nodes);
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

int node_table_create(struct server_client *client)
{
	struct vfsmount *mount = disk_mount();
	struct node *root;

	if (IS_ERR(mount))
		return PTR_ERR(mount);
	if (!nodes_max)
		/* About 1.2 KiB each: at most a twelfth of memory. */
		nodes_max = clamp(totalram_pages() / 4, 256UL, 250000UL);
	root = create_node(mount->mnt_root);
	if (!root)
		return -ENOMEM;
	if (xa_err(xa_store(&client->nodes, FUSE_ROOT_ID, root, GFP_KERNEL))) {
		free_node(root);
		return -ENOMEM;
	}
	client->node_count = 1;
	return 0;
}

void node_table_destroy(struct server_client *client)
{
	unsigned long id;
	void *entry;

	xa_for_each(&client->nodes, id, entry) {
		xa_erase(&client->nodes, id);
		if (!xa_is_value(entry))
			node_put(entry);
	}
	xa_lock(&client->nodes);
	client->node_count = 0;
	xa_unlock(&client->nodes);
}
