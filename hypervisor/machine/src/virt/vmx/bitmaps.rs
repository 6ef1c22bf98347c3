// SPDX-License-Identifier: MIT OR Apache-2.0
//! MSR and I/O bitmaps: what a guest touches without an exit.
//!
//! Shared by all vCPUs and constant after boot; a partition with ports of its
//! own brings its own I/O bitmaps.

use core::cell::UnsafeCell;

use x86::msr::{
    IA32_FS_BASE, IA32_GS_BASE, IA32_KERNEL_GSBASE, IA32_PAT, IA32_SYSENTER_CS, IA32_SYSENTER_EIP, IA32_SYSENTER_ESP,
    IA32_TIME_STAMP_COUNTER,
};

#[repr(C, align(4096))]
struct Page(UnsafeCell<[u8; 4096]>);

// SAFETY: written by `initialize` on the boot CPU before there is a vCPU, then read by processors only.
unsafe impl Sync for Page {}

static MSR_BITMAP: Page = Page(UnsafeCell::new([0; 4096]));
static IO_BITMAP: Page = Page(UnsafeCell::new([0; 4096]));

/// MSRs that are guest state in the VMCS, or switched with the vCPU: reads and writes pass.
const PASSED: [u32; 7] =
    [IA32_FS_BASE, IA32_GS_BASE, IA32_KERNEL_GSBASE, IA32_PAT, IA32_SYSENTER_CS, IA32_SYSENTER_ESP, IA32_SYSENTER_EIP];

/// Offset of the write half of the MSR bitmap.
const WRITES: usize = 2048;

/// Fills the bitmaps: everything exits but the MSRs named above, and reads of the TSC.
pub fn initialize() {
    let mut msrs = [0xff; 4096];
    let mut pass = |number: u32, half: usize| {
        // SDM Vol. 3C, "MSR-Bitmap Address": low numbers first, then those from c0000000.
        let high = if number >= 0xc000_0000 { 1024 } else { 0 };
        let bit = (number & 0x1fff) as usize;
        msrs[half + high + bit / 8] &= !(1 << (bit % 8));
    };
    for number in PASSED {
        pass(number, 0);
        pass(number, WRITES);
    }
    pass(IA32_TIME_STAMP_COUNTER, 0);
    // SAFETY: no vCPU exists yet and only the boot CPU gets here.
    unsafe { *MSR_BITMAP.0.get() = msrs };
    // SAFETY: as above.
    unsafe { *IO_BITMAP.0.get() = [0xff; 4096] };
}

/// Returns the physical address of the MSR bitmap.
pub fn msr_bitmap() -> u64 {
    MSR_BITMAP.0.get() as u64
}

/// Returns the physical address of an I/O bitmap in which every port exits; it serves as both halves.
pub fn io_bitmap() -> u64 {
    IO_BITMAP.0.get() as u64
}
