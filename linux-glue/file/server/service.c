// SPDX-License-Identifier: GPL-2.0-only
/*
 * Receives calls, validates them, runs operations, answers.
 *
 * Of the shared slot, the header, the arguments and the segment list are
 * copied once, before anything in them is looked at; their sizes come in the
 * words of the call, which do not change. Results are built in own memory and
 * copied to the slot at the end.
 *
 * Locks: client->mutex (outside of disk_mutex): INIT against DESTROY;
 * client->ring_lock (spinlock, innermost): the completion ring's head.
 */
#include <linux/init.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include "server.h"

#define READAHEAD_MAX	(128 * 1024)
#define WRITE_MAX	(SAWMILL_FILE_PAGES_MAX * SAWMILL_FILE_PAGE)

static char service_name[SAWMILL_NAME_SIZE] = "file";
#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "sawmill."
module_param_string(file_service, service_name, sizeof(service_name), 0444);

/* Small requests live in one object: no other allocation on their way. */
#define INLINE_SEGMENTS	8

struct handling {
	struct request request;
	struct sawmill_call *call;
	unsigned int args_size;
	u8 in[SAWMILL_FILE_INLINE + 1];	/* and a NUL */
	u8 out[SAWMILL_FILE_INLINE];
	struct bio_vec bvecs[INLINE_SEGMENTS];
};

static struct kmem_cache *handling_cache;

/* One to spare on each CPU: a worker that does not sleep finds it there. */
static DEFINE_PER_CPU(struct handling *, spare_handling);

static struct handling *get_handling(void)
{
	return this_cpu_xchg(spare_handling, NULL) ?:
	       kmem_cache_alloc(handling_cache, GFP_KERNEL);
}

static void put_handling(struct handling *handling)
{
	handling = this_cpu_xchg(spare_handling, handling);
	if (handling)
		kmem_cache_free(handling_cache, handling);
}

/* ---- arguments and results ---- */

const void *take_arg(struct request *request, unsigned int size)
{
	const void *arg = request->args;

	if (request->args_size < size)
		return NULL;
	request->args += size;
	request->args_size -= size;
	return arg;
}

/* A file name: terminated, one component, neither "." nor ".."; or ERR_PTR. */
const char *take_name(struct request *request)
{
	const char *name = request->args;
	size_t length = strnlen(name, request->args_size);

	if (length == request->args_size || !length)
		return ERR_PTR(-EINVAL);
	if (length > NAME_MAX)
		return ERR_PTR(-ENAMETOOLONG);
	if (memchr(name, '/', length) || !strcmp(name, ".") ||
	    !strcmp(name, ".."))
		return ERR_PTR(-EINVAL);
	return take_arg(request, length + 1);
}

void *put_result(struct request *request, unsigned int size)
{
	void *result = request->out + request->out_size;

	if (request->out_capacity - request->out_size < size)
		return NULL;
	request->out_size += size;
	return result;
}

void data_iter(const struct request *request, struct iov_iter *iter,
	       unsigned int direction, unsigned int size)
{
	if (request->is_pool)
		iov_iter_bvec(iter, direction, request->bvecs,
			      request->segment_count, size);
	else
		iov_iter_kvec(iter, direction, request->kvecs,
			      request->segment_count, size);
}

/* ---- connection ---- */

/* Drops what the client held; under client->mutex. */
static void end_client(struct server_client *client)
{
	bool was_initialized = client->is_initialized;

	WRITE_ONCE(client->is_initialized, false);
	lease_leave(client);
	node_table_destroy(client);
	if (was_initialized)
		disk_end();
}

static int operate_init(struct request *request)
{
	const struct fuse_init_in *in =
		take_arg(request, offsetofend(struct fuse_init_in, flags));
	struct server_client *client = request->client;
	const u32 *flags2 = in ? take_arg(request, sizeof(*flags2)) : NULL;
	struct fuse_init_out *out;
	u64 flags = FUSE_BIG_WRITES | FUSE_DO_READDIRPLUS |
		    FUSE_READDIRPLUS_AUTO | FUSE_WRITEBACK_CACHE |
		    FUSE_PARALLEL_DIROPS | FUSE_POSIX_ACL | FUSE_MAX_PAGES |
		    FUSE_CACHE_SYMLINKS | FUSE_DONT_MASK | FUSE_SETXATTR_EXT |
		    FUSE_INIT_EXT;
	int error;

	if (!in || READ_ONCE(client->header->version) != SAWMILL_FILE_VERSION ||
	    in->major != FUSE_KERNEL_VERSION || in->minor < 36)
		return -EPROTO;
	out = put_result(request, sizeof(*out));
	if (!out)
		return -EINVAL;
	mutex_lock(&client->mutex);
	/* A client that restarted: what it held is void. */
	end_client(client);
	client->is_resumed = flags2 && (in->flags & FUSE_INIT_EXT) &&
			     (*flags2 & SAWMILL_FILE_INIT_RESUME);
	error = lease_join(request, client->is_resumed);
	if (error) {
		/* Parked: the request is not ours any more. */
		mutex_unlock(&client->mutex);
		return error;
	}
	error = disk_begin(client->is_resumed);
	if (!error) {
		error = node_table_create(client);
		if (error)
			disk_end();
		else
			WRITE_ONCE(client->is_initialized, true);
	}
	if (error)
		lease_leave(client);
	mutex_unlock(&client->mutex);
	if (error)
		return error;
	out->major = FUSE_KERNEL_VERSION;
	out->minor = FUSE_KERNEL_MINOR_VERSION;
	out->max_readahead = READAHEAD_MAX;
	out->flags = (u32)flags;
	out->max_background = 64;
	out->congestion_threshold = 48;
	out->max_write = WRITE_MAX;
	out->max_pages = SAWMILL_FILE_PAGES_MAX;
	out->time_gran = disk_mount()->mnt_sb->s_time_gran;
	WRITE_ONCE(client->header->size_max, disk_mount()->mnt_sb->s_maxbytes);
	space_begin(client);
	return 0;
}

static int operate_destroy(struct request *request)
{
	struct server_client *client = request->client;
	int error = lease_settle(request);

	if (error)
		return error;
	mutex_lock(&client->mutex);
	end_client(client);
	mutex_unlock(&client->mutex);
	return 0;
}

static int operate_forget(struct request *request)
{
	const struct fuse_forget_in *in = take_arg(request, sizeof(*in));

	if (!in)
		return -EINVAL;
	node_forget(request->client, request->header.nodeid, in->nlookup);
	return 0;
}

static int operate_batch_forget(struct request *request)
{
	const struct fuse_batch_forget_in *in = take_arg(request, sizeof(*in));
	const struct fuse_forget_one *one;
	unsigned int i;

	if (!in)
		return -EINVAL;
	for (i = 0; i < in->count; i++) {
		one = take_arg(request, sizeof(*one));
		if (!one)
			return -EINVAL;
		node_forget(request->client, one->nodeid, one->nlookup);
	}
	return 0;
}

/* ---- dispatch ---- */

enum node_need { NODE_NONE, NODE_ANY, NODE_DIRECTORY, NODE_FILE };

static const struct {
	operation_t run;
	enum node_need need;
	enum access access;
} operations[] = {
	[FUSE_INIT]		= { operate_init, NODE_NONE },
	[FUSE_DESTROY]		= { operate_destroy, NODE_NONE },
	[FUSE_FORGET]		= { operate_forget, NODE_NONE },
	[FUSE_BATCH_FORGET]	= { operate_batch_forget, NODE_NONE },
	[FUSE_GETATTR]		= { operate_getattr, NODE_ANY, ACCESS_READ },
	[FUSE_SETATTR]		= { operate_setattr, NODE_ANY, ACCESS_READ },
	[FUSE_STATFS]		= { operate_statfs, NODE_ANY },
	[FUSE_SYNCFS]		= { operate_syncfs, NODE_ANY },
	[FUSE_LOOKUP]		= { operate_lookup, NODE_DIRECTORY },
	[FUSE_CREATE]		= { operate_create, NODE_DIRECTORY },
	[FUSE_TMPFILE]		= { operate_tmpfile, NODE_DIRECTORY },
	[FUSE_MKNOD]		= { operate_mknod, NODE_DIRECTORY },
	[FUSE_MKDIR]		= { operate_mkdir, NODE_DIRECTORY },
	[FUSE_SYMLINK]		= { operate_symlink, NODE_DIRECTORY },
	[FUSE_LINK]		= { operate_link, NODE_DIRECTORY },
	[FUSE_UNLINK]		= { operate_unlink, NODE_DIRECTORY },
	[FUSE_RMDIR]		= { operate_rmdir, NODE_DIRECTORY },
	[FUSE_RENAME]		= { operate_rename, NODE_DIRECTORY },
	[FUSE_RENAME2]		= { operate_rename2, NODE_DIRECTORY },
	[FUSE_READDIR]		= { operate_readdir, NODE_DIRECTORY },
	[FUSE_READDIRPLUS]	= { operate_readdirplus, NODE_DIRECTORY },
	[FUSE_FSYNCDIR]		= { operate_fsync, NODE_DIRECTORY },
	[FUSE_READLINK]		= { operate_readlink, NODE_ANY },
	[FUSE_READ]		= { operate_read, NODE_FILE, ACCESS_READ },
	[FUSE_WRITE]		= { operate_write, NODE_FILE, ACCESS_WRITE },
	[FUSE_FSYNC]		= { operate_fsync, NODE_FILE },
	[FUSE_BMAP]		= { operate_bmap, NODE_FILE, ACCESS_READ },
	[FUSE_SETXATTR]		= { operate_setxattr, NODE_ANY },
	[FUSE_GETXATTR]		= { operate_getxattr, NODE_ANY },
	[FUSE_LISTXATTR]	= { operate_listxattr, NODE_ANY },
	[FUSE_REMOVEXATTR]	= { operate_removexattr, NODE_ANY },
	[FUSE_SETLK]		= { operate_setlk, NODE_FILE },
	[FUSE_GETLK]		= { operate_getlk, NODE_FILE },
	[FUSE_IOCTL]		= { operate_ioctl, NODE_ANY },
	[SAWMILL_FILE_LEASE]	= { operate_lease, NODE_NONE },
};

static int check_node(const struct node *node, enum node_need need)
{
	umode_t mode = node_inode(node)->i_mode;

	if (need == NODE_DIRECTORY && !S_ISDIR(mode))
		return -ENOTDIR;
	if (need == NODE_FILE && !S_ISREG(mode))
		return -EINVAL;
	return 0;
}

/* -EINPROGRESS: the request is parked, lease.c will have it run again. */
static int run(struct request *request)
{
	u32 opcode = request->header.opcode;
	const struct cred *unrestricted = NULL;
	enum node_need need;
	struct node *node;
	int error;

	if (opcode >= ARRAY_SIZE(operations) || !operations[opcode].run)
		return -ENOSYS;
	need = operations[opcode].need;
	if (need == NODE_NONE)
		return operations[opcode].run(request);
	if (!READ_ONCE(request->client->is_initialized))
		return -EIO;
	node = node_get(request->client, request->header.nodeid);
	if (!node)
		return -ESTALE;
	request->node = node;
	error = check_node(node, need);
	if (!error && unlikely(READ_ONCE(lease_sharing)))
		error = lease_admit(request, node->id,
				    operations[opcode].access);
	if (!error) {
		if (request->header.uid)
			unrestricted = space_restrict(request);
		error = operations[opcode].run(request);
		if (unlikely(unrestricted))
			revert_creds(unrestricted);
		if (unlikely(request->lease))
			lease_end_write(request);
	}
	/* Not the request's: that may be parked. */
	node_put(node);
	return error;
}

/* ---- from the slot and back ---- */

static int take_pool_segments(struct handling *handling,
			      const struct sawmill_file_slot *slot)
{
	struct request *request = &handling->request;
	struct server_client *client = request->client;
	unsigned int total = 0, i;

	request->bvecs = handling->bvecs;
	if (request->segment_count > INLINE_SEGMENTS)
		request->bvecs = kmalloc_array(request->segment_count,
					       sizeof(*request->bvecs),
					       GFP_KERNEL);
	if (!request->bvecs)
		return -ENOMEM;
	for (i = 0; i < request->segment_count; i++) {
		struct sawmill_file_segment segment =
			READ_ONCE(slot->segments[i]);

		if (segment.page >= client->pool_page_count ||
		    !segment.length ||
		    segment.offset + segment.length > PAGE_SIZE)
			return -EFAULT;
		request->bvecs[i].bv_page = client->pool + segment.page;
		request->bvecs[i].bv_offset = segment.offset;
		request->bvecs[i].bv_len = segment.length;
		total += segment.length;
	}
	return total == request->data_capacity ? 0 : -EINVAL;
}

static int take_control_segments(struct handling *handling,
				 const struct sawmill_file_slot *slot)
{
	struct request *request = &handling->request;
	struct server_client *client = request->client;
	unsigned int total = 0, i;

	request->kvecs = kmalloc_array(request->segment_count,
				       sizeof(*request->kvecs), GFP_KERNEL);
	if (!request->kvecs)
		return -ENOMEM;
	for (i = 0; i < request->segment_count; i++) {
		struct sawmill_file_segment segment =
			READ_ONCE(slot->segments[i]);
		u32 page = segment.page & ~SAWMILL_FILE_SEGMENT_CONTROL;

		if (!(segment.page & SAWMILL_FILE_SEGMENT_CONTROL) ||
		    page < SAWMILL_FILE_BOUNCE_OFFSET / PAGE_SIZE ||
		    page >= client->control_pages || !segment.length ||
		    segment.offset + segment.length > PAGE_SIZE)
			return -EFAULT;
		request->kvecs[i].iov_base = client->control +
			page * PAGE_SIZE + segment.offset;
		request->kvecs[i].iov_len = segment.length;
		total += segment.length;
	}
	return total == request->data_capacity ? 0 : -EINVAL;
}

static int take_request(struct handling *handling, const u64 words[],
			const struct sawmill_file_slot *slot)
{
	struct request *request = &handling->request;
	unsigned int in_size = (u32)words[1];
	u32 first_page;

	request->data_flags = (u16)(words[0] >> 32);
	request->out_capacity = words[1] >> 32;
	request->segment_count = (u32)words[2];
	request->data_capacity = words[2] >> 32;
	if (in_size < sizeof(request->header) ||
	    in_size > SAWMILL_FILE_INLINE ||
	    request->out_capacity > SAWMILL_FILE_INLINE ||
	    request->segment_count > SAWMILL_FILE_PAGES_MAX ||
	    request->data_capacity > WRITE_MAX)
		return -EINVAL;
	memcpy(handling->in, slot->in, in_size);
	handling->in[in_size] = 0;
	memcpy(&request->header, handling->in, sizeof(request->header));
	handling->args_size = in_size - sizeof(request->header);
	request->out = handling->out;
	if (!request->segment_count)
		return request->data_capacity ? -EINVAL : 0;
	if (request->data_flags != SAWMILL_FILE_DATA_IN &&
	    request->data_flags != SAWMILL_FILE_DATA_OUT)
		return -EINVAL;
	first_page = READ_ONCE(slot->segments[0].page);
	request->is_pool = !(first_page & SAWMILL_FILE_SEGMENT_CONTROL);
	return request->is_pool ? take_pool_segments(handling, slot) :
				  take_control_segments(handling, slot);
}

static void write_completion(struct server_client *client, u32 slot,
			     const u64 words[])
{
	struct sawmill_file_header *header = client->header;
	struct sawmill_file_completion completion = {
		.slot = slot,
		.error = (s32)words[0],
		.out_size = (u32)words[1],
		.data_size = (u32)words[2],
	};
	u32 head;

	spin_lock(&client->ring_lock);
	head = client->ring_head++;
	header->ring[head % SAWMILL_FILE_RING] = completion;
	smp_store_release(&header->head, head + 1);
	spin_unlock(&client->ring_lock);
	/* The client sets wants_event, then reads head. */
	smp_mb();
	if (READ_ONCE(header->wants_event))
		sawmill_connection_signal(client->connection);
}

/* The call of a request that was parked ends with its reply: not used after. */
static void answer(struct sawmill_call *call, const u64 words[])
{
	struct server_client *client = call->connection->user;
	u32 slot = call->in[0];

	if (!sawmill_call_reply(call, words))
		write_completion(client, slot, words);
}

static void finish(struct handling *handling, int error)
{
	struct request *request = &handling->request;
	struct server_client *client = request->client;
	struct sawmill_call *call = handling->call;
	u64 words[SAWMILL_CALL_WORDS] = { (u32)error };

	if (!error) {
		memcpy(client->slots[(u32)call->in[0]].out,
		       request->out, request->out_size);
		words[1] = request->out_size;
		words[2] = request->data_size;
	}
	if (request->bvecs != handling->bvecs)
		kfree(request->bvecs);
	kfree(request->kvecs);
	put_handling(handling);
	space_publish(client);
	answer(call, words);
}

/* From the beginning; whoever gets -EINPROGRESS has lost the handling. */
static int begin(struct handling *handling)
{
	struct request *request = &handling->request;

	request->args = handling->in + sizeof(request->header);
	request->args_size = handling->args_size;
	request->out_size = 0;
	request->data_size = 0;
	memset(request->out, 0, request->out_capacity);
	return run(request);
}

void request_run_again(struct work_struct *work)
{
	struct handling *handling =
		container_of(work, struct handling, request.again);
	struct server_client *client = handling->request.client;
	int error = begin(handling);

	if (error != -EINPROGRESS)
		finish(handling, error);
	lease_parked_done(client);
}

static void handle(struct sawmill_call *call)
{
	u64 words[SAWMILL_CALL_WORDS] = { (u32)-EINVAL };
	struct server_client *client = call->connection->user;
	u32 index = (u32)call->in[0];
	struct handling *handling;
	int error;

	if (call->in[SAWMILL_FILE_FORGET_WORD])
		node_forget(client, call->in[SAWMILL_FILE_FORGET_WORD],
			    call->in[SAWMILL_FILE_FORGET_WORD + 1]);
	if (index >= SAWMILL_FILE_SLOTS) {
		answer(call, words);
		return;
	}
	handling = get_handling();
	if (!handling) {
		words[0] = (u32)-ENOMEM;
		answer(call, words);
		return;
	}
	memset(&handling->request, 0, sizeof(handling->request));
	handling->call = call;
	handling->request.client = client;
	error = take_request(handling, call->in, &client->slots[index]);
	if (!error)
		error = begin(handling);
	if (error != -EINPROGRESS)
		finish(handling, error);
}

static void late(struct sawmill_call *call,
		 const u64 words[SAWMILL_CALL_WORDS])
{
	write_completion(call->connection->user, (u32)call->in[0], words);
}

static int attach(struct sawmill_connection *connection)
{
	struct server_client *client;
	int error;

	if (connection->control_size < SAWMILL_FILE_CONTROL_MIN)
		return -EINVAL;
	client = kzalloc(sizeof(*client), GFP_KERNEL);
	if (!client)
		return -ENOMEM;
	client->connection = connection;
	client->header = connection->control;
	client->control = connection->control;
	client->control_pages = connection->control_size / PAGE_SIZE;
	client->slots = connection->control + SAWMILL_FILE_SLOTS_OFFSET;
	client->ring_head = READ_ONCE(client->header->head);
	mutex_init(&client->mutex);
	xa_init(&client->nodes);
	spin_lock_init(&client->ring_lock);
	error = pool_attach(client);
	if (error) {
		pr_err("sawmill: file: pool of client %llu: %d\n",
		       connection->badge, error);
		kfree(client);
		return error;
	}
	connection->user = client;
	lease_attach(client);
	return 0;
}

static void detach(struct sawmill_connection *connection)
{
	struct server_client *client = connection->user;

	lease_detach(client);
	mutex_lock(&client->mutex);
	end_client(client);
	mutex_unlock(&client->mutex);
	pool_detach(client);
	connection->user = NULL;
	kfree(client);
}

static struct sawmill_service service = {
	.name = service_name,
	.attach = attach,
	.detach = detach,
	.handle = handle,
	.late = late,
};

static int __init file_service_init(void)
{
	BUILD_BUG_ON(sizeof(struct sawmill_file_slot) !=
		     SAWMILL_FILE_SLOT_SIZE);
	handling_cache = KMEM_CACHE(handling, SLAB_HWCACHE_ALIGN | SLAB_PANIC);
	sawmill_service_register(&service);
	return 0;
}
late_initcall_sync(file_service_init);
