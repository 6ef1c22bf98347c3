// SPDX-License-Identifier: MIT OR Apache-2.0
//! FPU, SSE and AVX registers, switched when somebody else uses them.
//!
//! A vCPU runs with CR0.TS set until its first use traps (#NM exit); then the
//! owner's registers are saved and its own loaded. A call to a server that
//! touches no floating point therefore costs nothing here.

use core::arch::asm;
use core::sync::atomic::Ordering;

use crate::cpu::area::Cpu;

/// Components given to guests where the processor has them: x87, SSE, AVX.
const POLICY: u64 = 7;
/// Offset of the XSAVE area in a vCPU's second frame.
const AREA_OFFSET: u64 = 1024;
const AREA_SIZE_MAX: u32 = 4096 - AREA_OFFSET as u32;
/// Offset and reset value of MXCSR in the area.
const MXCSR: (u64, u32) = (24, 0x1f80);
/// XSAVEC in CPUID leaf 0dh, subleaf 1, EAX.
const XSAVEC: u32 = 2;
/// XCR0 after reset: x87 only.
pub const XCR0_RESET: u64 = 1;

/// Returns which components guests may use on this processor.
pub fn supported_mask() -> u64 {
    let leaf = raw_cpuid::native_cpuid::cpuid_count(0xd, 0);
    let mask = POLICY & (u64::from(leaf.edx) << 32 | u64::from(leaf.eax));
    // The size for all that XCR0 enables now, which `enable` set to this mask.
    if leaf.ebx <= AREA_SIZE_MAX { mask } else { XCR0_RESET | 2 }
}

/// XSAVEC, if it does not put the upper halves of the YMM registers where XRSTOR looks for them, as in Bochs 2.7.
///
/// On the boot CPU, when [`enable`] has run and there is no vCPU yet.
pub fn unsound_xsavec() -> u32 {
    #[repr(align(64))]
    struct Area([u64; 104]);
    const UPPER_HALVES: usize = 576 / 8;
    if supported_mask() != POLICY || raw_cpuid::native_cpuid::cpuid_count(0xd, 1).eax & XSAVEC == 0 {
        return XSAVEC;
    }
    let mut area = Area([0; 104]);
    // SAFETY: (1) XCR0 enables x87, SSE and AVX, and XSAVEC exists; (2) the area is aligned and holds all three;
    // (3) nobody's values are in the registers yet, and Rust code of this target uses none of them.
    unsafe {
        asm!("vzeroall", "vcmpps ymm0, ymm0, ymm0, 15", "xsavec64 [{}]", "vzeroall", in(reg) &raw mut area.0,
            in("eax") POLICY as u32, in("edx") 0, options(nostack, preserves_flags));
    }
    if area.0[UPPER_HALVES] == u64::MAX { 0 } else { XSAVEC }
}

/// Enables all components of the policy on this CPU; CR4.OSXSAVE is on.
pub fn enable() {
    set_xcr0(supported_mask());
}

/// Writes XCR0.
#[inline]
pub fn set_xcr0(value: u64) {
    // SAFETY: CR4.OSXSAVE is on in root mode; values were checked against the supported mask and its rules.
    unsafe {
        asm!("xsetbv", in("ecx") 0, in("eax") value as u32, in("edx") (value >> 32) as u32,
            options(nomem, nostack, preserves_flags));
    }
}

/// Prepares the area in a zeroed frame.
pub fn initialize_area(frame: u64) {
    // SAFETY: inside the vCPU's second frame, which nobody else uses, aligned.
    unsafe { ((frame + AREA_OFFSET + MXCSR.0) as *mut u32).write(MXCSR.1) };
}

/// Makes the registers those of the vCPU with this state frame.
///
/// XCR0 is `guest_xcr0` before and after; all components are saved in between.
pub fn take_over(cpu: &Cpu, frame: u64, mask: u64, guest_xcr0: u64) {
    set_xcr0(mask);
    let owner = cpu.extended_state_owner.swap(frame, Ordering::Relaxed);
    let (low, high) = (mask as u32, (mask >> 32) as u32);
    if owner != 0 {
        // SAFETY: (1) `owner` is the second frame of a vCPU that was not retired; (2) its area is 64-byte aligned
        // and large enough for the mask (`supported_mask`); (3) CR0.TS is clear in root mode.
        unsafe {
            asm!("xsave64 [{}]", in(reg) owner + AREA_OFFSET, in("eax") low, in("edx") high,
                options(nostack, preserves_flags));
        }
    }
    // SAFETY: as above for `frame`; the area holds what `initialize_area` or XSAVE wrote, which XRSTOR accepts.
    unsafe {
        asm!("xrstor64 [{}]", in(reg) frame + AREA_OFFSET, in("eax") low, in("edx") high,
            options(nostack, preserves_flags));
    }
    set_xcr0(guest_xcr0);
}

/// Whether a guest may write this value to XCR0.
pub fn is_valid_xcr0(value: u64, mask: u64) -> bool {
    const X87: u64 = 1;
    const SSE: u64 = 2;
    const AVX: u64 = 4;
    value & X87 != 0 && value & !mask == 0 && (value & AVX == 0 || value & SSE != 0)
}
