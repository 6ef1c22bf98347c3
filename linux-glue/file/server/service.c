// SPDX-License-Identifier: GPL-2.0-only
/*
 * The service: its clients' beginnings and ends, and which operation a request
 * asks for. calls.c brings the requests.
 *
 * Lock: client->mutex (outside of disk_mutex): INIT against DESTROY.
 */
#include <linux/init.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include "server.h"

#define READAHEAD_MAX	(128 * 1024)

static char service_name[SAWMILL_NAME_SIZE] = "file";
#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "sawmill."
module_param_string(file_service, service_name, sizeof(service_name), 0444);

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
int request_run(struct request *request)
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
		error = space_admit(request) ?:
			lease_admit(request, node->id,
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
	spin_lock_init(&client->ring_lock);
	error = node_table_attach(client);
	if (error) {
		kfree(client);
		return error;
	}
	error = pool_attach(client);
	if (error) {
		pr_err("sawmill: file: pool of client %llu: %d\n",
		       connection->badge, error);
		node_table_detach(client);
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
	node_table_detach(client);
	connection->user = NULL;
	kfree(client);
}

static struct sawmill_service service = {
	.name = service_name,
	.attach = attach,
	.detach = detach,
	.handle = request_handle,
	.late = request_late,
};

static int __init file_service_init(void)
{
	sawmill_service_register(&service);
	return 0;
}
late_initcall_sync(file_service_init);
