/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of linux-glue/ipc share. */
#ifndef _SAWMILL_IPC_H
#define _SAWMILL_IPC_H

#include <sawmill/carrier.h>
#include <sawmill/platform.h>
#include <sawmill/vmcall.h>

/* Requests to root, over the connection of this name (servers/proto/root.rs). */
#define ROOT_SERVICE		"root"
#define ROOT_REPORT_READY	1
#define ROOT_RECONNECT		5
#define ROOT_LET_GO		8

struct sawmill_connection *sawmill_connection_by_badge(u64 badge);

/* Answers a call; see struct sawmill_carrier. */
bool sawmill_server_reply(struct sawmill_call *call,
			  const u64 words[SAWMILL_CALL_WORDS]);

/* Tells root that this partition serves. */
void sawmill_report_ready(void);

void sawmill_add_connections(enum sawmill_role role);

#endif
