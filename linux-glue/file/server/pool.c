// SPDX-License-Identifier: GPL-2.0-only
/*
 * The server's view of a client's pool: struct pages for memory of another.
 *
 * The disk driver needs struct pages. Where the pool is not RAM of this
 * kernel (any server partition) they come from memremap_pages(); in the
 * loopback they are there already.
 */
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include "server.h"

#ifdef CONFIG_ZONE_DEVICE
static int map_pages(struct server_client *client, phys_addr_t base,
		     size_t size)
{
	struct dev_pagemap *map = kzalloc(sizeof(*map), GFP_KERNEL);
	void *address;

	if (!map)
		return -ENOMEM;
	map->type = MEMORY_DEVICE_GENERIC;
	map->range.start = base;
	map->range.end = base + size - 1;
	map->nr_range = 1;
	address = memremap_pages(map, NUMA_NO_NODE);
	if (IS_ERR(address)) {
		kfree(map);
		return PTR_ERR(address);
	}
	client->pool_map = map;
	return 0;
}

static void unmap_pages(struct server_client *client)
{
	memunmap_pages(client->pool_map);
	kfree(client->pool_map);
	client->pool_map = NULL;
}
#else
static int map_pages(struct server_client *client, phys_addr_t base,
		     size_t size)
{
	return -EOPNOTSUPP;
}

static void unmap_pages(struct server_client *client)
{
}
#endif

int pool_attach(struct server_client *client)
{
	const struct sawmill_connection *connection = client->connection;
	unsigned long first = PHYS_PFN(connection->pool_base);
	int error;

	if (!connection->pool_size)
		return 0;
	if (!page_is_ram(first)) {
		error = map_pages(client, connection->pool_base,
				  connection->pool_size);
		if (error)
			return error;
	}
	client->pool = pfn_to_page(first);
	client->pool_page_count = PHYS_PFN(connection->pool_size);
	return 0;
}

void pool_detach(struct server_client *client)
{
	if (client->pool_map)
		unmap_pages(client);
	client->pool = NULL;
	client->pool_page_count = 0;
}
