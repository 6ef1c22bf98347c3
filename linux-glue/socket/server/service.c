// SPDX-License-Identifier: GPL-2.0-only
/*
 * Socket server: the service and its calls.
 *
 * Handlers never wait for the network: a call is answered when Linux's own
 * non-blocking operation returns. What a client may do is decided by the
 * credentials its connection gets, so that Linux's own checks apply.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/moduleparam.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <net/net_namespace.h>
#include "server.h"

static char service_name[SAWMILL_NAME_SIZE] = "ip";
static unsigned long configure_badges;
#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "sawmill."
module_param_string(socket_service, service_name, sizeof(service_name), 0444);
/* Bit n: the client with badge n may change addresses, links and routes. */
module_param_named(socket_configure, configure_badges, ulong, 0444);

static DEFINE_MUTEX(servers_lock);
static LIST_HEAD(servers);		/* servers_lock */
static bool is_settled;			/* servers_lock */

void sawmill_network_settled(void)
{
	struct sawmill_server *server;

	mutex_lock(&servers_lock);
	if (!is_settled) {
		is_settled = true;
		list_for_each_entry(server, &servers, node) {
			WRITE_ONCE(server->area->is_settled, 1);
			sawmill_connection_signal(server->connection);
		}
	}
	mutex_unlock(&servers_lock);
}

static s64 hello(struct sawmill_request *request)
{
	struct sawmill_server *server = request->server;

	if (request->in[1] != SAWMILL_SOCKET_VERSION)
		return -EPROTONOSUPPORT;
	server->own_page = request->page;
	request->out[1] = server->rights;
	return 0;
}

static s64 run_on_endpoint(struct sawmill_endpoint *endpoint,
			   struct sawmill_request *request)
{
	int result = 0;

	if (!endpoint->socket)
		return -EBADF;
	sawmill_endpoint_apply_options(endpoint);
	switch (request->operation) {
	case SAWMILL_SOCKET_BIND:
		return sawmill_endpoint_bind(endpoint, request);
	case SAWMILL_SOCKET_CONNECT:
		return sawmill_endpoint_connect(endpoint, request);
	case SAWMILL_SOCKET_LISTEN:
		return sawmill_endpoint_listen(endpoint, request);
	case SAWMILL_SOCKET_ACCEPT:
		return sawmill_endpoint_accept(endpoint, request);
	case SAWMILL_SOCKET_SHUTDOWN:
		return sawmill_endpoint_shutdown(endpoint, request);
	case SAWMILL_SOCKET_GETNAME:
		return sawmill_endpoint_getname(endpoint, request);
	case SAWMILL_SOCKET_SETSOCKOPT:
		return sawmill_endpoint_setsockopt(endpoint, request);
	case SAWMILL_SOCKET_GETSOCKOPT:
		return sawmill_endpoint_getsockopt(endpoint, request);
	case SAWMILL_SOCKET_IOCTL:
		return sawmill_endpoint_ioctl(endpoint, request);
	case SAWMILL_SOCKET_FLUSH:
		if (endpoint->is_stream)
			return -EOPNOTSUPP;
		sawmill_endpoint_publish(endpoint,
					 sawmill_record_send(endpoint, &result));
		return result;
	case SAWMILL_SOCKET_SEND_URGENT:
		return sawmill_endpoint_send_urgent(endpoint, request);
	case SAWMILL_SOCKET_RECEIVE_SPECIAL:
		return sawmill_endpoint_receive_special(endpoint, request);
	case SAWMILL_SOCKET_RESIZE:
		return sawmill_endpoint_resize(endpoint, request);
	case SAWMILL_SOCKET_CLOSE:
		sawmill_endpoint_close(endpoint, request->in[1] & 1);
		return 0;
	default:
		return -ENOSYS;
	}
}

static s64 run(struct sawmill_request *request)
{
	struct sawmill_endpoint *endpoint;
	s64 result;

	switch (request->operation) {
	case SAWMILL_SOCKET_HELLO:
		request->page = sawmill_server_page(request->server,
						    request->in[2]);
		return request->page ? hello(request) : -EINVAL;
	case SAWMILL_SOCKET_CREATE:
		request->page = sawmill_server_page(request->server,
						    request->in[2]);
		return request->page ? sawmill_endpoint_create(request) :
				       -EINVAL;
	case SAWMILL_SOCKET_SERVE:
		sawmill_server_serve(request->server);
		return 0;
	case SAWMILL_SOCKET_READ_FILE:
		request->page = request->server->own_page;
		return request->page ? sawmill_server_read_file(request) :
				       -EINVAL;
	case SAWMILL_SOCKET_IOCTL:
		if (request->slot)
			break;
		request->page = request->server->own_page;
		return request->page ? sawmill_server_ioctl(request) : -EINVAL;
	}
	endpoint = sawmill_endpoint_get(request->server, request->slot);
	if (!endpoint)
		return -EBADF;
	request->page = endpoint->page;
	mutex_lock(&endpoint->lock);
	result = run_on_endpoint(endpoint, request);
	mutex_unlock(&endpoint->lock);
	sawmill_endpoint_put(endpoint);
	return result;
}

/* The word of the handled call that handle() uses for the slot's page. */
#define PAGE_WORD	1

/* The caller was told PENDING: the answer goes into the slot's page. */
static void complete_late(struct sawmill_call *call,
			  const u64 words[SAWMILL_CALL_WORDS])
{
	struct sawmill_socket_page *page = (void *)(uintptr_t)call->in[PAGE_WORD];
	struct sawmill_server *server = call->connection->user;
	u32 slot = call->in[0] >> 16 & 0xffff;
	int word;

	if (!page)
		return;
	for (word = 0; word < SAWMILL_CALL_WORDS; word++)
		WRITE_ONCE(page->completion_words[word], words[word]);
	smp_store_release(&page->completion, (u32)(call->in[0] >> 32));
	sawmill_mailbox_post(&server->area->to_client, slot);
	sawmill_server_flush(server);
}

static void handle(struct sawmill_call *call)
{
	struct sawmill_server *server = call->connection->user;
	struct sawmill_request request = {
		.server = server,
		.operation = call->in[0] & 0xffff,
		.slot = call->in[0] >> 16 & 0xffff,
		.sequence = call->in[0] >> 32,
	};
	const struct cred *old = override_creds(server->cred);

	memcpy(request.in, call->in, sizeof(request.in));
	if (request.slot < SAWMILL_SOCKET_SLOTS)
		request.out[0] = run(&request);
	else
		request.out[0] = -EBADF;
	revert_creds(old);
	sawmill_server_flush(server);
	/* Where a late answer goes; a slot that was closed is not found again. */
	call->in[PAGE_WORD] = (uintptr_t)request.page;
	if (!sawmill_call_reply(call, request.out))
		complete_late(call, request.out);
}

static void client_event(struct sawmill_connection *connection)
{
	struct sawmill_server *server = connection->user;

	if (server)
		wake_up_process(server->pump);
}

/* The client's kernel decides which of its users may do these. */
#define PLAIN_CAPABILITIES	(BIT(CAP_NET_BIND_SERVICE) | BIT(CAP_NET_RAW))

static const struct cred *client_cred(unsigned long capabilities)
{
	struct cred *cred = prepare_kernel_cred(&init_task);
	unsigned int capability;

	if (!cred)
		return NULL;
	cap_clear(cred->cap_effective);
	for_each_set_bit(capability, &capabilities, BITS_PER_LONG)
		cap_raise(cred->cap_effective, capability);
	cred->cap_permitted = cred->cap_effective;
	cap_clear(cred->cap_inheritable);
	cap_clear(cred->cap_bset);
	cap_clear(cred->cap_ambient);
	return cred;
}

static void free_server(struct sawmill_server *server)
{
	put_cred(server->cred);
	put_cred(server->plain_cred);
	put_cred(server->bare_cred);
	kvfree(server);
}

static int attach(struct sawmill_connection *connection)
{
	struct sawmill_server *server;

	if (connection->control_size < 4 * PAGE_SIZE ||
	    connection->control_size > U32_MAX)
		return -EINVAL;
	server = kvzalloc(sizeof(*server), GFP_KERNEL);
	if (!server)
		return -ENOMEM;
	server->connection = connection;
	server->area = connection->control;
	spin_lock_init(&server->lock);
	INIT_LIST_HEAD(&server->queue);
	INIT_LIST_HEAD(&server->arrived);
	tasklet_setup(&server->arrival, sawmill_arrival);
	if (connection->badge < BITS_PER_LONG &&
	    configure_badges & BIT(connection->badge))
		server->rights |= SAWMILL_SOCKET_RIGHT_CONFIGURE;
	server->cred = client_cred(PLAIN_CAPABILITIES |
		(server->rights & SAWMILL_SOCKET_RIGHT_CONFIGURE ?
		 BIT(CAP_NET_ADMIN) : 0));
	server->plain_cred = client_cred(PLAIN_CAPABILITIES);
	server->bare_cred = client_cred(0);
	if (!server->cred || !server->plain_cred || !server->bare_cred)
		goto fail;
	server->pump = kthread_create(sawmill_pump_thread, server,
				      "sawmill-ip/%llu", connection->badge);
	if (IS_ERR(server->pump))
		goto fail;
	/* Callbacks of sockets may wake it until the last one is closed. */
	get_task_struct(server->pump);
	connection->user = server;
	mutex_lock(&servers_lock);
	WRITE_ONCE(server->area->is_settled, is_settled);
	list_add_tail(&server->node, &servers);
	mutex_unlock(&servers_lock);
	smp_store_release(&connection->event, client_event);
	wake_up_process(server->pump);
	return 0;
fail:
	free_server(server);
	return -ENOMEM;
}

static void detach(struct sawmill_connection *connection)
{
	struct sawmill_server *server = connection->user;
	struct sawmill_endpoint *endpoint;
	u32 number;

	connection->event = NULL;
	/* One that is under way wakes the pump. */
	synchronize_rcu();
	mutex_lock(&servers_lock);
	list_del(&server->node);
	mutex_unlock(&servers_lock);
	kthread_stop(server->pump);
	for (number = 0; number < SAWMILL_SOCKET_SLOTS; number++) {
		endpoint = sawmill_endpoint_get(server, number);
		if (!endpoint)
			continue;
		mutex_lock(&endpoint->lock);
		sawmill_endpoint_close(endpoint, true);
		mutex_unlock(&endpoint->lock);
		sawmill_endpoint_put(endpoint);
	}
	/* No socket is left that could bring more. */
	tasklet_kill(&server->arrival);
	sawmill_arrival_drop(server);
	sawmill_queue_drop(server);
	put_task_struct(server->pump);
	connection->user = NULL;
	free_server(server);
}

static struct sawmill_service service = {
	.name = service_name,
	.attach = attach,
	.detach = detach,
	.handle = handle,
	.late = complete_late,
};

static int __init service_init(void)
{
	struct net_device *loopback = init_net.loopback_dev;

	/* No user space will do this. */
	rtnl_lock();
	if (dev_change_flags(loopback, loopback->flags | IFF_UP, NULL))
		pr_err("sawmill: no loopback device\n");
	rtnl_unlock();
	/* Ping sockets: the client's kernel decides who may have them. */
	init_net.ipv4.ping_group_range.range[0] = GLOBAL_ROOT_GID;
	init_net.ipv4.ping_group_range.range[1] = KGIDT_INIT((gid_t)~0U - 1);
	sawmill_service_register(&service);
	return 0;
}
late_initcall(service_init);
