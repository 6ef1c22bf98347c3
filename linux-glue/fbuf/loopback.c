// SPDX-License-Identifier: GPL-2.0-only
/*
 * The loopback carrier: client and server in one kernel.
 *
 * Each name in sawmill.loopback=NAME[,NAME...] gets a connection with both
 * ends here. sawmill.loopback_mode= says how a call reaches its handler:
 *   inline   the caller runs the handler itself (the default);
 *   thread   a worker runs it and the caller is always told PENDING;
 *   mixed    every other call, to test the two against each other.
 * Handlers run with a kernel thread's credentials, as in a server partition.
 * sawmill.loopback_kill=N kills the server after N calls, as a fault test.
 */
#include <linux/cred.h>
#include <linux/init.h>
#include <linux/init_task.h>
#include <linux/io.h>
#include <linux/moduleparam.h>
#include <linux/nodemask.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>
#include <linux/mmzone.h>
#include <sawmill/carrier.h>
#include <sawmill/pool.h>

#define CONTROL_SIZE	(1024 * 1024)

enum loopback_mode { MODE_INLINE, MODE_THREAD, MODE_MIXED };

static char names[128];
static char mode_name[16] = "inline";
static unsigned int kill_after;
#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "sawmill."
module_param_string(loopback, names, sizeof(names), 0444);
module_param_string(loopback_mode, mode_name, sizeof(mode_name), 0444);
module_param_named(loopback_kill, kill_after, uint, 0644);

struct loopback {
	struct sawmill_connection client;
	struct sawmill_connection server;
	atomic_t calls;
};

struct loopback_call {
	struct sawmill_call call;
	u64 out[SAWMILL_CALL_WORDS];
	struct work_struct work;
	bool is_late;
};

static enum loopback_mode mode;
static struct workqueue_struct *workers;
static const struct cred *kernel_cred;

static void run_handler(struct sawmill_call *call)
{
	const struct cred *old = override_creds(kernel_cred);
	/* The handler may run inside the client's own write-back. */
	unsigned int nofs = memalloc_nofs_save();

	sawmill_call_dispatch(call);
	memalloc_nofs_restore(nofs);
	revert_creds(old);
}

static void run_late(struct work_struct *work)
{
	struct loopback_call *own =
		container_of(work, struct loopback_call, work);

	run_handler(&own->call);
	kfree(own);
}

static int loopback_call(struct sawmill_connection *client,
			 const u64 in[SAWMILL_CALL_WORDS],
			 u64 out[SAWMILL_CALL_WORDS])
{
	struct loopback *loopback =
		container_of(client, struct loopback, client);
	unsigned int count = atomic_inc_return(&loopback->calls);
	unsigned int limit = READ_ONCE(kill_after);
	struct loopback_call *late, own = {};

	if (sawmill_connection_is_dead(client))
		return -EPIPE;
	if (!READ_ONCE(loopback->server.is_attached))
		return -EIO;
	if (limit && count >= limit) {
		sawmill_connection_dead(client);
		return -EPIPE;
	}
	if (mode == MODE_THREAD || (mode == MODE_MIXED && count % 2)) {
		late = kzalloc(sizeof(*late), GFP_NOFS | __GFP_NOFAIL);
		late->is_late = true;
		late->call.connection = &loopback->server;
		memcpy(late->call.in, in, sizeof(late->call.in));
		INIT_WORK(&late->work, run_late);
		queue_work(workers, &late->work);
		return -EINPROGRESS;
	}
	own.call.connection = &loopback->server;
	memcpy(own.call.in, in, sizeof(own.call.in));
	run_handler(&own.call);
	memcpy(out, own.out, sizeof(own.out));
	return 0;
}

static bool loopback_reply(struct sawmill_call *call,
			   const u64 words[SAWMILL_CALL_WORDS])
{
	struct loopback_call *own =
		container_of(call, struct loopback_call, call);

	if (own->is_late)
		return false;
	memcpy(own->out, words, sizeof(own->out));
	return true;
}

static void signal_client(struct sawmill_connection *server)
{
	struct loopback *loopback =
		container_of(server, struct loopback, server);
	void (*event)(struct sawmill_connection *) =
		READ_ONCE(loopback->client.event);

	if (event && !sawmill_connection_is_dead(&loopback->client))
		event(&loopback->client);
}

static void signal_server(struct sawmill_connection *client)
{
	struct loopback *loopback =
		container_of(client, struct loopback, client);
	void (*event)(struct sawmill_connection *) =
		READ_ONCE(loopback->server.event);

	if (event)
		event(&loopback->server);
}

static const struct sawmill_carrier client_carrier = {
	.call = loopback_call,
	.signal = signal_server,
};

static const struct sawmill_carrier server_carrier = {
	.reply = loopback_reply,
	.signal = signal_client,
};

static void __init fill(struct sawmill_connection *end, const char *name,
			enum sawmill_role role, void *control)
{
	strscpy(end->name, name, sizeof(end->name));
	end->role = role;
	end->control = control;
	end->control_size = CONTROL_SIZE;
	end->badge = 1;
	end->carrier = role == SAWMILL_ROLE_CLIENT ? &client_carrier :
						     &server_carrier;
#ifdef CONFIG_SAWMILL_POOL
	if (sawmill_pool_exists) {
		pg_data_t *node = NODE_DATA(SAWMILL_POOL_NODE);

		end->pool_base = PFN_PHYS(node->node_start_pfn);
		end->pool_size = PFN_PHYS((u64)node->node_spanned_pages);
	}
#endif
}

static int __init loopback_init(void)
{
	char *rest = names, *name;

	if (!strcmp(mode_name, "thread"))
		mode = MODE_THREAD;
	else if (!strcmp(mode_name, "mixed"))
		mode = MODE_MIXED;
	kernel_cred = prepare_kernel_cred(&init_task);
	workers = alloc_workqueue("sawmill-loopback",
				  WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!kernel_cred || !workers)
		return -ENOMEM;
	while ((name = strsep(&rest, ",")) != NULL) {
		struct loopback *loopback;
		void *control;

		if (!*name)
			continue;
		loopback = kzalloc(sizeof(*loopback), GFP_KERNEL);
		control = vzalloc(CONTROL_SIZE);
		if (!loopback || !control)
			return -ENOMEM;
		fill(&loopback->server, name, SAWMILL_ROLE_SERVER, control);
		fill(&loopback->client, name, SAWMILL_ROLE_CLIENT, control);
		sawmill_connection_add(&loopback->server);
		sawmill_connection_add(&loopback->client);
		pr_info("sawmill: loopback connection %s, %s\n", name,
			mode_name);
	}
	return 0;
}
device_initcall(loopback_init);
