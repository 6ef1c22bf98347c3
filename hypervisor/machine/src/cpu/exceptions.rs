// SPDX-License-Identifier: MIT OR Apache-2.0
//! Exceptions and interrupts of root mode.
//!
//! Interrupts are off except in [`idle`]. An exception in root mode is a
//! defect of the hypervisor (or of the machine): it leaves an epitaph and stops.

use core::mem::offset_of;
use core::sync::atomic::Ordering;

use super::area::{self, Cpu};
use super::msr;
use crate::epitaph;

core::arch::global_asm!(
    include_str!("exceptions.S"),
    pending = const offset_of!(Cpu, pending),
    fault = sym fault,
    is_epitaph_begun = sym epitaph::IS_BEGUN,
);

unsafe extern "C" {
    static exception_stubs: u8;
}

/// Bytes from one stub to the next.
const STUB_SIZE: u64 = 16;

/// Returns the address of a vector's stub.
pub fn stub(vector: u8) -> u64 {
    (&raw const exception_stubs) as u64 + u64::from(vector) * STUB_SIZE
}

/// What the stubs push, lowest address first.
#[repr(C)]
#[derive(Debug)]
pub struct Frame {
    /// RAX RCX RDX RBX RBP RSI RDI R8..R15.
    pub registers: [u64; 15],
    /// Vector.
    pub vector: u64,
    /// Error code or 0.
    pub error_code: u64,
    /// Where it happened.
    pub rip: u64,
    /// Code segment.
    pub cs: u64,
    /// Flags.
    pub rflags: u64,
    /// Stack pointer.
    pub rsp: u64,
    /// Stack segment.
    pub ss: u64,
}

extern "C" fn fault(frame: &Frame) -> ! {
    epitaph::exception(frame, msr::cr2())
}

/// Waits until an interrupt arrives; returns with interrupts off.
pub fn idle() {
    // SAFETY: the stubs of vectors 32 and up only record the vector, so interrupts are harmless here; STI takes
    // effect after HLT began, so that none is lost.
    unsafe { core::arch::asm!("sti", "hlt", "cli", options(nostack)) };
}

/// Lets one waiting interrupt be recorded, if there is one.
pub fn open_window() {
    // SAFETY: as for `idle`; the instruction after STI still runs with interrupts blocked, the one after it does not.
    unsafe { core::arch::asm!("sti", "nop", "nop", "cli", options(nostack)) };
}

/// Takes one recorded vector of this CPU.
pub fn take_pending() -> Option<u8> {
    let cpu = area::current();
    for (word, bits) in cpu.pending.iter().enumerate().rev() {
        let value = bits.load(Ordering::Relaxed);
        if value != 0 {
            let bit = 63 - value.leading_zeros();
            bits.fetch_and(!(1 << bit), Ordering::Relaxed);
            return Some((word as u32 * 64 + bit) as u8);
        }
    }
    None
}
