// SPDX-License-Identifier: MIT OR Apache-2.0
//! Model-specific registers and control registers for this crate.
//!
//! Crate-private, as `port` is. `x86::msr` supplies numbers and instructions.

/// Reads an MSR that this processor is known to have.
#[inline]
pub fn read(number: u32) -> u64 {
    // SAFETY: CPL 0; callers name MSRs whose existence the requirement check or a capability MSR established.
    unsafe { x86::msr::rdmsr(number) }
}

/// Writes an MSR that this processor is known to have.
#[inline]
pub fn write(number: u32, value: u64) {
    // SAFETY: as for reading; values come from this crate or from a guest register with a checked form.
    unsafe { x86::msr::wrmsr(number, value) }
}

macro_rules! control_register {
    ($read:ident $write:ident $name:literal) => {
        #[doc = concat!("Reads ", $name, ".")]
        #[inline]
        pub fn $read() -> u64 {
            let value;
            // SAFETY: reading a control register at CPL 0 has no effect.
            unsafe { core::arch::asm!(concat!("mov {}, ", $name), out(reg) value, options(nomem, nostack, preserves_flags)) };
            value
        }

        #[doc = concat!("Writes ", $name, ".")]
        #[inline]
        pub fn $write(value: u64) {
            // SAFETY: CPL 0; callers in this crate keep paging, protection and 64-bit mode as they are.
            unsafe { core::arch::asm!(concat!("mov ", $name, ", {}"), in(reg) value, options(nostack, preserves_flags)) };
        }
    };
}

control_register!(cr0 set_cr0 "cr0");
control_register!(cr2 set_cr2 "cr2");
control_register!(cr3 set_cr3 "cr3");
control_register!(cr4 set_cr4 "cr4");
