// SPDX-License-Identifier: MIT OR Apache-2.0
//! The event page: how a vCPU learns that something happened.
//!
//! The sender sets a bit in `pending`, then `upcall_pending`; if that was 0 it
//! injects [`crate::UPCALL_VECTOR`]. The vCPU clears `upcall_pending`, then
//! takes the bits by atomic exchange. There is no acknowledgement. The vCPU may
//! write anything here: the hypervisor only ever sets bits and reads flags.

/// Words of 64 event bits in the event page.
pub const EVENT_WORDS: usize = 4;
/// Number of event bits of a vCPU.
pub const EVENT_COUNT: u64 = 256;

/// The timer that `timer_set` armed has expired.
pub const EVENT_TIMER: u64 = 0;
/// `console_read` has something.
pub const EVENT_CONSOLE: u64 = 1;
/// Linux: reschedule.
pub const EVENT_IPI_RESCHEDULE: u64 = 2;
/// Linux: call function.
pub const EVENT_IPI_CALL_FUNCTION: u64 = 3;
/// Linux: call function, single.
pub const EVENT_IPI_CALL_FUNCTION_SINGLE: u64 = 4;
/// Linux: irq_work.
pub const EVENT_IPI_IRQ_WORK: u64 = 5;
/// Linux: stop for reboot.
pub const EVENT_IPI_STOP: u64 = 6;
/// A call is queued at this vCPU: it should go to `portal_reply_wait`.
pub const EVENT_PORTAL: u64 = 7;
/// First bit that root gives out.
pub const EVENT_FIRST_FREE: u64 = 8;

/// Layout of the event page (one per vCPU, inside the partition's memory).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct EventPage {
    /// Event bits; bit `n` is bit `n % 64` of word `n / 64`.
    pub pending: [u64; EVENT_WORDS],
    /// Non-zero from the first bit set until the vCPU clears it.
    pub upcall_pending: u64,
    /// Non-zero while the vCPU looks at `pending` by itself: bits are set, nothing is injected.
    pub looking: u64,
}

/// Byte offset of `upcall_pending`.
pub const EVENT_PAGE_UPCALL_PENDING: u64 = 32;
/// Byte offset of `looking`.
pub const EVENT_PAGE_LOOKING: u64 = 40;

const _: () = assert!(core::mem::offset_of!(EventPage, upcall_pending) == 32);
const _: () = assert!(core::mem::offset_of!(EventPage, looking) == 40);
