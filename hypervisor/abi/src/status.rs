// SPDX-License-Identifier: MIT OR Apache-2.0
//! Status codes: the first result of each hypercall, in RAX.
//!
//! A status names the object at fault. Nothing has happened when a hypercall
//! returns an error, except where its table entry says so.

/// Result of a hypercall.
#[repr(u64)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Done.
    Ok = 0,
    /// No hypercall has this number.
    BadHypercall = 1,
    /// The selector names no capability of the caller.
    BadSelector = 2,
    /// The capability is of another kind than this hypercall works on.
    BadKind = 3,
    /// The capability lacks the right.
    NoRight = 4,
    /// An argument is out of its range.
    BadArgument = 5,
    /// A guest-physical address is not mapped, not aligned, or already in use.
    BadAddress = 6,
    /// The quota of the partition that pays is used up.
    NoQuota = 7,
    /// A table of fixed size (capabilities, objects) is full.
    NoSlot = 8,
    /// The object is in a state in which this cannot be done.
    Busy = 9,
    /// The partition at the other end died or was destroyed.
    PeerDead = 10,
    /// The call used up its budget; the server may still finish the work.
    Timeout = 11,
    /// The server took the request and completes it later by its ring.
    Pending = 12,
    /// The wait ended because an event is pending, not because a call came.
    Interrupted = 13,
    /// There is nobody left who waits for this reply.
    Stale = 14,
    /// This machine or this build cannot do it.
    Unsupported = 15,
    /// The caller did not run at privilege level 0.
    NotPrivileged = 16,
}

impl Status {
    /// All codes in the order of their numbers.
    #[rustfmt::skip]
    pub const ALL: [Status; 17] = [
        Status::Ok, Status::BadHypercall, Status::BadSelector, Status::BadKind, Status::NoRight,
        Status::BadArgument, Status::BadAddress, Status::NoQuota, Status::NoSlot, Status::Busy,
        Status::PeerDead, Status::Timeout, Status::Pending, Status::Interrupted, Status::Stale,
        Status::Unsupported, Status::NotPrivileged,
    ];

    /// Returns the status with this number, if there is one.
    pub fn from_raw(raw: u64) -> Option<Status> {
        Status::ALL.get(usize::try_from(raw).ok()?).copied()
    }
}

/// What a server puts into RBX of `portal_reply_wait` when it owes no reply.
pub const REPLY_NONE: u64 = u64::MAX;
