// SPDX-License-Identifier: MIT OR Apache-2.0
//! The VMCALL instruction with the interface's registers.

use sawmill_abi::hypercall::WORDS;
use sawmill_abi::status::Status;

/// What a hypercall left in the registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// RAX.
    pub status: u64,
    /// RBX.
    pub value: u64,
    /// RDI RSI RDX R10 R8 R9.
    pub words: [u64; WORDS],
}

impl Outcome {
    /// Returns the outcome if the status is OK, else the status.
    ///
    /// # Errors
    /// The status; one that the interface does not know counts as `UNSUPPORTED`.
    #[inline]
    pub fn checked(self) -> Result<Outcome, Status> {
        match Status::from_raw(self.status) {
            Some(Status::Ok) => Ok(self),
            Some(status) => Err(status),
            None => Err(Status::Unsupported),
        }
    }
}

/// Executes a hypercall with any number, selector and words.
///
/// Safe to call: a hypercall reads or writes the caller's memory only where
/// a wrapper in [`crate::calls`] gives it a buffer, with one exception that
/// the callers of this function have to keep: calls whose table entry takes a
/// GPA to write to must name memory that Rust does not use otherwise.
#[inline]
pub fn invoke(number: u64, selector: u64, words: [u64; WORDS]) -> Outcome {
    let [mut w0, mut w1, mut w2, mut w3, mut w4, mut w5] = words;
    let status;
    let value;
    // SAFETY: VMCALL leaves all registers but the named ones as they are, and the stack alone. RBX cannot be an
    // operand (the compiler reserves it), so it is exchanged before and after.
    unsafe {
        core::arch::asm!(
            "xchg rbx, {selector}",
            "vmcall",
            "xchg rbx, {selector}",
            selector = inout(reg) selector => value,
            inout("rax") number => status,
            inout("rdi") w0,
            inout("rsi") w1,
            inout("rdx") w2,
            inout("r10") w3,
            inout("r8") w4,
            inout("r9") w5,
            options(nostack),
        );
    }
    Outcome { status, value, words: [w0, w1, w2, w3, w4, w5] }
}
