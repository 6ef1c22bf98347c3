// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the assistant does on command: word 0 of a call to it.

/// Replies with the words as they came.
pub const ECHO: u64 = 0;
/// Replies with status w1 and the words as they came.
pub const STATUS: u64 = 1;
/// Replies PENDING, then signals the suite's event.
pub const PENDING: u64 = 2;
/// Does nothing useful until w1 ticks have passed, then replies.
pub const STALL: u64 = 3;
/// Ends its partition without replying.
pub const EXIT: u64 = 4;
/// Touches memory that is not mapped, without replying.
pub const FAULT: u64 = 5;
/// Replies with the badge in w0, its vCPU in w1, the number of stale replies seen in w2.
pub const ASK: u64 = 6;
/// Replies with its own count of exits of class w1 over all vCPUs in w0, and of calls it took in w1.
pub const EXITS: u64 = 7;
/// Replies, and tries to reply once more, which has to be stale.
pub const TWICE: u64 = 8;
/// Replies with the time stamp at which the call was seen in w1, and of the reply in w2.
pub const CLOCK: u64 = 9;
/// Answers this call and the next w1 - 1 by the bare loop, whatever they say, and the one after as usual.
pub const BARE: u64 = 10;

/// Call to the runner: w1 tests passed, w2 failed.
pub const RESULTS: u64 = 1;

/// Call to the worker: how many rounds it has done comes back in w0, how many checks failed in w1.
pub const PROGRESS: u64 = 2;
/// Call to the worker: as [`PROGRESS`], and it stops.
pub const STOP: u64 = 3;
