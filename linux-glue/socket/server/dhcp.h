/* SPDX-License-Identifier: GPL-2.0-only */
/* DHCP: what dhcp.c (the course of things) and dhcp_message.c share. */
#ifndef _SAWMILL_DHCP_H
#define _SAWMILL_DHCP_H

#include <linux/net.h>
#include <linux/netdevice.h>

#define DHCP_CLIENT_PORT	68
#define DHCP_DNS_MAX		3

enum dhcp_message {
	DHCP_DISCOVER = 1, DHCP_OFFER, DHCP_REQUEST, DHCP_DECLINE, DHCP_ACK,
	DHCP_NAK,
};

struct dhcp_lease {
	__be32 address, netmask, router, server;
	__be32 dns[DHCP_DNS_MAX];
	char domain[64];
	u32 seconds;
};

/* Where messages go out and come in. */
struct dhcp_channel {
	struct net_device *device;
	struct socket *socket;
};

/* @lease may be NULL for DISCOVER. */
void dhcp_send(struct dhcp_channel *channel, enum dhcp_message type,
	       __be32 transaction, const struct dhcp_lease *lease,
	       __be32 destination);
/*
 * Waits for an answer: its type, or 0 when the time is over or the link went
 * down. Of an OFFER or ACK *@lease is complete and checked.
 */
enum dhcp_message dhcp_receive(struct dhcp_channel *channel,
			       __be32 transaction, struct dhcp_lease *lease,
			       unsigned long timeout);

#endif /* _SAWMILL_DHCP_H */
