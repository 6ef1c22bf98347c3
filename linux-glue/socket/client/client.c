// SPDX-License-Identifier: GPL-2.0-only
/*
 * Socket client: its end of the connection.
 *
 * Finds the connection named by sawmill.socket= (default "ip"), makes calls
 * for slots and turns the server's events into wake-ups.
 */
#include <linux/kernel.h>
#include <linux/moduleparam.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include "client.h"

static char service_name[SAWMILL_NAME_SIZE] = "ip";
#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "sawmill."
module_param_string(socket, service_name, sizeof(service_name), 0444);

static struct sawmill_client *the_client;
static DEFINE_MUTEX(client_lock);

static bool is_complete(struct sawmill_slot *slot)
{
	/* Pairs with the server's release: the words come first. */
	return smp_load_acquire(&slot->page->completion) == slot->sequence ||
	       sawmill_connection_is_dead(slot->client->connection);
}

static s64 check_result(u64 word)
{
	s64 result = (s64)word;

	return result >= -MAX_ERRNO && result <= INT_MAX ? result : -EPROTO;
}

/*
 * Makes a call; the caller holds slot->call_lock. Returns what the server
 * did, or -ENETDOWN when there is none any more. Not interruptible: the
 * server never waits for anything but memory.
 */
s64 sawmill_slot_call(struct sawmill_slot *slot,
		      enum sawmill_socket_operation operation,
		      u64 in[SAWMILL_CALL_WORDS], u64 out[SAWMILL_CALL_WORDS])
{
	struct sawmill_connection *connection = slot->client->connection;
	int error, word;

	lockdep_assert_held(&slot->call_lock);
	slot->sequence++;
	in[0] = operation | (u64)slot->number << 16 | (u64)slot->sequence << 32;
	/* Busy: the portal has no room for one more caller. */
	while ((error = sawmill_connection_call(connection, in, out)) == -EAGAIN)
		cond_resched();
	if (error == -EINPROGRESS) {
		wait_event(slot->call_wait, is_complete(slot));
		if (sawmill_connection_is_dead(connection))
			return -ENETDOWN;
		for (word = 0; word < SAWMILL_CALL_WORDS; word++)
			out[word] = READ_ONCE(slot->page->completion_words[word]);
	} else if (error == -EPIPE) {
		return -ENETDOWN;
	} else if (error) {
		return error;
	}
	return check_result(out[0]);
}

s64 sawmill_slot_simple(struct sawmill_slot *slot,
			enum sawmill_socket_operation operation, u64 argument)
{
	u64 in[SAWMILL_CALL_WORDS] = { 0, argument };
	u64 out[SAWMILL_CALL_WORDS];
	s64 result;

	mutex_lock(&slot->call_lock);
	result = sawmill_slot_call(slot, operation, in, out);
	mutex_unlock(&slot->call_lock);
	return result;
}

static void look(void *context, u32 number)
{
	struct sawmill_client *client = context;
	struct sawmill_slot *slot = rcu_dereference(client->slots[number]);

	if (!slot)
		return;
	if (wq_has_sleeper(&slot->call_wait))
		wake_up(&slot->call_wait);
	if (slot->sk)
		sawmill_sock_event(sawmill_sk(slot->sk));
}

static void client_event(struct sawmill_connection *connection)
{
	struct sawmill_client *client = connection->user;
	struct sawmill_socket_mailbox *box = &client->area->to_client;
	u32 number;

	rcu_read_lock();
	if (unlikely(sawmill_connection_is_dead(connection))) {
		for (number = 0; number < SAWMILL_SOCKET_SLOTS; number++)
			look(client, number);
	} else {
		do {
			sawmill_mailbox_take(box, look, client);
		} while (!sawmill_mailbox_sleep(box));
	}
	rcu_read_unlock();
}

static struct sawmill_client *client_new(struct sawmill_connection *connection)
{
	struct sawmill_client *client = kvzalloc(sizeof(*client), GFP_KERNEL);
	u64 in[SAWMILL_CALL_WORDS] = { 0, SAWMILL_SOCKET_VERSION };
	u64 out[SAWMILL_CALL_WORDS];
	u32 unused;
	s64 result;

	if (!client)
		return NULL;
	client->connection = connection;
	client->area = connection->control;
	spin_lock_init(&client->lock);
	result = sawmill_area_init(client);
	if (!result)
		result = sawmill_area_take(client, &client->own, 0, &unused);
	if (result)
		goto fail;
	connection->user = client;
	smp_store_release(&connection->event, client_event);
	sawmill_mailbox_sleep(&client->area->to_client);

	mutex_lock(&client->own.call_lock);
	in[2] = (u64)client->own.first_page << PAGE_SHIFT;
	result = sawmill_slot_call(&client->own, SAWMILL_SOCKET_HELLO, in, out);
	mutex_unlock(&client->own.call_lock);
	if (!result) {
		client->rights = out[1];
		return client;
	}
	/* The event may be running: the structure stays. */
	pr_err("sawmill: socket server refuses: %lld\n", result);
	return NULL;
fail:
	kvfree(client);
	return NULL;
}

/* Whether this partition was given a socket service at all. */
bool sawmill_client_is_wanted(void)
{
	return sawmill_connection_find(service_name, SAWMILL_ROLE_CLIENT);
}

/* The client, connected on first use; NULL if there is no live server. */
struct sawmill_client *sawmill_client_get(void)
{
	struct sawmill_client *client = smp_load_acquire(&the_client);
	struct sawmill_connection *connection;

	if (likely(client && !sawmill_connection_is_dead(client->connection)))
		return client;
	mutex_lock(&client_lock);
	client = the_client;
	if (!client || sawmill_connection_is_dead(client->connection)) {
		connection = sawmill_connection_find(service_name,
						     SAWMILL_ROLE_CLIENT);
		client = NULL;
		if (connection && !sawmill_connection_is_dead(connection))
			client = client_new(connection);
		if (client)
			smp_store_release(&the_client, client);
	}
	mutex_unlock(&client_lock);
	return client;
}
