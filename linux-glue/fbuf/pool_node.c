// SPDX-License-Identifier: GPL-2.0-only
/*
 * The client's end of a pool: RAM that is memory node 1.
 *
 * Linux's own allocator and reclaim manage it (free lists, watermarks, LRU,
 * kswapd), but no zonelist other than the node's own contains it, so only an
 * allocation that names the node and forbids every other gets a page of it.
 *
 * The server can write the pool at any time. So nothing that this kernel
 * relies on may lie in it: the range is reserved before the boot allocator
 * hands out anything (node data, struct pages), and given to the page
 * allocator when that has taken over.
 */
#include <linux/init.h>
#include <linux/memblock.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/pagemap.h>
#include <asm/numa.h>
#include <sawmill/pool.h>

bool sawmill_pool_exists __ro_after_init;
static phys_addr_t pool_base __initdata;
static phys_addr_t pool_size __initdata;

void __init sawmill_pool_set(phys_addr_t base, phys_addr_t size)
{
	if (!PAGE_ALIGNED(base | size) || base + size <= base ||
	    memblock_is_region_reserved(base, size) ||
	    memblock_reserve(base, size)) {
		pr_err("sawmill: pool: %pa bytes at %pa are not free\n",
		       &size, &base);
		return;
	}
	pool_base = base;
	pool_size = size;
}

/* sawmill.pool=SIZE@ADDRESS */
static int __init parse_pool(char *text)
{
	phys_addr_t size = memparse(text, &text);

	if (*text != '@' || !size) {
		pr_err("sawmill: pool: want SIZE@ADDRESS\n");
		return -EINVAL;
	}
	sawmill_pool_set(memparse(text + 1, &text), size);
	return 0;
}
early_param("sawmill.pool", parse_pool);

int __init sawmill_pool_numa_init(void)
{
	phys_addr_t pool_end = pool_base + pool_size;
	phys_addr_t end = PFN_PHYS(max_pfn);

	if (!pool_size)
		return -ENOENT;
	if (pool_end > end || !memblock_is_region_memory(pool_base, pool_size)) {
		pr_err("sawmill: pool: [%pa, %pa) is not RAM\n", &pool_base,
		       &pool_end);
		memblock_phys_free(pool_base, pool_size);
		return -EINVAL;
	}
	node_set(0, numa_nodes_parsed);
	node_set(SAWMILL_POOL_NODE, numa_nodes_parsed);
	numa_add_memblk(0, 0, pool_base);
	numa_add_memblk(SAWMILL_POOL_NODE, pool_base, pool_end);
	if (pool_end < end)
		numa_add_memblk(0, pool_end, end);
	sawmill_pool_exists = true;
	pr_info("sawmill: pool: [%pa, %pa) is node %d\n", &pool_base,
		&pool_end, SAWMILL_POOL_NODE);
	return 0;
}

/* Before the watermarks are computed (postcore). */
static int __init release_pool(void)
{
	if (sawmill_pool_exists)
		memblock_free_late(pool_base, pool_size);
	return 0;
}
core_initcall(release_pool);

/*
 * A page of the pool; if reclaim cannot free one (all of it locked in memory
 * or dirty on a dead server), an ordinary page: the transport copies for such
 * a page. Failing instead would not end well: __GFP_THISNODE bars the OOM
 * killer, and a page fault retries an allocation failure for ever.
 */
struct folio *sawmill_pool_alloc(gfp_t gfp, unsigned int order)
{
	struct folio *folio = NULL;

	gfp &= ~SAWMILL_GFP_POOL;
	if (sawmill_pool_exists)
		folio = __folio_alloc_node(gfp | __GFP_THISNODE | __GFP_NOWARN,
					   order, SAWMILL_POOL_NODE);
	if (!folio && !(gfp & __GFP_NORETRY))
		folio = folio_alloc(gfp, order);
	return folio;
}
