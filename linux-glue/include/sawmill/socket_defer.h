/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the scheduler calls when a task is about to block: sends the signal
 * that the socket client has deferred on this CPU, if any.
 */
#ifndef _SAWMILL_SOCKET_DEFER_H
#define _SAWMILL_SOCKET_DEFER_H

#ifdef CONFIG_SAWMILL_SOCKET_CLIENT
#include <linux/percpu.h>

struct sawmill_client;
DECLARE_PER_CPU(struct sawmill_client *, sawmill_socket_deferred);
void __sawmill_socket_flush(void);

static inline void sawmill_socket_flush(void)
{
	if (unlikely(this_cpu_read(sawmill_socket_deferred)))
		__sawmill_socket_flush();
}
#else
static inline void sawmill_socket_flush(void)
{
}
#endif

#endif /* _SAWMILL_SOCKET_DEFER_H */
