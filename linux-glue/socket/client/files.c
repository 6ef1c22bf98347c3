// SPDX-License-Identifier: GPL-2.0-only
/*
 * Socket client: the files of /proc/net that describe the server's network.
 *
 * A read fetches the whole file with one call, through pages of the area.
 */
#include <linux/init.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <net/net_namespace.h>
#include "client.h"

#define FILE_PAGES	32
/* Larger than any of them with all sockets. */
#define FILE_MAX	(4 * 1024 * 1024)

static const char *const names[SAWMILL_SOCKET_FILES] = {
	[SAWMILL_SOCKET_FILE_DEV] = "dev",
	[SAWMILL_SOCKET_FILE_TCP] = "tcp",
	[SAWMILL_SOCKET_FILE_TCP6] = "tcp6",
	[SAWMILL_SOCKET_FILE_UDP] = "udp",
	[SAWMILL_SOCKET_FILE_UDP6] = "udp6",
	[SAWMILL_SOCKET_FILE_RAW] = "raw",
	[SAWMILL_SOCKET_FILE_RAW6] = "raw6",
	[SAWMILL_SOCKET_FILE_ROUTE] = "route",
	[SAWMILL_SOCKET_FILE_IPV6_ROUTE] = "ipv6_route",
	[SAWMILL_SOCKET_FILE_IF_INET6] = "if_inet6",
	[SAWMILL_SOCKET_FILE_ARP] = "arp",
	[SAWMILL_SOCKET_FILE_SNMP] = "snmp",
	[SAWMILL_SOCKET_FILE_NETSTAT] = "netstat",
	[SAWMILL_SOCKET_FILE_SOCKSTAT] = "sockstat",
	[SAWMILL_SOCKET_FILE_PNP] = "pnp",
	[SAWMILL_SOCKET_FILE_MEMORY] = "server_meminfo",
};

/* Reads one piece at @position into the area; its length. */
static s64 fetch(struct sawmill_client *client, u32 number, u64 position,
		 u32 first_page)
{
	u64 in[SAWMILL_CALL_WORDS] = { 0, number, position,
				       (u64)first_page << PAGE_SHIFT,
				       FILE_PAGES << PAGE_SHIFT };
	u64 out[SAWMILL_CALL_WORDS];
	s64 result;

	mutex_lock(&client->own.call_lock);
	result = sawmill_slot_call(&client->own, SAWMILL_SOCKET_READ_FILE, in,
				   out);
	mutex_unlock(&client->own.call_lock);
	return result ?: min_t(u64, out[1], FILE_PAGES << PAGE_SHIFT);
}

static int show(struct seq_file *file, void *unused)
{
	struct sawmill_client *client = sawmill_client_get();
	u32 number = (uintptr_t)file->private;
	u64 position = 0;
	s64 length;
	int first;

	if (!client)
		return -ENETDOWN;
	sawmill_client_wait_settled(client);
	first = sawmill_area_take_pages(client, FILE_PAGES);
	if (first < 0)
		return first;
	do {
		length = fetch(client, number, position, first);
		if (length <= 0)
			break;
		seq_write(file, (u8 *)client->area +
				((size_t)first << PAGE_SHIFT), length);
		position += length;
	} while (!seq_has_overflowed(file) && position < FILE_MAX);
	sawmill_area_give_pages(client, first, FILE_PAGES);
	return length < 0 ? length : 0;
}

static int __init net_files_init(void)
{
	uintptr_t number;

	/* With TCP/IP in this kernel its own files stay. */
	if (IS_ENABLED(CONFIG_INET) || !init_net.proc_net ||
	    !sawmill_client_is_wanted())
		return 0;
	for (number = 0; number < SAWMILL_SOCKET_FILES; number++) {
		/* Most are not there. */
		remove_proc_subtree(names[number], init_net.proc_net);
		proc_create_single_data(names[number], 0444, init_net.proc_net,
					show, (void *)number);
	}
	return 0;
}
late_initcall(net_files_init);
