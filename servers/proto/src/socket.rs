// SPDX-License-Identifier: MIT OR Apache-2.0
//! The socket service: what its client and its server share.
//!
//! The mirror of `linux-glue/include/sawmill/socket.h`, which says how it is
//! used. Everything lies in the connection's control region: an [`Area`] in
//! page 0, a [`SlotPage`] and two rings for each socket.

use core::mem::{offset_of, size_of};

/// Version that HELLO carries.
pub const VERSION: u64 = 3;
/// Sockets of one connection; slot 0 is the client itself.
pub const SLOTS: usize = 4096;
/// Bytes of a slot's scratch area.
pub const SCRATCH_BYTES: usize = 3072;
/// Longest address in a record.
pub const NAME_MAX: usize = 128;
/// Longest control data in a record.
pub const CONTROL_MAX: usize = 1024;
/// Smallest and largest ring, bytes.
pub const RING_BYTES: core::ops::RangeInclusive<u32> = 4096..=1024 * 1024;

/// Bits 0 to 15 of word 0 of a call; the slot is in bits 16 to 31, the sequence above.
#[repr(u64)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// w1 = version, w2 = page of slot 0. Reply: w1 = rights.
    Hello = 1,
    /// w1 = family, type << 16, protocol << 32, unprivileged << 40; w2 = page; w3, w4 = transmit and receive
    /// ring (offset, size << 32); w5 = user.
    Create,
    /// w1 = length of the address in scratch.
    Bind,
    /// w1 = length of the address in scratch.
    Connect,
    /// w1 = backlog.
    Listen,
    /// w1 = new slot, w2 to w5 as Create.
    Accept,
    /// w1 = how.
    Shutdown,
    /// w1 = 1 for the peer. Reply: w1 = length.
    GetName,
    /// w1 = level, name << 32; w2 = length; w3 = 0 or [`WITHOUT_RAW`].
    SetOption,
    /// The same but for w3. Reply: w1 = length.
    GetOption,
    /// w1 = command. Reply: w1 = length.
    Ioctl,
    /// Sends what is in the transmit ring.
    Flush,
    /// w1 = flags, w2 = length.
    SendUrgent,
    /// w1 = flags, w2 = most bytes.
    ReceiveSpecial,
    /// w1 = 1 if received data was never read.
    Close,
    /// w1 = file, w2 = position, w3 = buffer, w4 = its size. Reply: w1 = length.
    ReadFile,
    /// w1 = 0 transmit, 1 receive; w2 = its new ring (offset, size << 32).
    Resize,
    /// Serves the slots in the mailbox now.
    Serve,
}

/// Asked for by a program without `CAP_NET_RAW`; also in the flags of a [`Record`].
pub const WITHOUT_RAW: u32 = 0x8000_0000;

/// The connection may change addresses, links and routes.
pub const RIGHT_CONFIGURE: u64 = 1;

/// Flags in [`SlotPage::state`], above the TCP state in the low byte.
pub mod state {
    /// No more data will be received.
    pub const END_OF_DATA: u32 = 0x100;
    /// Nothing more can be sent.
    pub const SEND_CLOSED: u32 = 0x200;
    /// Accept will find a connection.
    pub const ACCEPTABLE: u32 = 0x400;
    /// Urgent data is there.
    pub const URGENT: u32 = 0x800;
    /// `receive_mark` is valid.
    pub const HAS_MARK: u32 = 0x1000;
    /// The error queue holds something.
    pub const ERROR_QUEUE: u32 = 0x2000;
    /// The receive ring is too small for the next datagram.
    pub const TOO_SMALL: u32 = 0x4000;
}

/// The waiter wants to know of input.
pub const WANT_IN: u32 = 1;
/// The waiter wants to know of room.
pub const WANT_OUT: u32 = 2;

/// What only the client writes.
#[repr(C, align(64))]
pub struct ClientLine {
    /// Bytes produced.
    pub transmit_head: u32,
    /// Bytes consumed.
    pub receive_tail: u32,
    /// 1 = more will follow soon, 2 = cut datagrams that do not fit.
    pub hints: u32,
    /// 1 = `TCP_NODELAY` is set, 2 = it was set back.
    pub options: u32,
}

/// What only the server writes.
#[repr(C, align(64))]
pub struct ServerLine {
    /// Bytes consumed.
    pub transmit_tail: u32,
    /// Bytes produced.
    pub receive_head: u32,
    /// TCP state and flags.
    pub state: u32,
    /// The last error.
    pub error: u32,
    /// How many errors there were.
    pub error_count: u32,
    /// Where urgent data stood.
    pub receive_mark: u32,
}

/// What either side waits for.
#[repr(C, align(64))]
pub struct WantsLine {
    /// Set by the client, taken by the server.
    pub client_wants: u32,
    /// Set by the server, taken by the client.
    pub server_wants: u32,
}

/// The result of a call that was answered PENDING.
#[repr(C, align(64))]
pub struct CompletionLine {
    /// Its sequence, written last.
    pub completion: u32,
    /// Its words.
    pub words: [u64; 6],
}

/// One socket's page.
#[repr(C, align(1024))]
pub struct SlotPage {
    /// Written by the client.
    pub client: ClientLine,
    /// Written by the server.
    pub server: ServerLine,
    /// Written by both, atomically.
    pub wants: WantsLine,
    /// Written by the server.
    pub completion: CompletionLine,
    reserved: [u8; 768],
    /// Addresses, option values and the like of the call in progress.
    pub scratch: [u8; SCRATCH_BYTES],
}

/// Header of a datagram in a ring; name, data and control data follow, each padded to 8 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Record {
    /// Bytes of data in the ring.
    pub length: u32,
    /// Bytes that the datagram had.
    pub full_length: u32,
    /// Bytes of the address.
    pub name_length: u16,
    /// Bytes of control data.
    pub control_length: u16,
    /// `MSG_*`, [`WITHOUT_RAW`].
    pub flags: u32,
}

/// Slots that the owner shall look at.
#[repr(C, align(64))]
pub struct Mailbox {
    /// Bit n: word n is not empty.
    pub summary: u64,
    /// The owner wants a signal.
    pub is_asleep: u32,
    reserved: [u8; 52],
    /// One bit for each slot.
    pub words: [u64; SLOTS / 64],
}

/// Page 0 of the control region.
#[repr(C)]
pub struct Area {
    /// Taken by the server.
    pub to_server: Mailbox,
    /// Taken by the client.
    pub to_client: Mailbox,
    /// Written by the server: 1 when the network's addresses are as they will be.
    pub is_settled: u32,
}

const _: () = assert!(size_of::<SlotPage>() == 4096);
const _: () = assert!(offset_of!(SlotPage, scratch) == 1024);
const _: () = assert!(size_of::<Record>() == 16);
const _: () = assert!(offset_of!(Mailbox, words) == 64);
const _: () = assert!(size_of::<Area>() <= 4096);
