// SPDX-License-Identifier: GPL-2.0-only
/*
 * FUSE's side of the transport: what it wants to have said, and when.
 *
 * A request that somebody waits for is said at once, from where FUSE would
 * make a request of it (fuse_conn::simple_request): no allocation, no queue,
 * no wake-up. Background requests arrive under FUSE's spinlocks: they are
 * queued, and served by sawmill_file_drain() or by a worker. Nobody waits for
 * a forget: it goes along with the next call, or a worker sends it when there
 * was none for a while.
 *
 * Lock: FUSE's own fiq->lock: the forgets; client->background_lock.
 */
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include "client.h"

/* Forgets that may wait, and for how long. */
#define FORGETS_MAX	64
#define FORGETS_WAIT	(HZ / 20)

/* Calls by opcode, for people and tests; a lost count does not matter. */
static unsigned long calls[SAWMILL_FILE_LEASE + 1];
#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "sawmill."
module_param_array(calls, ulong, NULL, 0644);

static void count_call(u32 opcode)
{
	if (opcode < ARRAY_SIZE(calls))
		calls[opcode]++;
}

/* ---- requests ---- */

/* Requests for which ext2 may need a block, that are no WRITEs. */
#define ALLOCATING \
	(BIT_ULL(FUSE_MKNOD) | BIT_ULL(FUSE_MKDIR) | BIT_ULL(FUSE_SYMLINK) | \
	 BIT_ULL(FUSE_LINK) | BIT_ULL(FUSE_RENAME) | BIT_ULL(FUSE_RENAME2) | \
	 BIT_ULL(FUSE_CREATE) | BIT_ULL(FUSE_TMPFILE) | BIT_ULL(FUSE_SETXATTR))

static void serve(struct sawmill_file_client *client, struct fuse_req *req)
{
	struct sawmill_file_message message = {
		.header = req->in.h,
		.args = req->args,
		.queue = &req->fm->fc->iq,
	};
	int error;

	count_call(req->in.h.opcode);
	error = sawmill_file_carry(client, &message);
	if (req->in.h.opcode == FUSE_INIT)
		client->init_error = error;
	req->out.h.error = error;
	fuse_request_end(req);
}

/* Does what fuse_simple_request() does for an initialized connection. */
ssize_t sawmill_file_simple_request(struct fuse_mount *fm,
				    struct fuse_args *args)
{
	struct fuse_conn *fc = fm->fc;
	struct sawmill_file_message message = {
		.header.opcode = args->opcode,
		.header.nodeid = args->nodeid,
		.args = args,
		.queue = &fc->iq,
	};
	int error;

	if (unlikely(!READ_ONCE(fc->connected)))
		return -ENOTCONN;
	if (!args->nocreds) {
		message.header.uid = from_kuid_munged(fc->user_ns,
						      current_fsuid());
		message.header.gid = from_kgid_munged(fc->user_ns,
						      current_fsgid());
		message.header.pid = pid_nr_ns(task_pid(current), fc->pid_ns);
	}
	if (args->is_ext)
		message.header.total_extlen =
			args->in_args[args->ext_idx].size / 8;
	if (args->opcode < 64 && (ALLOCATING & BIT_ULL(args->opcode)))
		sawmill_file_make_room(fm->sb);
	count_call(args->opcode);
	error = sawmill_file_carry(fc->iq.priv, &message);
	if (!error && args->out_argvar)
		return args->out_args[args->out_numargs - 1].size;
	return error;
}

int sawmill_file_ask(struct fuse_mount *fm, u64 id, u32 opcode, const void *in,
		     unsigned int in_size, void *out, unsigned int out_size)
{
	FUSE_ARGS(args);

	args.opcode = opcode;
	args.nodeid = id;
	args.force = true;
	args.nocreds = true;
	args.in_numargs = 1;
	args.in_args[0].size = in_size;
	args.in_args[0].value = in;
	if (out_size) {
		args.out_numargs = 1;
		args.out_args[0].size = out_size;
		args.out_args[0].value = out;
	}
	return fuse_simple_request(fm, &args);
}

void sawmill_file_drain(struct sawmill_file_client *client)
{
	struct fuse_req *req;

	for (;;) {
		spin_lock(&client->background_lock);
		req = list_first_entry_or_null(&client->background,
					       struct fuse_req, list);
		if (req)
			list_del_init(&req->list);
		spin_unlock(&client->background_lock);
		if (!req)
			return;
		serve(client, req);
	}
}

static void drain_work(struct work_struct *work)
{
	sawmill_file_drain(container_of(work, struct sawmill_file_client,
					background_work));
}

static void wake_pending_and_unlock(struct fuse_iqueue *fiq)
__releases(fiq->lock)
{
	struct sawmill_file_client *client = fiq->priv;
	struct fuse_req *req = list_last_entry(&fiq->pending, struct fuse_req,
					       list);

	clear_bit(FR_PENDING, &req->flags);
	list_del_init(&req->list);
	spin_unlock(&fiq->lock);
	if (!test_bit(FR_BACKGROUND, &req->flags)) {
		serve(client, req);
		return;
	}
	spin_lock(&client->background_lock);
	list_add_tail(&req->list, &client->background);
	spin_unlock(&client->background_lock);
	queue_work(system_unbound_wq, &client->background_work);
}

/* ---- forgets ---- */

static bool has_many_forgets(const struct fuse_iqueue *fiq)
{
	const struct fuse_forget_link *first =
		READ_ONCE(fiq->forget_list_head.next);

	return first && first != READ_ONCE(fiq->forget_list_tail);
}

/* Dequeues one, or nothing: node id 0. */
static struct fuse_forget_one take_forget(struct sawmill_file_client *client,
					  struct fuse_iqueue *fiq)
{
	struct fuse_forget_one one = {};
	struct fuse_forget_link *link = NULL;

	spin_lock(&fiq->lock);
	if (fiq->forget_list_head.next) {
		link = fuse_dequeue_forget(fiq, 1, NULL);
		client->forget_count--;
	}
	spin_unlock(&fiq->lock);
	if (link)
		one = link->forget_one;
	kfree(link);
	return one;
}

/* Sends as many forgets as go into one message; nobody waits for an answer. */
static void send_forgets(struct sawmill_file_client *client,
			 struct fuse_iqueue *fiq)
{
	u64 in[SAWMILL_CALL_WORDS] = {}, out[SAWMILL_CALL_WORDS];
	struct {
		struct fuse_in_header header;
		struct fuse_batch_forget_in arg;
		struct fuse_forget_one one[FORGETS_MAX];
	} *message;
	unsigned int slot, count = 0;

	BUILD_BUG_ON(sizeof(*message) > SAWMILL_FILE_INLINE);
	if (sawmill_file_get_slot(client, &slot))
		return;
	message = (void *)client->shared_slots[slot].in;
	while (count < FORGETS_MAX) {
		struct fuse_forget_one one = take_forget(client, fiq);

		if (!one.nodeid)
			break;
		message->one[count++] = one;
	}
	memset(message, 0, offsetof(typeof(*message), one));
	message->header.len = offsetof(typeof(*message), one[count]);
	message->header.opcode = FUSE_BATCH_FORGET;
	message->arg.count = count;
	in[0] = slot | (u64)FUSE_BATCH_FORGET << 48;
	in[1] = offsetof(typeof(*message), one[count]);
	count_call(FUSE_BATCH_FORGET);
	if (count && sawmill_connection_call(client->connection, in, out) ==
		     -EINPROGRESS)
		sawmill_file_abandon_slot(client, slot);
	else
		sawmill_file_put_slot(client, slot);
}

/*
 * What has been forgotten so far goes ahead of a call or with it, so that the
 * server frees it before it does what the call asks for. All but one go ahead:
 * the caller has no slot yet, since one may be waited for here.
 */
void sawmill_file_send_forgets(struct sawmill_file_client *client,
			       struct fuse_iqueue *fiq)
{
	while (has_many_forgets(fiq) && sawmill_file_is_live(client))
		send_forgets(client, fiq);
}

/*
 * The last one goes in the call itself. The caller has a slot: what the queue
 * has now was not meant for a server that died.
 */
void sawmill_file_take_forget(struct sawmill_file_client *client,
			      struct fuse_iqueue *fiq,
			      u64 in[SAWMILL_CALL_WORDS])
{
	struct fuse_forget_one one;

	if (likely(!READ_ONCE(fiq->forget_list_head.next)))
		return;
	one = take_forget(client, fiq);
	in[SAWMILL_FILE_FORGET_WORD] = one.nodeid;
	in[SAWMILL_FILE_FORGET_WORD + 1] = one.nlookup;
}

/* A server does not know what was to be forgotten by the one before it. */
void sawmill_file_drop_forgets(struct sawmill_file_client *client,
			       struct fuse_iqueue *fiq)
{
	while (take_forget(client, fiq).nodeid)
		;
}

static void forget_work(struct work_struct *work)
{
	struct sawmill_file_client *client =
		container_of(work, struct sawmill_file_client,
			     forget_work.work);
	struct fuse_iqueue *fiq = client->forgets;

	while (READ_ONCE(fiq->forget_list_head.next) &&
	       sawmill_file_is_live(client))
		send_forgets(client, fiq);
}

static void wake_forget_and_unlock(struct fuse_iqueue *fiq)
__releases(fiq->lock)
{
	struct sawmill_file_client *client = fiq->priv;
	unsigned int count = ++client->forget_count;

	client->forgets = fiq;
	spin_unlock(&fiq->lock);
	count_call(FUSE_FORGET);
	if (unlikely(!sawmill_file_is_live(client)))
		sawmill_file_drop_forgets(client, fiq);
	else if (unlikely(count >= FORGETS_MAX))
		send_forgets(client, fiq);
	else if (!delayed_work_pending(&client->forget_work))
		queue_delayed_work(system_unbound_wq, &client->forget_work,
				   FORGETS_WAIT);
}

/* File operations of ext2 are not interruptible on stock Linux either. */
static void wake_interrupt_and_unlock(struct fuse_iqueue *fiq)
__releases(fiq->lock)
{
	spin_unlock(&fiq->lock);
}

const struct fuse_iqueue_ops sawmill_file_queue_ops = {
	.wake_forget_and_unlock		= wake_forget_and_unlock,
	.wake_interrupt_and_unlock	= wake_interrupt_and_unlock,
	.wake_pending_and_unlock	= wake_pending_and_unlock,
};

/* ---- set-up ---- */

struct sawmill_file_client *
sawmill_file_client_create(struct sawmill_connection *connection)
{
	struct sawmill_file_client *client;
	unsigned int i;

	BUILD_BUG_ON(SAWMILL_FILE_SLOTS != 64);
	BUILD_BUG_ON(PAGE_SIZE != SAWMILL_FILE_PAGE);
	BUILD_BUG_ON(sizeof(struct sawmill_file_slot) !=
		     SAWMILL_FILE_SLOT_SIZE);
	BUILD_BUG_ON(sizeof(struct sawmill_file_header) > SAWMILL_FILE_PAGE);
	if (connection->control_size < SAWMILL_FILE_CONTROL_MIN)
		return ERR_PTR(-EINVAL);
	client = kzalloc(sizeof(*client), GFP_KERNEL);
	if (!client)
		return ERR_PTR(-ENOMEM);
	client->connection = connection;
	client->header = connection->control;
	client->shared_slots = connection->control + SAWMILL_FILE_SLOTS_OFFSET;
	client->bounce = connection->control + SAWMILL_FILE_BOUNCE_OFFSET;
	client->bounce_count = min_t(size_t, BOUNCE_PAGES_MAX,
		(connection->control_size - SAWMILL_FILE_BOUNCE_OFFSET) /
		PAGE_SIZE);
	client->pool_first_pfn = PHYS_PFN(connection->pool_base);
	client->pool_page_count = PHYS_PFN(connection->pool_size);
	spin_lock_init(&client->lock);
	client->free_slots = ~0UL;
	for (i = 0; i < SAWMILL_FILE_SLOTS; i++)
		init_waitqueue_head(&client->slots[i].wait);
	init_waitqueue_head(&client->room);
	spin_lock_init(&client->background_lock);
	INIT_LIST_HEAD(&client->background);
	INIT_WORK(&client->background_work, drain_work);
	INIT_DELAYED_WORK(&client->forget_work, forget_work);
	INIT_WORK(&client->recovery, sawmill_file_recover);
	sawmill_file_init_leases(client);
	client->header->version = SAWMILL_FILE_VERSION;
	client->ring_taken = READ_ONCE(client->header->head);
	connection->user = client;
	smp_wmb();
	WRITE_ONCE(connection->event, sawmill_file_event);
	return client;
}
