// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that is not the partition's own: pools and control regions.
 *
 * The pool of a client's connection is put into the memory map here; that it
 * is a node of its own, and who may allocate from it, is decided in
 * linux-glue/fbuf/pool_node.c.
 */
#include <linux/init.h>
#include <linux/memblock.h>
#include <asm/e820/api.h>
#include <asm/x86_init.h>
#include <sawmill/pool.h>

#include "platform.h"

/* Shared regions are ordinary memory: cached, though no MTRR says so. */
static bool memory_is_untracked(u64 start, u64 end)
{
	const struct hv_connection *connection = sawmill_info->connections;
	unsigned int i;

	if (is_ISA_range(start, end))
		return true;
	for (i = 0; i < sawmill_info->connection_count; i++, connection++) {
		if (start >= connection->control_gpa &&
		    end <= connection->control_gpa + connection->control_bytes)
			return true;
		if (start >= connection->pool_gpa &&
		    end <= connection->pool_gpa + connection->pool_bytes)
			return true;
	}
	return false;
}

#ifdef CONFIG_SAWMILL_POOL

/* One pool: the first client connection that has one. */
static void __init memory_add_pool(void)
{
	const struct hv_connection *connection = sawmill_info->connections;
	unsigned int i;

	for (i = 0; i < sawmill_info->connection_count; i++, connection++) {
		if (connection->role != HV_CONNECTION_ROLE_CLIENT ||
		    !connection->pool_bytes)
			continue;
		e820__range_add(connection->pool_gpa, connection->pool_bytes,
				E820_TYPE_RAM);
		e820__update_table(e820_table);
		sawmill_pool_set(connection->pool_gpa, connection->pool_bytes);
		/* Linux's hash tables need not be spread over both nodes. */
		hashdist = 0;
		return;
	}
}

#else

static void __init memory_add_pool(void) { }

#endif

void __init sawmill_memory_init(void)
{
	x86_platform.is_untracked_pat_range = memory_is_untracked;
	memory_add_pool();
}
