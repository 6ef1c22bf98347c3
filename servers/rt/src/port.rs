// SPDX-License-Identifier: MIT OR Apache-2.0
//! I/O ports that were granted to the partition.
//!
//! Safe to call: of a port that is not granted the hypervisor lets a partition
//! read ones and write nothing.

/// Reads a port.
pub fn read_u8(port: u16) -> u8 {
    let value;
    // SAFETY: touches no memory; what the device does is up to whoever granted its port.
    unsafe { core::arch::asm!("in al, dx", in("dx") port, out("al") value, options(nomem, nostack, preserves_flags)) };
    value
}

/// Writes a port.
pub fn write_u8(port: u16, value: u8) {
    // SAFETY: as for reading.
    unsafe { core::arch::asm!("out dx, al", in("dx") port, in("al") value, options(nomem, nostack, preserves_flags)) };
}
