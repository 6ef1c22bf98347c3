// SPDX-License-Identifier: MIT OR Apache-2.0
//! The programs of the fuzzer's partitions, as bytes.

#![expect(unsafe_code, reason = "the programs are assembly, and their bytes are found by symbols")]

core::arch::global_asm!(include_str!("puppet.S"));

unsafe extern "C" {
    static puppet_start: u8;
    static puppet_end: u8;
    static warden_start: u8;
    static warden_end: u8;
}

fn between(start: *const u8, end: *const u8) -> &'static [u8] {
    // SAFETY: both point into one section of read-only data of this image, the end after the start.
    unsafe { core::slice::from_raw_parts(start, end as usize - start as usize) }
}

/// Makes the hypercalls that it is told to make.
pub fn puppet() -> &'static [u8] {
    between(&raw const puppet_start, &raw const puppet_end)
}

/// Answers fault messages.
pub fn warden() -> &'static [u8] {
    between(&raw const warden_start, &raw const warden_end)
}
