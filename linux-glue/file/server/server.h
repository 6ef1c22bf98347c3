/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The file server: FUSE requests answered from the VFS over one ext2 mount.
 *
 * calls.c receives and validates, service.c dispatches, node.c keeps the table
 * of inodes that a client refers to, the other files answer groups of
 * operations. Everything that comes from a client has been copied out of shared
 * memory before it is looked at, and is wrong until checked.
 */
#ifndef _SAWMILL_FILE_SERVER_H
#define _SAWMILL_FILE_SERVER_H

#include <linux/bvec.h>
#include <linux/fs.h>
#include <linux/fuse.h>
#include <linux/siphash.h>
#include <linux/uio.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <sawmill/carrier.h>
#include <sawmill/file.h>

#define WRITE_MAX	(SAWMILL_FILE_PAGES_MAX * SAWMILL_FILE_PAGE)

/* Attributes and names stay valid until this client changes them. */
#define VALID_SECONDS	(1UL << 28)

struct server_client;

/*
 * An inode that a client knows, by node id (the inode number, 1 for the
 * root). Invariant: in the table exactly while lookups > 0 (the root: always).
 */
struct node {
	u64 id;
	struct hlist_node hash;
	u64 lookups;		/* under the table's lock */
	refcount_t count;	/* the table's reference and users' */
	struct dentry *dentry;
	struct file *file;	/* opened at first need; set once */
	struct mutex listing;	/* serializes use of file's position */
	bool is_recent;		/* used since the clock's hand passed */
	bool is_kept;		/* a name went: not to be reduced */
	bool has_locks;		/* likewise */
};

struct server_client {
	struct sawmill_connection *connection;
	struct sawmill_file_header *header;	/* shared */
	struct sawmill_file_slot *slots;	/* shared */
	void *control;				/* shared */
	unsigned int control_pages;
	struct page *pool;			/* NULL: none */
	unsigned long pool_page_count;
	struct dev_pagemap *pool_map;		/* NULL: RAM of this kernel */
	/* node.c: all under the lock of ->reduced. */
	struct hlist_head *full;
	unsigned long full_mask;
	struct xarray reduced;
	unsigned int node_count;		/* full ones */
	unsigned long reduce_hand;
	struct mutex mutex;
	bool is_initialized;			/* INIT seen, DESTROY not */
	bool is_resumed;	/* it knows nodes from an earlier server */
	/* lease.c: under lease_lock, but for the atomic ones. */
	struct list_head among;			/* all clients */
	struct list_head leases;
	unsigned int lease_count;
	u32 promised;		/* blocks: most since it had no lease */
	unsigned int growing;	/* parked by clients_admit_growth() */
	bool is_joined;		/* as is_initialized */
	bool is_asked;		/* that it is not alone */
	bool is_ready;		/* it asks for leases */
	bool is_cut_off;
	bool is_leaving;
	unsigned long ready_deadline;		/* jiffies */
	unsigned long settle_deadline;		/* jiffies, or 0 */
	siphash_key_t owner_key;		/* lock.c */
	atomic_t parked;			/* requests */
	wait_queue_head_t idle;			/* none is */
	spinlock_t ring_lock;
	u32 ring_head;			/* under ring_lock; the shared one follows */
};

/* One request, in this kernel's own memory but for the data. */
struct request {
	struct server_client *client;
	struct node *node;		/* header.nodeid, where there is one */
	struct fuse_in_header header;
	const u8 *args;			/* after the header; NUL follows */
	unsigned int args_size;
	u8 *out;			/* zeroed, out_capacity bytes */
	unsigned int out_capacity;
	unsigned int out_size;
	unsigned int data_flags;	/* SAWMILL_FILE_DATA_* */
	unsigned int data_capacity;
	unsigned int data_size;		/* of the answer */
	unsigned int segment_count;
	bool is_pool;			/* which of the two below */
	struct bio_vec *bvecs;
	struct kvec *kvecs;
	struct lease *lease;		/* of a WRITE under way */
	struct list_head parked;	/* lease.c: waits for a lease's end */
	struct work_struct again;	/* runs it again */
	bool is_growing;		/* parked by clients_admit_growth() */
	unsigned int growth_waits;	/* so often */
};

/* service.c: -EINPROGRESS: parked, request_run_again() has it run again */
int request_run(struct request *request);

/* calls.c: of the service. */
void request_handle(struct sawmill_call *call);
void request_late(struct sawmill_call *call,
		  const u64 words[SAWMILL_CALL_WORDS]);
/* Takes arguments off the front; NULL if the request is short. */
const void *take_arg(struct request *request, unsigned int size);
const char *take_name(struct request *request);
/* Room for a result of @size bytes; NULL if the client gave too little. */
void *put_result(struct request *request, unsigned int size);
void data_iter(const struct request *request, struct iov_iter *iter,
	       unsigned int direction, unsigned int size);

/* The work of a request that was parked. */
void request_run_again(struct work_struct *work);

/* pool.c */
int pool_attach(struct server_client *client);
void pool_detach(struct server_client *client);

/* disk.c */
struct vfsmount *disk_mount(void);	/* or ERR_PTR */
int disk_begin(bool is_resumed);
void disk_end(void);

/* reconcile.c: before the disk of a server that died becomes writable */
int disk_reconcile(struct super_block *sb);

/* node.c */
int node_table_attach(struct server_client *client);
void node_table_detach(struct server_client *client);
int node_table_create(struct server_client *client);
void node_table_destroy(struct server_client *client);
struct node *node_get(struct server_client *client, u64 id);
void node_put(struct node *node);
int node_look_up(struct server_client *client, struct dentry *dentry, u64 *id);
int node_keep(struct server_client *client, struct dentry *dentry);
void node_forget(struct server_client *client, u64 id, u64 count);
struct file *node_file(struct node *node);
static inline struct inode *node_inode(const struct node *node)
{
	return d_inode(node->dentry);
}

static inline u64 id_of(const struct inode *inode)
{
	/* ext2's root is inode 2. */
	return inode->i_ino == 2 ? FUSE_ROOT_ID : inode->i_ino;
}

/* lease.c: several clients */
enum access {
	ACCESS_NONE,	/* what no lease covers */
	ACCESS_READ,	/* ends leases of others */
	ACCESS_WRITE,	/* needs the lease */
};

extern bool lease_sharing;	/* several clients, or one that has to ask */
void lease_attach(struct server_client *client);
void lease_detach(struct server_client *client);
int lease_join(struct request *request, bool is_resumed);
void lease_leave(struct server_client *client);
int lease_admit(struct request *request, u64 id, enum access access);
int lease_settle(struct request *request);
void lease_end_write(struct request *request);
void lease_parked_done(struct server_client *client);
bool lease_is_foreign(const struct server_client *client, u64 id);
int lease_keep(struct server_client *client, struct dentry *dentry);
u32 lease_version(struct inode *inode);
void lease_data_changed(struct inode *inode);
void lease_raise(const struct server_client *client, const struct inode *inode);
/* After a change by @client, before its answer. */
static inline void lease_changed(const struct server_client *client,
				 const struct inode *inode)
{
	if (READ_ONCE(lease_sharing))
		lease_raise(client, inode);
}

int clients_admit_growth(struct request *request, u32 blocks, u32 free);
void lease_share_out(u32 blocks,
		     void (*tell)(struct server_client *client, void *part));

/* space.c */
void space_begin(struct server_client *client);
void space_publish(struct server_client *client);
int space_admit(struct request *request);
const struct cred *space_restrict(const struct request *request);

/* lock.c */
void locks_end(struct node *node);

/* directory.c: locks the directory; the dentry may be negative, or ERR_PTR. */
struct dentry *name_begin(struct request *request, const char *name,
			  unsigned int lock_class);
void name_end(struct request *request, struct dentry *dentry);
struct dentry *name_look_up(struct dentry *parent, const char *name);

/* attributes.c */
int put_attributes(struct request *request);
void fill_attributes(const struct inode *inode, struct fuse_attr *attr);
int fill_entry(struct server_client *client, struct dentry *dentry,
	       struct fuse_entry_out *entry);
int put_entry(struct request *request, struct dentry *dentry);

typedef int (*operation_t)(struct request *request);

int operate_getattr(struct request *request);
int operate_setattr(struct request *request);
int operate_statfs(struct request *request);
int operate_lookup(struct request *request);
int operate_create(struct request *request);
int operate_tmpfile(struct request *request);
int operate_mknod(struct request *request);
int operate_mkdir(struct request *request);
int operate_symlink(struct request *request);
int operate_link(struct request *request);
int operate_unlink(struct request *request);
int operate_rmdir(struct request *request);
int operate_rename(struct request *request);
int operate_rename2(struct request *request);
int operate_readlink(struct request *request);
int operate_readdir(struct request *request);
int operate_readdirplus(struct request *request);
int operate_read(struct request *request);
int operate_write(struct request *request);
int operate_bmap(struct request *request);
int operate_fsync(struct request *request);
int operate_syncfs(struct request *request);
int operate_setxattr(struct request *request);
int operate_getxattr(struct request *request);
int operate_listxattr(struct request *request);
int operate_removexattr(struct request *request);
int operate_ioctl(struct request *request);
int operate_lease(struct request *request);
int operate_setlk(struct request *request);
int operate_getlk(struct request *request);

#endif /* _SAWMILL_FILE_SERVER_H */
