// SPDX-License-Identifier: GPL-2.0-only
/*
 * The registry of connections and services.
 *
 * Connections come from a carrier, services and clients from the rest of the
 * glue; this is where they meet, in whichever order they arrive. Lists only
 * grow, except that a carrier may remove a dead connection.
 *
 * Lock: registry_lock (mutex, outermost of the glue: held over ->attach).
 */
#include <linux/kernel.h>
#include <linux/mutex.h>
#include <linux/string.h>
#include <sawmill/carrier.h>

static DEFINE_MUTEX(registry_lock);
static LIST_HEAD(connections);
static LIST_HEAD(services);

static void attach(struct sawmill_connection *connection,
		   struct sawmill_service *service)
{
	int error;

	connection->service = service;
	error = service->attach ? service->attach(connection) : 0;
	if (error) {
		pr_err("sawmill: service %s refuses a connection (badge %llu): %d\n",
		       service->name, connection->badge, error);
		return;
	}
	/* Pairs with the carrier's dispatch: user state before the flag. */
	smp_store_release(&connection->is_attached, true);
}

void sawmill_connection_add(struct sawmill_connection *connection)
{
	struct sawmill_service *service;

	mutex_lock(&registry_lock);
	connection->is_dead = false;
	connection->is_attached = false;
	connection->service = NULL;
	connection->user = NULL;
	connection->event = NULL;
	list_add_tail(&connection->node, &connections);
	if (connection->role == SAWMILL_ROLE_SERVER) {
		list_for_each_entry(service, &services, node)
			if (!strcmp(service->name, connection->name)) {
				attach(connection, service);
				break;
			}
	}
	mutex_unlock(&registry_lock);
}

void sawmill_service_register(struct sawmill_service *service)
{
	struct sawmill_connection *connection;

	mutex_lock(&registry_lock);
	list_add_tail(&service->node, &services);
	list_for_each_entry(connection, &connections, node)
		if (connection->role == SAWMILL_ROLE_SERVER &&
		    !connection->service &&
		    !strcmp(service->name, connection->name))
			attach(connection, service);
	mutex_unlock(&registry_lock);
}

struct sawmill_connection *sawmill_connection_find(const char *name,
						   enum sawmill_role role)
{
	struct sawmill_connection *connection, *found = NULL;

	mutex_lock(&registry_lock);
	list_for_each_entry(connection, &connections, node)
		if (connection->role == role &&
		    !strcmp(name, connection->name)) {
			found = connection;
			break;
		}
	mutex_unlock(&registry_lock);
	return found;
}

void sawmill_connection_dead(struct sawmill_connection *connection)
{
	void (*event)(struct sawmill_connection *);

	WRITE_ONCE(connection->is_dead, true);
	/* Whoever waits checks is_dead after this event. */
	smp_mb();
	event = READ_ONCE(connection->event);
	if (event)
		event(connection);
}

void sawmill_connection_remove(struct sawmill_connection *connection)
{
	mutex_lock(&registry_lock);
	list_del(&connection->node);
	if (connection->is_attached) {
		WRITE_ONCE(connection->is_attached, false);
		if (connection->service->detach)
			connection->service->detach(connection);
	}
	mutex_unlock(&registry_lock);
}
