/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The file client: Linux's own FUSE over a connection.
 *
 * queue.c takes what FUSE has to say, transport.c carries it through the
 * control area, inode.c and writeback.c replace the operations of fs/fuse that assume an untrusted
 * daemon in user space, mount.c puts it together.
 */
#ifndef _SAWMILL_FILE_CLIENT_H
#define _SAWMILL_FILE_CLIENT_H

#include "fuse_i.h"
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <sawmill/carrier.h>
#include <sawmill/file.h>

#define BOUNCE_PAGES_MAX	256

enum slot_state {
	SLOT_FREE,
	SLOT_CALLED,	/* the server has it, a task waits or will wait */
	SLOT_ABANDONED,	/* the server has it, nobody waits */
	SLOT_DONE,	/* answered through the ring */
};

enum session {
	SESSION_LIVE,
	SESSION_BROKEN,	/* the server died; recovery.c waits for the next */
	SESSION_GONE,	/* there will be none */
};

struct slot {
	enum slot_state state;
	struct sawmill_file_completion answer;
	wait_queue_head_t wait;
};

struct sawmill_file_client {
	struct sawmill_connection *connection;
	struct sawmill_file_header *header;	/* shared */
	struct sawmill_file_slot *shared_slots;	/* shared */
	u8 *bounce;				/* shared */
	unsigned int bounce_count;
	unsigned long pool_first_pfn;
	unsigned long pool_page_count;

	/* A bit is cleared by who takes the slot, atomically. */
	unsigned long free_slots;

	/* Irq-safe, innermost. Protects everything up to background_lock. */
	spinlock_t lock;
	enum session session;
	struct super_block *sb;		/* while it is mounted */
	DECLARE_BITMAP(bounce_used, BOUNCE_PAGES_MAX);
	struct slot slots[SAWMILL_FILE_SLOTS];
	u32 ring_taken;
	unsigned int sleepers;
	wait_queue_head_t room;	/* a slot or bounce pages free, or ->session */
	unsigned int deaths;		/* of servers */
	struct work_struct recovery;

	/* Taken under FUSE's bg_lock and inode locks. */
	spinlock_t background_lock;
	struct list_head background;
	struct work_struct background_work;

	/* Under the lock of FUSE's queue. */
	struct fuse_iqueue *forgets;
	unsigned int forget_count;
	struct delayed_work forget_work;

	/* lease.c: other clients of the same file system. */
	bool is_shared;			/* stays, until the next mount */
	u32 recalls_seen, takes_seen;
	spinlock_t leases_lock;		/* innermost; the next one */
	struct list_head leases;
	struct work_struct sharing;

	int init_error;			/* the server's answer to INIT */
	unsigned int blocks_per_page;	/* of the disk; once mounted */
	atomic_long_t unpromised_pages;	/* space.c: the server is given them */
	bool is_mounted;		/* under the mount mutex */
};

/*
 * slots.c: a slot (or bounce pages) may be waited for; -EIO: peer dead. While
 * the server is being replaced, a slot is waited for, bounce pages are not.
 */
int sawmill_file_get_slot(struct sawmill_file_client *client,
			  unsigned int *slot);
void sawmill_file_put_slot(struct sawmill_file_client *client,
			   unsigned int slot);
void sawmill_file_abandon_slot(struct sawmill_file_client *client,
			       unsigned int slot);
int sawmill_file_get_bounce(struct sawmill_file_client *client,
			    unsigned int count, unsigned int *first);
void sawmill_file_put_bounce(struct sawmill_file_client *client,
			     unsigned int first, unsigned int count);
/* False: the server died before it answered; the error is -EIO. */
bool sawmill_file_call(struct sawmill_file_client *client, unsigned int slot,
		       const u64 in[SAWMILL_CALL_WORDS],
		       struct sawmill_file_completion *answer);
/* False, and a slot is not to be waited for: no server now. */
static inline bool sawmill_file_is_live(const struct sawmill_file_client *client)
{
	return READ_ONCE(client->session) == SESSION_LIVE;
}
void sawmill_file_event(struct sawmill_connection *connection);

#define SAWMILL_FILE_VALID_UNTIL	(get_jiffies_64() + ((u64)HZ << 28))

/* lease.c: what may be cached while there are other clients */
void sawmill_file_init_leases(struct sawmill_file_client *client);
void sawmill_file_begin_sharing(struct sawmill_file_client *client,
				struct super_block *sb);
void sawmill_file_look_at_header(struct sawmill_file_client *client);
void sawmill_file_lose_lease(struct inode *inode);
bool sawmill_file_has_lease(struct inode *inode);
void sawmill_file_free_lease(struct inode *inode);
u32 sawmill_file_counter(struct inode *inode);
bool sawmill_file_is_fresh(struct inode *inode);
int sawmill_file_refresh(struct inode *inode);
int sawmill_file_begin_change(struct inode *inode);
void sawmill_file_end_change(struct inode *inode);
bool sawmill_file_names_are_fresh(struct inode *directory);
void sawmill_file_expire_names(struct dentry *parent);
void sawmill_file_settle_name(struct inode *directory, struct dentry *dentry,
			      u32 counter);
static inline bool sawmill_file_is_shared(struct inode *inode)
{
	struct sawmill_file_client *client = get_fuse_conn(inode)->iq.priv;

	return READ_ONCE(client->is_shared);
}

/* Does what the server has asked for by now. */
void sawmill_file_look_now(struct sawmill_file_client *client);

/* lock.c */
int sawmill_file_lock(struct file *file, int command, struct file_lock *lock);
int sawmill_file_flock(struct file *file, int command, struct file_lock *lock);
void sawmill_file_tell_locks(struct super_block *sb);

/* shared.c: the tables' functions from when there are other clients on */
void sawmill_file_share_inodes(struct inode_operations *operations);
void sawmill_file_share_files(struct file_operations *operations);
void sawmill_file_share_entries(struct dentry_operations *operations);
void sawmill_file_share_mappings(struct vm_operations_struct *operations);
void sawmill_file_share_names(struct inode_operations *operations);
void sawmill_file_share_listings(struct file_operations *operations);

/* times.c: times of access, and the writing back of all times */
void sawmill_file_keep_times(struct inode_operations *operations);
void sawmill_file_forget_atime(struct inode *inode);
int sawmill_file_write_inode(struct inode *inode,
			     struct writeback_control *control);

/* extents.c */
int sawmill_file_fiemap(struct inode *inode, struct fiemap_extent_info *info,
			u64 start, u64 length);

/* recovery.c: carries on with the server's successor. */
struct super_block *sawmill_file_hold_super(struct sawmill_file_client *client);
void sawmill_file_recover(struct work_struct *work);
void sawmill_file_make_dirty_again(struct inode *inode);
extern struct workqueue_struct *sawmill_file_recovery;

/* transport.c: to the server and back; 0 or -errno, never positive. */
struct sawmill_file_message {
	struct fuse_in_header header;
	struct fuse_args *args;
	struct fuse_iqueue *queue;
};

int sawmill_file_carry(struct sawmill_file_client *client,
		       struct sawmill_file_message *message);

/* queue.c */
extern const struct fuse_iqueue_ops sawmill_file_queue_ops;

struct sawmill_file_client *
sawmill_file_client_create(struct sawmill_connection *connection);
ssize_t sawmill_file_simple_request(struct fuse_mount *fm,
				    struct fuse_args *args);
/* A request on a node: @in_size bytes there, @out_size (or none) back. */
int sawmill_file_ask(struct fuse_mount *fm, u64 id, u32 opcode, const void *in,
		     unsigned int in_size, void *out, unsigned int out_size);
/* Serves background requests queued so far; process context, no locks. */
void sawmill_file_drain(struct sawmill_file_client *client);
void sawmill_file_send_forgets(struct sawmill_file_client *client,
			       struct fuse_iqueue *fiq);
void sawmill_file_take_forget(struct sawmill_file_client *client,
			      struct fuse_iqueue *fiq,
			      u64 in[SAWMILL_CALL_WORDS]);
void sawmill_file_drop_forgets(struct sawmill_file_client *client,
			       struct fuse_iqueue *fiq);

/* Bits of fuse_inode::state, beyond FUSE's own; the upper half is times.c's. */
#define SAWMILL_I_NO_CAPABILITY	30	/* no security.capability */
#define SAWMILL_I_UNSTABLE	31	/* changed there, not yet FSYNCed */

/* inode.c: replaces the operations of a new inode; see fuse_conn::init_inode. */
void sawmill_file_init_inode(struct inode *inode, const struct fuse_attr *attr);
void sawmill_file_init_super(struct super_block *sb);
void sawmill_file_share_tables(void);
void sawmill_file_init_xattrs(struct super_block *sb);

/* cached.c */
void sawmill_file_check_cached(struct inode_operations *operations);
bool sawmill_file_try_getattr(struct inode *inode, struct kstat *stat, u32 mask,
			      unsigned int flags);
bool sawmill_file_is_valid_name(const struct dentry *dentry,
				unsigned int flags);

/* open.c */
int sawmill_file_open(struct inode *inode, struct file *file);
int sawmill_file_release(struct inode *inode, struct file *file);
int sawmill_file_create_open(struct inode *directory, struct dentry *dentry,
			     struct file *file, unsigned int flags,
			     umode_t mode);

/* attributes.c */
/* 0, or the inode is bad now: the server's @attr cannot be this inode's. */
int sawmill_file_trust(struct inode *inode, struct fuse_attr *attr);
bool sawmill_file_try_setattr(struct dentry *dentry, struct iattr *attr,
			      int *error);
void sawmill_file_take_flags(struct inode *inode, const struct fuse_attr *attr);
ssize_t sawmill_file_list_xattrs(struct dentry *dentry, char *list,
				 size_t size);
int sawmill_file_set_flags(struct user_namespace *ns, struct dentry *dentry,
			   struct fileattr *attr);

/* directory.c */
void sawmill_file_keep_atime(struct inode *inode);
void sawmill_file_copy_directory_tables(const struct inode *inode);
void sawmill_file_copy_link_tables(const struct inode *inode);
void sawmill_file_init_directory(struct inode *inode);
void sawmill_file_init_link(struct inode *inode);
void sawmill_file_share_directory_tables(void);
const struct dentry_operations *
sawmill_file_dentry_operations(const struct dentry_operations *of_fuse);

/* listing.c */
int sawmill_file_iterate(struct file *file, struct dir_context *context,
			 int (*iterate)(struct file *, struct dir_context *));

/* writeback.c */
int sawmill_file_writepages(struct address_space *mapping,
			    struct writeback_control *control);
int sawmill_file_launder_folio(struct folio *folio);
bool sawmill_file_try_sync(struct inode *inode, loff_t start, loff_t end,
			   int datasync);

/* space.c: no more in the cache than the disk has room for */
void sawmill_file_make_room(struct super_block *sb);
int sawmill_file_check_page(struct inode *inode, struct page *page);
ssize_t sawmill_file_write_locked(struct kiocb *kiocb, struct iov_iter *from);
vm_fault_t sawmill_file_make_writable(struct vm_fault *fault);

static inline bool page_is_in_pool(const struct sawmill_file_client *client,
				   const struct page *page)
{
	return page_to_pfn(page) - client->pool_first_pfn <
	       client->pool_page_count;
}

#endif /* _SAWMILL_FILE_CLIENT_H */
