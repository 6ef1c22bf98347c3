// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls and replies with next to nothing around them, so that what root mode takes can be counted.
//!
//! Both loops are written out, and [`GUEST_INSTRUCTIONS`] counts them: what is
//! left of the time stamps (in Bochs: executed instructions) ran in root mode.

use core::arch::asm;

use sawmill_abi::hypercall::Hypercall;

use crate::calls::Selector;

/// Instructions of one round of [`call`] (6) and of [`serve`] (7), the VMCALLs included.
pub const GUEST_INSTRUCTIONS: u64 = 6 + 7;

/// Calls a portal `rounds` times (at least once) with word 0; returns the ticks that took, and all statuses or-ed together.
pub fn call(portal: Selector, word: u64, rounds: u64) -> (u64, u64) {
    let (start, end): (u64, u64);
    let mut statuses = 0u64;
    // SAFETY: RDTSC and VMCALL touch no memory; portal_call changes RAX, RBX and the six word registers, which are
    // named here but for RBX, which is put back.
    unsafe {
        asm!(
            "mov r14, rbx",
            "rdtsc",
            "shl rdx, 32",
            "lea r15, [rdx + rax]",
            "2:",
            "mov eax, {portal_call}",
            "mov rbx, r13",
            "vmcall",
            "or r12, rax",
            "dec r11",
            "jnz 2b",
            "rdtsc",
            "shl rdx, 32",
            "add rax, rdx",
            "mov rbx, r14",
            portal_call = const Hypercall::PortalCall as u64,
            inout("r11") rounds.max(1) => _,
            inout("r12") statuses,
            in("r13") portal.0,
            out("r14") _,
            out("r15") start,
            inout("rdi") word => _,
            inout("rsi") 0u64 => _,
            inout("r10") 0u64 => _,
            inout("r8") 0u64 => _,
            inout("r9") 0u64 => _,
            out("rax") end,
            out("rdx") _,
            options(nostack),
        );
    }
    (end.wrapping_sub(start), statuses)
}

/// Replies OK to the open call and waits, `rounds` times (at least once); leaves the last call open.
///
/// Returns the status of the last wait; anything but 0 ended the rounds early, with no call open.
pub fn serve(rounds: u64) -> u64 {
    let status;
    // SAFETY: VMCALL touches no memory; portal_reply_wait changes RAX, RBX and the six word registers, which are
    // named here but for RBX, which is put back.
    unsafe {
        asm!(
            "mov r14, rbx",
            "2:",
            "mov eax, {portal_reply_wait}",
            "xor ebx, ebx",
            "vmcall",
            "test rax, rax",
            "jnz 3f",
            "dec r11",
            "jnz 2b",
            "3:",
            "mov rbx, r14",
            portal_reply_wait = const Hypercall::PortalReplyWait as u64,
            inout("r11") rounds.max(1) => _,
            out("r14") _,
            inout("rdi") 0u64 => _,
            inout("rsi") 0u64 => _,
            out("rdx") _,
            inout("r10") 0u64 => _,
            inout("r8") 0u64 => _,
            inout("r9") 0u64 => _,
            out("rax") status,
            options(nostack),
        );
    }
    status
}
