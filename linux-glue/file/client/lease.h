/* SPDX-License-Identifier: GPL-2.0-only */
/* What lease.c and sharing.c share. */
#ifndef _SAWMILL_FILE_CLIENT_LEASE_H
#define _SAWMILL_FILE_CLIENT_LEASE_H

#include "client.h"

enum lease_state {
	LEASE_NONE,
	LEASE_HELD,
	LEASE_GIVING,
};

/* In inode->i_private, from the first look at the inode in a shared mount. */
struct lease {
	struct rcu_head rcu;
	struct inode *inode;
	struct list_head among;	/* client->leases */
	struct mutex mutex;
	u32 seen;		/* the counter at which attributes and data hold */
	u32 names;		/* ...and the names of a directory */
	bool is_seen;
	bool has_names;
	u32 version;		/* of cached data; 0: not known */

	spinlock_t lock;
	enum lease_state state;
	bool is_taking;
	bool is_recalled;
	unsigned int changers;
	wait_queue_head_t wait;	/* for any of these */
	struct work_struct giving;
};

int sawmill_file_send_lease(struct fuse_mount *fm, u64 id, u32 want,
			    struct fuse_attr_out *out);
/* The server wants the lease of a node back. */
void sawmill_file_recall(struct fuse_conn *fc, u64 id);

#endif /* _SAWMILL_FILE_CLIENT_LEASE_H */
