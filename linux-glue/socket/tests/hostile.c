// SPDX-License-Identifier: GPL-2.0-only
/*
 * A hostile client: random calls, and shared memory that changes at random.
 *
 * sawmill.socket_hostile=N makes N calls through the connection of the client
 * in this kernel, on slots and memory that it keeps apart. The server must
 * survive, and must have no socket of ours when all slots are closed.
 *
 * sawmill.socket_endless=1 announces a ring full of datagrams on one CPU while
 * another one goes on filling it: the server must take what was announced.
 */
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/moduleparam.h>
#include <linux/prandom.h>
#include <linux/delay.h>
#include <linux/in.h>
#include <linux/slab.h>
#include "../client/client.h"

#define FIRST_SLOT	4000
#define SLOTS		32
#define PAGES		96

#define ENDLESS_SLOT	(FIRST_SLOT - 1)
#define ENDLESS_MS	200

static bool is_endless;
static unsigned int calls;
static unsigned int seed = 1;
#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "sawmill."
module_param_named(socket_hostile, calls, uint, 0444);
module_param_named(socket_hostile_seed, seed, uint, 0444);
module_param_named(socket_endless, is_endless, bool, 0444);

static struct rnd_state state;

static u32 below(u32 limit)
{
	return prandom_u32_state(&state) % limit;
}

static u64 random_word(void)
{
	static const u64 odd[] = { 0, 1, 2, 6, 17, 4096, 1 << 16, ~0ULL,
				   1ULL << 63, 0x7fffffff, 0x80000000, 3072 };

	switch (below(4)) {
	case 0:
		return odd[below(ARRAY_SIZE(odd))];
	case 1:
		return below(64);
	case 2:
		return prandom_u32_state(&state);
	default:
		return (u64)prandom_u32_state(&state) << 32 | below(256);
	}
}

static u64 ring(u32 first_page)
{
	u32 page = first_page + SLOTS + below(PAGES - SLOTS);

	return (u64)page << PAGE_SHIFT |
	       (u64)(PAGE_SIZE << below(3)) << 32;
}

/* Mostly meaningful, so that the call comes further than the first check. */
static void fill_call(u64 in[SAWMILL_CALL_WORDS], u32 first_page, u32 slot,
		      u32 operation)
{
	static const u16 families[] = { PF_INET, PF_INET6, PF_NETLINK };
	static const u32 levels[] = { 0, 1, 6, 17, 41, 58, 255, 270 };
	u32 word;

	for (word = 1; word < SAWMILL_CALL_WORDS; word++)
		in[word] = random_word();
	if (below(8) == 0)
		return;
	switch (operation) {
	case SAWMILL_SOCKET_CREATE:
		in[1] = families[below(3)] | (u64)(1 + below(3)) << 16 |
			(u64)(below(4) ? 0 : below(256)) << 32;
		break;
	case SAWMILL_SOCKET_ACCEPT:
		in[1] = FIRST_SLOT + below(SLOTS);
		slot = in[1];
		break;
	case SAWMILL_SOCKET_BIND:
	case SAWMILL_SOCKET_CONNECT:
		in[1] = below(130);
		return;
	case SAWMILL_SOCKET_SETSOCKOPT:
	case SAWMILL_SOCKET_GETSOCKOPT:
		in[1] = levels[below(ARRAY_SIZE(levels))] |
			(u64)below(80) << 32;
		in[2] = below(64);
		return;
	case SAWMILL_SOCKET_RESIZE:
		in[1] = below(2);
		in[2] = ring(first_page);
		return;
	case SAWMILL_SOCKET_IOCTL:
		in[1] = 0x8900 + below(256);
		return;
	default:
		return;
	}
	in[2] = (u64)(first_page + slot - FIRST_SLOT) << PAGE_SHIFT;
	in[3] = ring(first_page);
	in[4] = ring(first_page);
}

/* Writes nonsense, and now and then a plausible record or address. */
static void scribble(struct sawmill_client *client, u32 first_page, u32 slot)
{
	u8 *base = (u8 *)client->area + ((size_t)first_page << PAGE_SHIFT);
	struct sawmill_socket_page *page = (void *)(base + (slot - FIRST_SLOT) *
						    PAGE_SIZE);
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(1 + below(40)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	u32 count = below(32);

	while (count--)
		*(u32 *)(base + below(PAGES * PAGE_SIZE / 4) * 4) =
			random_word();
	page->transmit_head = below(2) ? below(9000) : random_word();
	page->receive_tail = below(2) ? page->receive_head : random_word();
	page->hints = below(4);
	if (below(2))
		memcpy(page->scratch, &address, sizeof(address));
	sawmill_mailbox_post(&client->area->to_server,
			     below(4) ? slot : below(SAWMILL_SOCKET_SLOTS));
	if (below(16) == 0)
		sawmill_connection_signal(client->connection);
}

static void one_call(struct sawmill_client *client, u32 first_page,
		     u32 operation, u32 slot)
{
	u64 in[SAWMILL_CALL_WORDS], out[SAWMILL_CALL_WORDS];

	fill_call(in, first_page, slot, operation);
	in[0] = operation | (u64)slot << 16 | (u64)prandom_u32_state(&state) << 32;
	sawmill_connection_call(client->connection, in, out);
}

static int run(void *unused)
{
	struct sawmill_client *client = sawmill_client_get();
	unsigned int count;
	u32 slot, operation;
	int first;

	if (!client)
		return -ENETDOWN;
	first = sawmill_area_take_pages(client, PAGES);
	if (first < 0)
		return first;
	prandom_seed_state(&state, seed);
	for (count = 0; count < calls; count++) {
		slot = FIRST_SLOT + below(SLOTS);
		scribble(client, first, slot);
		operation = 2 + below(SAWMILL_SOCKET_SERVE - 1);
		/* HELLO would move the client's own page; files go anywhere. */
		if (operation == SAWMILL_SOCKET_READ_FILE)
			continue;
		one_call(client, first, operation,
			 below(64) ? slot : below(0x10000) | FIRST_SLOT);
		cond_resched();
	}
	for (slot = FIRST_SLOT; slot < FIRST_SLOT + SLOTS; slot++)
		one_call(client, first, SAWMILL_SOCKET_CLOSE, slot);
	sawmill_area_give_pages(client, first, PAGES);
	pr_info("sawmill: hostile client has made %u calls\n", calls);
	return 0;
}

static int fill_on(void *context)
{
	struct sawmill_socket_page *page = context;

	while (!kthread_should_stop()) {
		WRITE_ONCE(page->transmit_head,
			   READ_ONCE(page->transmit_tail) + PAGE_SIZE);
		cond_resched();
	}
	return 0;
}

static int announce_once(void *unused)
{
	struct sawmill_client *client = sawmill_client_get();
	u64 in[SAWMILL_CALL_WORDS] = {}, out[SAWMILL_CALL_WORDS];
	struct sawmill_socket_page *page;
	struct task_struct *filler;
	int first;

	if (!client)
		return -ENETDOWN;
	first = sawmill_area_take_pages(client, 3);
	if (first < 0)
		return first;
	page = (void *)client->area + ((size_t)first << PAGE_SHIFT);
	/* Records of nothing, to nowhere. */
	memset(page, 0, 3 * PAGE_SIZE);
	filler = kthread_create(fill_on, page, "sawmill-filler");
	if (IS_ERR(filler))
		return PTR_ERR(filler);
	in[0] = SAWMILL_SOCKET_CREATE | ENDLESS_SLOT << 16 | 1ULL << 32;
	in[1] = PF_INET | SOCK_DGRAM << 16;
	in[2] = (u64)first << PAGE_SHIFT;
	in[3] = (in[2] + PAGE_SIZE) | (u64)PAGE_SIZE << 32;
	in[4] = (in[2] + 2 * PAGE_SIZE) | (u64)PAGE_SIZE << 32;
	sawmill_connection_call(client->connection, in, out);
	kthread_bind(filler, 1);
	wake_up_process(filler);
	msleep(ENDLESS_MS);
	in[0] = SAWMILL_SOCKET_FLUSH | ENDLESS_SLOT << 16 | 2ULL << 32;
	sawmill_connection_call(client->connection, in, out);
	msleep(ENDLESS_MS);
	kthread_stop(filler);
	pr_info("sawmill: of one announcement the server took %u bytes\n",
		READ_ONCE(page->transmit_tail));
	in[0] = SAWMILL_SOCKET_CLOSE | ENDLESS_SLOT << 16 | 3ULL << 32;
	sawmill_connection_call(client->connection, in, out);
	sawmill_area_give_pages(client, first, 3);
	return 0;
}

static int __init hostile_init(void)
{
	struct task_struct *announcer;

	if (is_endless && num_online_cpus() > 1) {
		announcer = kthread_create(announce_once, NULL,
					   "sawmill-announcer");
		if (!IS_ERR(announcer)) {
			kthread_bind(announcer, 0);
			wake_up_process(announcer);
		}
	}
	if (calls)
		kthread_run(run, NULL, "sawmill-hostile");
	return 0;
}
late_initcall_sync(hostile_init);
