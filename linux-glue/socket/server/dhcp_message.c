// SPDX-License-Identifier: GPL-2.0-only
/*
 * DHCP: messages (RFC 2131, RFC 2132).
 *
 * What arrives is from the wire: every option is checked before it is used.
 */
#include <linux/ctype.h>
#include <linux/etherdevice.h>
#include <linux/in.h>
#include <linux/inetdevice.h>
#include <net/sock.h>
#include "dhcp.h"

#define SERVER_PORT	67
#define MAGIC		0x63825363
#define BROADCAST	0x8000
#define LEASE_MIN_S	60
#define LEASE_MAX_S	(7 * 24 * 3600)

enum option {
	PAD = 0, NETMASK = 1, ROUTER = 3, DNS = 6, DOMAIN = 15,
	WANTED_ADDRESS = 50, LEASE = 51, TYPE = 53, SERVER = 54, WISHES = 55,
	CLIENT_ID = 61, END = 255,
};

struct packet {
	u8 operation, hardware, hardware_length, hops;
	__be32 transaction;
	__be16 seconds, flags;
	__be32 client, yours, next_server, relay;
	u8 hardware_address[16];
	u8 names[192];
	__be32 magic;
	u8 options[312];
} __packed;

static u8 *add(u8 *to, enum option option, const void *value, u8 length)
{
	*to++ = option;
	*to++ = length;
	memcpy(to, value, length);
	return to + length;
}

void dhcp_send(struct dhcp_channel *channel, enum dhcp_message type,
	       __be32 transaction, const struct dhcp_lease *lease,
	       __be32 destination)
{
	static const u8 wishes[] = { NETMASK, ROUTER, DNS, DOMAIN, LEASE };
	struct packet packet = {
		.operation = 1,
		.hardware = 1,
		.hardware_length = ETH_ALEN,
		.transaction = transaction,
		.flags = htons(BROADCAST),
		.magic = htonl(MAGIC),
	};
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(SERVER_PORT),
		.sin_addr.s_addr = destination,
	};
	struct msghdr message = {
		.msg_name = &to,
		.msg_namelen = sizeof(to),
		.msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL,
	};
	struct kvec piece = { &packet, sizeof(packet) };
	u8 kind = type, id[1 + ETH_ALEN] = { 1 }, *end = packet.options;

	memcpy(packet.hardware_address, channel->device->dev_addr, ETH_ALEN);
	memcpy(id + 1, channel->device->dev_addr, ETH_ALEN);
	end = add(end, TYPE, &kind, 1);
	end = add(end, CLIENT_ID, id, sizeof(id));
	end = add(end, WISHES, wishes, sizeof(wishes));
	if (destination != htonl(INADDR_BROADCAST)) {
		packet.client = lease->address;
		packet.flags = 0;
	} else if (type == DHCP_REQUEST) {
		end = add(end, WANTED_ADDRESS, &lease->address, 4);
		end = add(end, SERVER, &lease->server, 4);
	}
	*end = END;
	/* What gets lost is sent again. */
	kernel_sendmsg(channel->socket, &message, &piece, 1, sizeof(packet));
}

static void read_option(struct dhcp_lease *lease, u8 option, const u8 *value,
			u8 length)
{
	__be32 word = 0;
	unsigned int i;

	if (length >= 4)
		memcpy(&word, value, 4);
	switch (option) {
	case NETMASK:
		lease->netmask = word;
		break;
	case ROUTER:
		lease->router = word;
		break;
	case SERVER:
		lease->server = word;
		break;
	case LEASE:
		lease->seconds = ntohl(word);
		break;
	case DNS:
		for (i = 0; i < DHCP_DNS_MAX && 4 * i + 4 <= length; i++)
			memcpy(&lease->dns[i], value + 4 * i, 4);
		break;
	case DOMAIN:
		if (length >= sizeof(lease->domain))
			break;
		/* It becomes a line of a file. */
		for (i = 0; i < length; i++)
			if (!isalnum(value[i]) && !strchr("-._", value[i]))
				return;
		memcpy(lease->domain, value, length);
		lease->domain[length] = 0;
		break;
	}
}

/* The message's type, or 0 if it is none for us. */
static enum dhcp_message read_packet(const struct net_device *device,
				     const struct packet *packet, int size,
				     __be32 transaction,
				     struct dhcp_lease *lease)
{
	int length = size - (int)offsetof(struct packet, options);
	enum dhcp_message type = 0;
	int at = 0;

	if (length <= 0 || packet->operation != 2 ||
	    packet->transaction != transaction ||
	    packet->magic != htonl(MAGIC) ||
	    memcmp(packet->hardware_address, device->dev_addr, ETH_ALEN))
		return 0;
	memset(lease, 0, sizeof(*lease));
	lease->address = packet->yours;
	while (at < length && packet->options[at] != END) {
		if (packet->options[at] == PAD) {
			at++;
			continue;
		}
		if (at + 2 > length || at + 2 + packet->options[at + 1] > length)
			return 0;
		if (packet->options[at] == TYPE && packet->options[at + 1] == 1)
			type = packet->options[at + 2];
		read_option(lease, packet->options[at], &packet->options[at + 2],
			    packet->options[at + 1]);
		at += 2 + packet->options[at + 1];
	}
	if (ipv4_is_zeronet(lease->address) || ipv4_is_loopback(lease->address) ||
	    ipv4_is_multicast(lease->address) || ipv4_is_lbcast(lease->address))
		return type == DHCP_NAK ? DHCP_NAK : 0;
	if (!lease->netmask || bad_mask(lease->netmask, 0))
		lease->netmask = inet_make_mask(24);
	lease->seconds = clamp_t(u32, lease->seconds, LEASE_MIN_S, LEASE_MAX_S);
	return type;
}

enum dhcp_message dhcp_receive(struct dhcp_channel *channel,
			       __be32 transaction, struct dhcp_lease *lease,
			       unsigned long timeout)
{
	unsigned long end = jiffies + timeout;
	enum dhcp_message type;

	while (time_before(jiffies, end) && netif_carrier_ok(channel->device)) {
		struct packet packet;
		struct kvec piece = { &packet, sizeof(packet) };
		struct msghdr message = {};
		int size;

		channel->socket->sk->sk_rcvtimeo = min_t(long, end - jiffies + 1, HZ);
		size = kernel_recvmsg(channel->socket, &message, &piece, 1,
				      sizeof(packet), 0);
		if (size < 0 && size != -EAGAIN)
			schedule_timeout_uninterruptible(HZ / 10);
		if (size <= 0)
			continue;
		type = read_packet(channel->device, &packet, size,
				   transaction, lease);
		if (type)
			return type;
	}
	return 0;
}
