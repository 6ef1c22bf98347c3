/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The file service on the wire: FUSE messages in a control area.
 *
 * Mirrored by servers/proto/src/file.rs, whose test checks the offsets.
 *
 * Control area (size: SAWMILL_FILE_CONTROL_MIN or more):
 *
 *   page 0       struct sawmill_file_header: completion ring
 *   slots        SAWMILL_FILE_SLOTS x SAWMILL_FILE_SLOT_SIZE
 *   bounce       all further pages: data that is not in the pool
 *
 * A request is one call. Its words (numbers are little-endian halves):
 *
 *   0  slot | flags << 32 | opcode << 48    the opcode is for traces only
 *   1  in_size | out_size << 32        inline bytes there and back
 *   2  segment_count | data_size << 32 data by reference
 *   3  node id, or 0, and
 *   4  its lookups: a forget that goes along and is done first
 *
 * The slot holds struct fuse_in_header and the inline arguments, room for the
 * inline results (no fuse_out_header), and the list of segments. Data goes one
 * way per request. The words of the answer, or a completion-ring entry if the
 * answer is late, carry the error (0 or -errno), the inline bytes and the
 * data bytes that came back; nothing that the client acts on is read twice.
 */
#ifndef _SAWMILL_FILE_H
#define _SAWMILL_FILE_H

#include <linux/types.h>

#define SAWMILL_FILE_VERSION		3
#define SAWMILL_FILE_SLOTS		64
#define SAWMILL_FILE_SLOT_SIZE		8192
#define SAWMILL_FILE_INLINE		2048	/* bytes each way */
#define SAWMILL_FILE_SEGMENTS		512
#define SAWMILL_FILE_PAGE		4096
#define SAWMILL_FILE_SLOTS_OFFSET	SAWMILL_FILE_PAGE
#define SAWMILL_FILE_BOUNCE_OFFSET \
	(SAWMILL_FILE_SLOTS_OFFSET + SAWMILL_FILE_SLOTS * SAWMILL_FILE_SLOT_SIZE)
/* With 32 bounce pages: the largest xattr (64 KiB) and then some. */
#define SAWMILL_FILE_CONTROL_MIN \
	(SAWMILL_FILE_BOUNCE_OFFSET + 32 * SAWMILL_FILE_PAGE)
#define SAWMILL_FILE_PAGES_MAX		256	/* data pages of one request */

/*
 * In flags2 of INIT, beyond FUSE's own: the client goes on with what it knows
 * of this file system from a server that died. Its node ids are inode numbers.
 */
#define SAWMILL_FILE_INIT_RESUME	0x80000000u

#define SAWMILL_FILE_FORGET_WORD	3

/*
 * In write_flags of WRITE, beyond FUSE's own: FSYNC (FDATASYNC) of the file
 * once all is written, with its error as the answer.
 */
#define SAWMILL_FILE_WRITE_FSYNC	0x80000000u
#define SAWMILL_FILE_WRITE_DATASYNC	0x40000000u

/*
 * In read_flags of READDIR: no entry crosses a page of the answer, and what a
 * page has left is zero. The listing ends where a longest entry had fitted in.
 */
#define SAWMILL_FILE_LIST_PAGES		0x80000000u

/*
 * In valid of SETATTR: times that the client has kept for the server. Nothing
 * else changes, no time of change either.
 */
#define SAWMILL_FILE_SETATTR_TIMES	0x80000000u

/*
 * The answer of BMAP is a block of the disk (0: a hole) and, in the upper half,
 * how many blocks of the file follow each other there.
 */

/*
 * Several clients of one file system (linux-glue/file/server/lease.c).
 *
 * The header's words tell a client what others have changed, without a call:
 * changes[] has a counter for the inodes of equal SAWMILL_FILE_BUCKET(node id).
 * The server raises it after a change by another client and before that client
 * is answered; what was cached at another value has to be asked for again. File
 * data, size and times of change may be changed in a client's cache by who has
 * asked for the inode's lease; the server asks for it back in recalls[].
 */
#define SAWMILL_FILE_CHANGES		256
#define SAWMILL_FILE_RECALLS		32
#define SAWMILL_FILE_BUCKET(id)		((id) % SAWMILL_FILE_CHANGES)

/*
 * The one opcode beyond FUSE's: fuse_in_header, sawmill_file_lease_in;
 * the answer of ASK and TAKE is a fuse_attr_out: attr.flags is the version of
 * the file's data as the client may have cached it, shifted by
 * SAWMILL_FILE_VERSION_SHIFT (0: not known), and dummy the version from now on.
 */
#define SAWMILL_FILE_LEASE		60
#define SAWMILL_FILE_LEASE_ASK		0	/* attributes, up to date */
#define SAWMILL_FILE_LEASE_TAKE		1	/* and the lease */
#define SAWMILL_FILE_LEASE_GIVE		2	/* everything is written back */
#define SAWMILL_FILE_LEASE_READY	3	/* from now on I ask for leases */
#define SAWMILL_FILE_VERSION_SHIFT	4	/* beyond all other flags */

/* In attr.flags, beyond FUSE's own: what the client's VFS refuses to change. */
#define SAWMILL_FILE_ATTR_IMMUTABLE	0x4
#define SAWMILL_FILE_ATTR_APPEND	0x8

struct sawmill_file_lease_in {
	__u32 want;		/* SAWMILL_FILE_LEASE_* */
	__u32 _pad;
};

/* Flags of word 0. */
#define SAWMILL_FILE_DATA_IN		0x1	/* segments hold data to the server */
#define SAWMILL_FILE_DATA_OUT		0x2	/* segments receive data */

/* A piece of a page; all segments of a request are of one kind. */
struct sawmill_file_segment {
	__u32 page;		/* page of the pool or of the control area */
	__u16 offset;
	__u16 length;		/* 1..4096, offset + length <= 4096 */
};
#define SAWMILL_FILE_SEGMENT_CONTROL	0x80000000u	/* in page: control area */

struct sawmill_file_slot {
	__u8 in[SAWMILL_FILE_INLINE];
	__u8 out[SAWMILL_FILE_INLINE];
	struct sawmill_file_segment segments[SAWMILL_FILE_SEGMENTS];
};

struct sawmill_file_completion {
	__u32 slot;
	__s32 error;
	__u32 out_size;
	__u32 data_size;
};

/*
 * The ring has more entries than there are slots, so it cannot overflow
 * between honest peers. head counts entries ever written, by the server.
 * The client wants an event while wants_event is set.
 */
#define SAWMILL_FILE_RING		128

struct sawmill_file_header {
	__u32 version;		/* written by the client */
	__u8 _pad0[60];
	__u32 head;		/* written by the server */
	__u8 _pad1[60];
	__u32 wants_event;	/* written by the client */
	__u8 _pad2[124];
	struct sawmill_file_completion ring[SAWMILL_FILE_RING];
	/* Written by the server, with an event: there are other clients; */
	__u32 is_shared;
	__u32 recall_count;	/* there is something new in recalls[]; */
	__u32 take_count;	/* another client has taken a lease. */
	__u32 _pad3;
	__u64 size_max;		/* of a file; before INIT is answered */
	/* What write(2) may promise: before each answer that changes it. */
	__u32 free_blocks;
	__u32 reserved_blocks;	/* of these, for root */
	__u32 block_size;	/* before INIT is answered */
	__u8 _pad4[28];
	/* Node ids whose leases are wanted back; the client takes them by xchg. */
	__u64 recalls[SAWMILL_FILE_RECALLS];
	__u32 changes[SAWMILL_FILE_CHANGES];
};

#endif /* _SAWMILL_FILE_H */
