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
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include "client.h"

static char service_name[SAWMILL_NAME_SIZE] = "ip";
#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "sawmill."
module_param_string(socket, service_name, sizeof(service_name), 0444);

/* A server that does not take a call for so long counts as gone. */
#define TAKE_WAIT	(30 * HZ)
/* So long a dead one may take to be started again, and a program waits. */
#define RESTART_WAIT	(20 * HZ)
/* So long a program's first socket waits for the network's addresses. */
#define SETTLED_WAIT	(10 * HZ)
/* So long a program that dies waits for an answer that is late. */
#define DYING_WAIT	(5 * HZ)
/* Looks into the mailbox, one after the other. */
#define LOOKS_MAX	16
/* Calls that the server refuses until it is asked more slowly. */
#define QUICK_TRIES	10

static struct sawmill_client *the_client;
static DEFINE_MUTEX(client_lock);

static bool is_complete(struct sawmill_slot *slot)
{
	/* Pairs with the server's release: the words come first. */
	return smp_load_acquire(&slot->page->completion) == slot->sequence ||
	       sawmill_slot_is_lost(slot);
}

/* An errno or 0; only urgent data has a length for a result. */
static s64 check_result(enum sawmill_socket_operation operation,
			const u64 in[SAWMILL_CALL_WORDS], u64 word)
{
	u64 most = operation == SAWMILL_SOCKET_SEND_URGENT ? in[2] : 0;
	s64 result = (s64)word;

	return result >= -MAX_ERRNO && result <= (s64)most ? result : -EPROTO;
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

static void take_mail(struct sawmill_client *client)
{
	struct sawmill_socket_mailbox *box = &client->area->to_client;
	unsigned int looks = 0;

	rcu_read_lock();
	do {
		sawmill_mailbox_take(box, look, client);
	} while (!sawmill_mailbox_sleep(box) && ++looks < LOOKS_MAX);
	rcu_read_unlock();
	/* A server that posts without end does not keep us in here. */
	if (unlikely(looks == LOOKS_MAX))
		mod_timer(&client->look_again, jiffies + 1);
}

static void look_again(struct timer_list *timer)
{
	struct sawmill_client *client = from_timer(client, timer, look_again);

	take_mail(client);
}

/* A call during which the server need not signal: we look afterwards. */
static int call_and_look(struct sawmill_client *client,
			 const u64 in[SAWMILL_CALL_WORDS],
			 u64 out[SAWMILL_CALL_WORDS])
{
	int error;

	WRITE_ONCE(client->area->to_client.is_asleep, 0);
	error = sawmill_connection_call(client->connection, in, out);
	take_mail(client);
	return error;
}

/* One call; revive() finds nobody in here. */
static int call_server(struct sawmill_slot *slot,
		       const u64 in[SAWMILL_CALL_WORDS],
		       u64 out[SAWMILL_CALL_WORDS])
{
	struct sawmill_client *client = slot->client;
	int error = -EPIPE;

	percpu_down_read(&client->calls);
	if (!sawmill_slot_is_lost(slot))
		error = call_and_look(client, in, out);
	percpu_up_read(&client->calls);
	return error;
}

/*
 * Has the server look into its mailbox, by a call instead of a signal: it
 * answers when it is through. Never sleeps. False: it was not reached.
 */
bool sawmill_client_serve(struct sawmill_client *client)
{
	u64 in[SAWMILL_CALL_WORDS] = { SAWMILL_SOCKET_SERVE };
	u64 out[SAWMILL_CALL_WORDS];
	int error = -EPIPE;

	if (!percpu_down_read_trylock(&client->calls))
		return false;
	if (!sawmill_connection_is_dead(client->connection))
		error = call_and_look(client, in, out);
	percpu_up_read(&client->calls);
	/* PENDING: it goes on, and signals. */
	return !error || error == -EINPROGRESS;
}

/*
 * Waits for an answer that comes late. Only a dying program gives up, since
 * the server never waits for anything but memory; then the slot's memory is
 * lost, for the answer may still come.
 */
static bool wait_for_answer(struct sawmill_slot *slot)
{
	bool is_dying = fatal_signal_pending(current) ||
			current->flags & PF_EXITING;

	if (is_dying)
		slot->is_given_up |= !wait_event_timeout(slot->call_wait,
							 is_complete(slot),
							 DYING_WAIT);
	else
		slot->is_given_up |= wait_event_killable(slot->call_wait,
							 is_complete(slot)) < 0;
	return is_complete(slot) && !sawmill_slot_is_lost(slot);
}

/*
 * Makes a call; the caller holds slot->call_lock. Returns what the server
 * did, or -ENETDOWN when it is gone. Only a signal that kills ends it early.
 */
s64 sawmill_slot_call(struct sawmill_slot *slot,
		      enum sawmill_socket_operation operation,
		      u64 in[SAWMILL_CALL_WORDS], u64 out[SAWMILL_CALL_WORDS])
{
	unsigned long end = jiffies + TAKE_WAIT;
	unsigned int tries = 0;
	int error, word;

	lockdep_assert_held(&slot->call_lock);
	slot->sequence++;
	in[0] = operation | (u64)slot->number << 16 | (u64)slot->sequence << 32;
	/* The portal has no room for one more caller, or the server starts. */
	while ((error = call_server(slot, in, out)) == -EAGAIN &&
	       time_before(jiffies, end)) {
		if (++tries > QUICK_TRIES)
			schedule_timeout_uninterruptible(1);
		else
			cond_resched();
	}
	if (error == -EINPROGRESS) {
		if (!wait_for_answer(slot))
			return -ENETDOWN;
		for (word = 0; word < SAWMILL_CALL_WORDS; word++)
			out[word] = READ_ONCE(slot->page->completion_words[word]);
	} else if (error == -EPIPE || error == -EAGAIN) {
		return -ENETDOWN;
	} else if (error) {
		return error;
	}
	return check_result(operation, in, out[0]);
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

static void client_event(struct sawmill_connection *connection)
{
	struct sawmill_client *client = connection->user;
	u32 number;

	if (READ_ONCE(client->area->is_settled) ||
	    sawmill_connection_is_dead(connection))
		wake_up_all(&client->settled_wait);
	if (likely(!sawmill_connection_is_dead(connection))) {
		take_mail(client);
		return;
	}
	rcu_read_lock();
	for (number = 0; number < SAWMILL_SOCKET_SLOTS; number++)
		look(client, number);
	rcu_read_unlock();
}

static struct sawmill_client *client_new(struct sawmill_connection *connection)
{
	struct sawmill_client *client = kvzalloc(sizeof(*client), GFP_KERNEL);
	u32 unused;

	if (!client)
		return NULL;
	client->connection = connection;
	client->area = connection->control;
	spin_lock_init(&client->lock);
	init_waitqueue_head(&client->settled_wait);
	timer_setup(&client->look_again, look_again, 0);
	if (percpu_init_rwsem(&client->calls))
		goto fail;
	if (sawmill_area_init(client) ||
	    sawmill_area_take(client, &client->own, 0, &unused)) {
		percpu_free_rwsem(&client->calls);
		goto fail;
	}
	connection->user = client;
	smp_store_release(&connection->event, client_event);
	return client;
fail:
	kvfree(client);
	return NULL;
}

/* Introduces the client to a server that does not know it. */
static s64 say_hello(struct sawmill_client *client)
{
	u64 in[SAWMILL_CALL_WORDS] = { 0, SAWMILL_SOCKET_VERSION };
	u64 out[SAWMILL_CALL_WORDS];
	s64 result;

	client->own.generation = client->generation;
	sawmill_mailbox_sleep(&client->area->to_client);
	mutex_lock(&client->own.call_lock);
	in[2] = (u64)client->own.first_page << PAGE_SHIFT;
	result = sawmill_slot_call(&client->own, SAWMILL_SOCKET_HELLO, in, out);
	mutex_unlock(&client->own.call_lock);
	if (!result)
		client->rights = out[1];
	else if (result != -ENETDOWN)
		pr_err("sawmill: socket server refuses: %lld\n", result);
	return result;
}

/* Connects with the server that root has started in place of a dead one. */
static int revive(struct sawmill_client *client)
{
	unsigned long end = jiffies + RESTART_WAIT;
	int error;

	for (;;) {
		percpu_down_write(&client->calls);
		/* First: no socket may seem to be alive again. */
		WRITE_ONCE(client->generation, client->generation + 1);
		client->has_server = false;
		client->has_waited = false;
		error = sawmill_connection_revive(client->connection);
		percpu_up_write(&client->calls);
		if (error != -EAGAIN || time_after(jiffies, end) ||
		    fatal_signal_pending(current))
			return error;
		schedule_timeout_killable(HZ / 50);
	}
}

/* Whether this partition was given a socket service at all. */
bool sawmill_client_is_wanted(void)
{
	return sawmill_connection_find(service_name, SAWMILL_ROLE_CLIENT);
}

static bool is_usable(struct sawmill_client *client)
{
	return client && READ_ONCE(client->has_server) &&
	       !sawmill_connection_is_dead(client->connection);
}

/* Holds client_lock. */
static void connect_client(void)
{
	struct sawmill_client *client = the_client;
	struct sawmill_connection *connection;

	if (!client) {
		connection = sawmill_connection_find(service_name,
						     SAWMILL_ROLE_CLIENT);
		client = connection ? client_new(connection) : NULL;
		if (!client)
			return;
		smp_store_release(&the_client, client);
	}
	if (sawmill_connection_is_dead(client->connection) && revive(client))
		return;
	if (!client->has_server && !say_hello(client))
		smp_store_release(&client->has_server, true);
}

/* The client, connected on first use; NULL if there is no live server. */
struct sawmill_client *sawmill_client_get(void)
{
	struct sawmill_client *client = smp_load_acquire(&the_client);

	if (likely(is_usable(client)))
		return client;
	if (mutex_lock_killable(&client_lock))
		return NULL;
	if (!is_usable(the_client))
		connect_client();
	client = is_usable(the_client) ? the_client : NULL;
	mutex_unlock(&client_lock);
	return client;
}

/*
 * A program that is started with the system finds the network complete: its
 * first socket waits until the server has an address or knows that there is
 * none to be had.
 */
void sawmill_client_wait_settled(struct sawmill_client *client)
{
	if (likely(READ_ONCE(client->has_waited)))
		return;
	if (wait_event_killable_timeout(client->settled_wait,
			READ_ONCE(client->area->is_settled) ||
			sawmill_connection_is_dead(client->connection),
			SETTLED_WAIT) >= 0)
		WRITE_ONCE(client->has_waited, true);
}
