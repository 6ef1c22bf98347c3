/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The socket service: what client and server agree on.
 *
 * Control operations are calls of six words:
 *   in[0]  = operation | slot << 16 | sequence << 32
 *   in[1..5] as each operation says
 *   out[0] = result, a negative errno or a value; out[1], out[2] further ones
 * A socket is a slot: a number that the client chooses. Addresses, option
 * values and the like pass through the scratch area of the slot's page.
 *
 * Everything shared lies in the connection's control area, of which the
 * client gives out the memory: page 0 is struct sawmill_socket_area, and each
 * slot has a page (struct sawmill_socket_page) and two rings. Offsets and
 * sizes are told once, in the call that makes the slot.
 *
 * Rings: indices run freely modulo 2^32, sizes are powers of two. A stream's
 * rings hold plain bytes, all others hold records, each a struct
 * sawmill_socket_record followed by name, data and control data.
 *
 * Signals: whoever writes something the other side waits for sets the slot's
 * bit in a mailbox, and signals only if the mailbox's owner has said that it
 * sleeps. A client about to sleep calls SERVE instead: the server runs at
 * once, and while it is in a call the client needs no signal, for it looks
 * afterwards. Both sides are hostile to each other: read once, validate, use.
 *
 * The Rust mirror is servers/proto/src/socket.rs.
 */
#ifndef _SAWMILL_SOCKET_H
#define _SAWMILL_SOCKET_H

#include <linux/build_bug.h>
#include <linux/sockios.h>
#include <linux/types.h>

#define SAWMILL_SOCKET_VERSION		3
#define SAWMILL_SOCKET_SLOTS		4096
#define SAWMILL_SOCKET_SCRATCH		3072
#define SAWMILL_SOCKET_NAME_MAX		128
#define SAWMILL_SOCKET_CONTROL_MAX	1024
#define SAWMILL_SOCKET_RING_MIN		4096
#define SAWMILL_SOCKET_RING_MAX		(1024 * 1024)

enum sawmill_socket_operation {
	/* in[1] = version; slot 0 with page in[2]; out[1] = rights */
	SAWMILL_SOCKET_HELLO = 1,
	/*
	 * in[1] = family | type << 16 | protocol << 32 | PLAIN << 40,
	 * in[2] = page offset, in[3] = transmit ring offset | size << 32,
	 * in[4] = receive ring, in[5] = user. PLAIN: made by a program without
	 * privilege, which may not configure the network even if the client may.
	 */
	SAWMILL_SOCKET_CREATE,
	/* in[1] = length of the address in scratch */
	SAWMILL_SOCKET_BIND,
	SAWMILL_SOCKET_CONNECT,
	/* in[1] = backlog */
	SAWMILL_SOCKET_LISTEN,
	/* in[1] = new slot, in[2..5] as CREATE; never waits */
	SAWMILL_SOCKET_ACCEPT,
	/* in[1] = how */
	SAWMILL_SOCKET_SHUTDOWN,
	/* in[1] = 0 own, 1 peer; out[1] = length, address in scratch */
	SAWMILL_SOCKET_GETNAME,
	/*
	 * in[1] = level | name << 32, in[2] = length, value in scratch;
	 * in[3] = 0 or WITHOUT_RAW
	 */
	SAWMILL_SOCKET_SETSOCKOPT,
	/* the same but for in[3]; out[1] = length */
	SAWMILL_SOCKET_GETSOCKOPT,
	/*
	 * in[1] = command, argument in scratch; out[1] = length of the answer;
	 * questions about devices at slot 0, too
	 */
	SAWMILL_SOCKET_IOCTL,
	/* sends what is in the transmit ring; result of the last record */
	SAWMILL_SOCKET_FLUSH,
	/* in[1] = flags, in[2] = length; data in scratch */
	SAWMILL_SOCKET_SEND_URGENT,
	/* in[1] = flags; a record without its padding in scratch */
	SAWMILL_SOCKET_RECEIVE_SPECIAL,
	SAWMILL_SOCKET_CLOSE,
	/*
	 * in[1] = file (enum sawmill_socket_file), in[2] = position,
	 * in[3] = offset of a buffer, in[4] = its size; out[1] = length
	 */
	SAWMILL_SOCKET_READ_FILE,
	/* in[1] = 0 transmit, 1 receive; in[2] = its new ring; must be empty */
	SAWMILL_SOCKET_RESIZE,
	/* slot 0: serves the slots in the mailbox now; no late answer */
	SAWMILL_SOCKET_SERVE,
};

/* Rights of a connection. */
#define SAWMILL_SOCKET_RIGHT_CONFIGURE	1	/* addresses, links, routes */

/* Asked for by a program without CAP_NET_RAW; also in a record's flags. */
#define SAWMILL_SOCKET_WITHOUT_RAW	0x80000000u

/* Slot flags that the server writes, above the TCP state in the low byte. */
#define SAWMILL_SOCKET_STATE_MASK	0xff
#define SAWMILL_SOCKET_END_OF_DATA	0x100	/* receive side has ended */
#define SAWMILL_SOCKET_SEND_CLOSED	0x200	/* transmit side has ended */
#define SAWMILL_SOCKET_ACCEPTABLE	0x400	/* ACCEPT will find something */
#define SAWMILL_SOCKET_URGENT		0x800	/* urgent data is there */
#define SAWMILL_SOCKET_HAS_MARK		0x1000	/* receive_mark is valid */
#define SAWMILL_SOCKET_ERROR_QUEUE	0x2000	/* MSG_ERRQUEUE has something */
#define SAWMILL_SOCKET_TOO_SMALL	0x4000	/* for the next datagram */

/* What a side waits for; set by it, taken by the other. */
#define SAWMILL_SOCKET_WANT_IN		1
#define SAWMILL_SOCKET_WANT_OUT		2

/* Hints of the client. */
#define SAWMILL_SOCKET_HINT_MORE	1	/* more will follow soon */
#define SAWMILL_SOCKET_HINT_CUT		2	/* cut datagrams that do not fit */

/* Options of the client, which the server applies before what comes later. */
#define SAWMILL_SOCKET_OPTION_NODELAY	1	/* TCP_NODELAY */
#define SAWMILL_SOCKET_OPTION_DELAY	2	/* its opposite */

struct sawmill_socket_page {
	/* Client writes. */
	u32 transmit_head __aligned(64);
	u32 receive_tail;
	u32 hints;
	u32 options;
	/* Server writes. */
	u32 transmit_tail __aligned(64);
	u32 receive_head;
	u32 state;
	u32 error;
	u32 error_count;
	u32 receive_mark;
	/* Both, atomically. */
	u32 client_wants __aligned(64);
	u32 server_wants;
	/* Server writes: result of a call that was answered PENDING. */
	u32 completion __aligned(64);	/* its sequence, written last */
	u64 completion_words[6];
	u8 scratch[SAWMILL_SOCKET_SCRATCH] __aligned(1024);
};

static_assert(sizeof(struct sawmill_socket_page) == 4096);

struct sawmill_socket_record {
	u32 length;		/* bytes of data in the ring */
	u32 full_length;	/* bytes that the datagram had */
	u16 name_length;
	u16 control_length;
	u32 flags;		/* MSG_*, WITHOUT_RAW */
};

#define SAWMILL_SOCKET_MAILBOX_WORDS	(SAWMILL_SOCKET_SLOTS / 64)

/* Slots whose pages the owner shall look at. */
struct sawmill_socket_mailbox {
	u64 summary __aligned(64);	/* bit n: words[n] is not empty */
	u32 is_asleep;			/* the owner wants a signal */
	u64 words[SAWMILL_SOCKET_MAILBOX_WORDS] __aligned(64);
};

struct sawmill_socket_area {
	struct sawmill_socket_mailbox to_server;
	struct sawmill_socket_mailbox to_client;
	/* Server writes: 1 when the network's addresses are as they will be. */
	u32 is_settled __aligned(64);
};

static_assert(sizeof(struct sawmill_socket_area) <= 4096);

/* What an ioctl asks of the server, which devices and addresses belong to. */
enum sawmill_device_request {
	SAWMILL_REQUEST_OTHER,
	SAWMILL_REQUEST_DEVICE,		/* needs no socket */
	SAWMILL_REQUEST_ADDRESS,	/* about an IPv4 address */
	SAWMILL_REQUEST_SET_DEVICE,
	SAWMILL_REQUEST_SET_ADDRESS,
};

static inline enum sawmill_device_request
sawmill_device_request_of(unsigned int command)
{
	switch (command) {
	case SIOCGIFNAME:
	case SIOCGIFINDEX:
	case SIOCGIFFLAGS:
	case SIOCGIFMETRIC:
	case SIOCGIFMTU:
	case SIOCGIFHWADDR:
	case SIOCGIFTXQLEN:
	case SIOCGIFMAP:
		return SAWMILL_REQUEST_DEVICE;
	case SIOCGIFADDR:
	case SIOCGIFBRDADDR:
	case SIOCGIFNETMASK:
	case SIOCGIFDSTADDR:
		return SAWMILL_REQUEST_ADDRESS;
	case SIOCSIFMTU:
	case SIOCSIFTXQLEN:
		return SAWMILL_REQUEST_SET_DEVICE;
	case SIOCSIFFLAGS:	/* on an alias it removes the address */
	case SIOCSIFADDR:
	case SIOCSIFBRDADDR:
	case SIOCSIFNETMASK:
	case SIOCSIFDSTADDR:
		return SAWMILL_REQUEST_SET_ADDRESS;
	default:
		return SAWMILL_REQUEST_OTHER;
	}
}

/* Files of /proc/net that the server gives. */
enum sawmill_socket_file {
	SAWMILL_SOCKET_FILE_DEV,
	SAWMILL_SOCKET_FILE_TCP,
	SAWMILL_SOCKET_FILE_TCP6,
	SAWMILL_SOCKET_FILE_UDP,
	SAWMILL_SOCKET_FILE_UDP6,
	SAWMILL_SOCKET_FILE_RAW,
	SAWMILL_SOCKET_FILE_RAW6,
	SAWMILL_SOCKET_FILE_ROUTE,
	SAWMILL_SOCKET_FILE_IPV6_ROUTE,
	SAWMILL_SOCKET_FILE_IF_INET6,
	SAWMILL_SOCKET_FILE_ARP,
	SAWMILL_SOCKET_FILE_SNMP,
	SAWMILL_SOCKET_FILE_NETSTAT,
	SAWMILL_SOCKET_FILE_SOCKSTAT,
	SAWMILL_SOCKET_FILE_PNP,	/* name servers */
	SAWMILL_SOCKET_FILE_MEMORY,	/* the server's /proc/meminfo */
	SAWMILL_SOCKET_FILES,
};

#endif /* _SAWMILL_SOCKET_H */
