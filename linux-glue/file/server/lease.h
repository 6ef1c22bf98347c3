/* SPDX-License-Identifier: GPL-2.0-only */
/* What lease.c and clients.c share. */
#ifndef _SAWMILL_FILE_LEASE_H
#define _SAWMILL_FILE_LEASE_H

#include <linux/hashtable.h>
#include <linux/jiffies.h>
#include <linux/slab.h>
#include "server.h"

/* Without a sign of life: WRITE, or the lease given. */
#define RECALL_LIMIT	(5 * HZ)

struct lease {
	struct hlist_node hash;
	struct list_head of_holder;
	struct list_head recalled;	/* empty: not asked for */
	struct list_head parked;	/* requests that wait for its end */
	struct server_client *holder;	/* NULL: lost, writes under way */
	u64 id;
	unsigned int writes;		/* WRITEs of the holder under way */
	bool is_announced;		/* the holder has been told */
	unsigned long deadline;
};

/* Innermost: leases, what is parked, clients and their flags. */
extern spinlock_t lease_lock;
extern struct list_head leases_recalled;
extern struct workqueue_struct *lease_workers;

/* All under lease_lock. */
void lease_park(struct request *request, struct list_head *list);
void lease_run_parked(struct list_head *list, const struct server_client *only);
void lease_end_all(struct server_client *client);
void lease_announce(struct lease *lease);
void lease_recall(struct lease *lease);
void clients_watch(void);
void clients_raise(const struct server_client *changer, u64 id);
void clients_tell_of_take(const struct server_client *changer);

int client_is_ready(struct server_client *client);

#endif /* _SAWMILL_FILE_LEASE_H */
