/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The client's pool: RAM of a node of its own, for page cache of served files.
 *
 * Included by two places of mm/ (see vendor-linux-patches/), so it costs
 * nothing where CONFIG_SAWMILL_POOL is off.
 */
#ifndef _SAWMILL_POOL_H
#define _SAWMILL_POOL_H

#include <linux/gfp.h>

/*
 * Private to a mapping's gfp mask: allocate from the pool. Lies above every
 * bit that the page allocator knows and never reaches it.
 */
#define SAWMILL_GFP_POOL	((__force gfp_t)0x40000000u)

#ifdef CONFIG_SAWMILL_POOL

#define SAWMILL_POOL_NODE	1

extern bool sawmill_pool_exists;

/* Names the pool's RAM; before the memory map is divided into nodes. */
void sawmill_pool_set(phys_addr_t base, phys_addr_t size);
/* A numa_init() function: node 0 and the pool; fails if there is no pool. */
int sawmill_pool_numa_init(void);
struct folio *sawmill_pool_alloc(gfp_t gfp, unsigned int order);

static inline bool sawmill_pool_wanted(gfp_t gfp)
{
	return gfp & SAWMILL_GFP_POOL;
}

static inline bool sawmill_pool_is_node(int node)
{
	return sawmill_pool_exists && node == SAWMILL_POOL_NODE;
}

#else

static inline bool sawmill_pool_wanted(gfp_t gfp)
{
	return false;
}

static inline struct folio *sawmill_pool_alloc(gfp_t gfp, unsigned int order)
{
	return NULL;
}

static inline bool sawmill_pool_is_node(int node)
{
	return false;
}

#endif
#endif /* _SAWMILL_POOL_H */
