// SPDX-License-Identifier: MIT OR Apache-2.0
//! The children's programs, as bytes.

#![expect(unsafe_code, reason = "the programs are assembly, and their bytes are found by symbols")]

core::arch::global_asm!(include_str!("code.S"));

macro_rules! programs {
    ($($(#[$attribute:meta])* $name:ident = $symbol:ident;)*) => {
        unsafe extern "C" {
            $(static $symbol: u8;)*
        }

        $(
            $(#[$attribute])*
            pub fn $name() -> &'static [u8] {
                bytes(&raw const $symbol)
            }
        )*
    };
}

fn bytes(start: *const u8) -> &'static [u8] {
    // SAFETY: `code.S` puts the length, a 64-bit number aligned to 8 bytes, right before each program.
    let length = unsafe { start.cast::<u64>().sub(1).read() };
    // SAFETY: that many bytes follow, in read-only data of this image.
    unsafe { core::slice::from_raw_parts(start, length as usize) }
}

programs! {
    /// One hypercall.
    hypercall = child_hypercall;
    /// A hypercall at privilege level 3.
    user = child_user;
    /// Ends by a triple fault.
    triple_fault = child_triple_fault;
    /// Reads unmapped memory.
    read_unmapped = child_read_unmapped;
    /// Writes unmapped memory.
    write_unmapped = child_write_unmapped;
    /// Jumps into unmapped memory.
    execute_unmapped = child_execute_unmapped;
    /// Reads a page, then writes it.
    write_read_only = child_write_read_only;
    /// HLT with interrupts off.
    halt = child_halt;
    /// RDMSR.
    read_msr = child_read_msr;
    /// WRMSR.
    write_msr = child_write_msr;
    /// Sets bits of CR4.
    set_cr4 = child_set_cr4;
    /// FNINIT with CR0.EM.
    emulate_floating_point = child_emulate_floating_point;
    /// Debug exceptions that raise debug exceptions.
    endless_exceptions = child_endless_exceptions;
    /// Handler of #GP.
    protection_handler = child_protection_handler;
    /// INVD.
    invalidate_caches = child_invalidate_caches;
    /// VMXOFF.
    vmx_instruction = child_vmx_instruction;
    /// IN and OUT.
    ports = child_ports;
    /// Looks at a page for ever.
    watch_page = child_watch_page;
    /// One hypercall, then counts for ever.
    hypercall_and_spin = child_hypercall_and_spin;
    /// Notes how late its timer wakes it.
    keep_time = child_keep_time;
    /// Counts for ever.
    spin = child_spin;
}
