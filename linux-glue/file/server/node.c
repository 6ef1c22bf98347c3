// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of nodes: what a client may refer to.
 *
 * The node id is the inode number, so that ids mean the same to a restarted
 * server. A node holds a dentry: the inode stays while the client knows it,
 * also when its last name is gone.
 *
 * Lock: xa_lock of the table (spinlock, innermost): entries, node->lookups.
 * Readers go without it, by RCU and node->count.
 */
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/mount.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include "ext2.h"
#include "server.h"

/* What one client may make this kernel pin; about 1 KiB each. */
static unsigned int nodes_max;
#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "sawmill."
module_param(nodes_max, uint, 0644);

static u64 id_of(const struct inode *inode)
{
	return inode->i_ino == EXT2_ROOT_INO ? FUSE_ROOT_ID : inode->i_ino;
}

struct node *node_get(struct server_client *client, u64 id)
{
	struct node *node;

	if (id != (unsigned long)id)
		return NULL;
	rcu_read_lock();
	node = xa_load(&client->nodes, id);
	if (node && !refcount_inc_not_zero(&node->count))
		node = NULL;
	rcu_read_unlock();
	return node;
}

void node_put(struct node *node)
{
	if (!refcount_dec_and_test(&node->count))
		return;
	if (node->file) {
		/* At once where it may be: an inode waits to be deleted. */
		if (current->flags & PF_KTHREAD)
			__fput_sync(node->file);
		else
			fput(node->file);
	}
	dput(node->dentry);
	kfree_rcu(node, rcu);
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

/*
 * Counts one more lookup of @dentry's inode by the client and returns its
 * node, with the table's reference only: valid while the caller holds the
 * dentry and no forget can come, which is to say for its id.
 */
struct node *node_look_up(struct server_client *client, struct dentry *dentry)
{
	u64 id = id_of(d_inode(dentry));
	struct node *node, *fresh = NULL;
	int error = 0;

	for (;;) {
		xa_lock(&client->nodes);
		node = xa_load(&client->nodes, id);
		if (node) {
			if (node->lookups < U64_MAX)
				node->lookups++;
		} else if (fresh) {
			error = -ENFILE;
			if (client->node_count < nodes_max)
				error = xa_err(__xa_store(&client->nodes, id,
							  fresh, GFP_NOWAIT));
			if (!error) {
				client->node_count++;
				node = fresh;
				fresh = NULL;
			}
		}
		xa_unlock(&client->nodes);
		if (node || error)
			break;
		/* Not there: allocate without the lock, then look again. */
		if (xa_reserve(&client->nodes, id, GFP_KERNEL))
			return ERR_PTR(-ENOMEM);
		fresh = create_node(dentry);
		if (!fresh) {
			xa_release(&client->nodes, id);
			return ERR_PTR(-ENOMEM);
		}
	}
	if (fresh)
		node_put(fresh);
	if (error) {
		xa_release(&client->nodes, id);
		return ERR_PTR(error);
	}
	return node;
}

void node_forget(struct server_client *client, u64 id, u64 count)
{
	struct node *node;

	if (id == FUSE_ROOT_ID || id != (unsigned long)id)
		return;
	xa_lock(&client->nodes);
	node = xa_load(&client->nodes, id);
	if (node) {
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
		/* At most a third of memory, in nodes of about 1.2 KiB. */
		nodes_max = clamp(totalram_pages(), 2048UL, 1000000UL);
	root = create_node(mount->mnt_root);
	if (!root)
		return -ENOMEM;
	if (xa_err(xa_store(&client->nodes, FUSE_ROOT_ID, root, GFP_KERNEL))) {
		node_put(root);
		return -ENOMEM;
	}
	client->node_count = 1;
	return 0;
}

void node_table_destroy(struct server_client *client)
{
	struct node *node;
	unsigned long id;

	xa_for_each(&client->nodes, id, node) {
		xa_erase(&client->nodes, id);
		node_put(node);
	}
	client->node_count = 0;
}
