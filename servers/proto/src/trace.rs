// SPDX-License-Identifier: MIT OR Apache-2.0
//! The trace stream: what root writes to the host tool while a traced system runs.
//!
//! It travels on root's console channel 1. Frames of 64-bit little-endian words: [`MAGIC`], kind | payload bytes << 32, an argument, a count of lost
//! entries, then the payload. Neighbours: `sawmill-root` writes, xtask reads.

/// In the low byte of a mark of a Linux: a thread stops running. Its number is above, the beginning of its name in the
/// second word; linux-glue/platform/trace.c writes it.
pub const MARK_THREAD: u64 = 1;
/// Where the thread's number begins.
pub const MARK_THREAD_SHIFT: u32 = 8;
/// The option on a Linux's command line that asks for these marks.
pub const THREADS_OPTION: &str = "sawmill.trace";

/// First word of each frame: the bytes `SAWTRACE`.
pub const MAGIC: u64 = u64::from_le_bytes(*b"SAWTRACE");
/// Words before the payload.
pub const HEAD_WORDS: usize = 4;
/// The largest payload, bytes: a page of entries.
pub const PAYLOAD_MAX: usize = 4096;
/// The boot option that says that somebody takes the console's channels apart.
pub const OPTION: &str = "console=mux";

/// Payload: TSC frequency in kHz, number of physical CPUs.
pub const BEGIN: u64 = 1;
/// Argument: number of a partition. Payload: its name (two words), the physical CPU of each vCPU.
pub const PARTITION: u64 = 2;
/// Argument: badge. Payload: numbers of client and server, bytes of the pool, name of the service (two words).
pub const CONNECTION: u64 = 3;
/// Argument: physical CPU. Payload: `TraceEntry` records.
pub const ENTRIES: u64 = 4;
/// The trace is complete.
pub const END: u64 = 5;

/// The words before a payload.
#[must_use]
pub const fn head(kind: u64, payload_bytes: usize, argument: u64, lost: u64) -> [u64; HEAD_WORDS] {
    [MAGIC, kind | (payload_bytes as u64) << 32, argument, lost]
}
