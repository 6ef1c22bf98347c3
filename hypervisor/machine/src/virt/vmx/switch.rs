// SPDX-License-Identifier: MIT OR Apache-2.0
//! Registers that neither VMCS nor `Registers` hold, switched when they differ.
//!
//! Key type [`State`], at the start of a vCPU's second frame; the extended
//! state follows in the same frame. Only the CPU that a vCPU is bound to
//! touches it, and the atomics are plain moves.

use core::sync::atomic::{AtomicU64, Ordering};

use x86::msr::{IA32_KERNEL_GSBASE, IA32_TSC_AUX};

use super::{debug_registers, extended_state};
use crate::cpu::area::Cpu;
use crate::cpu::msr;

/// The switched registers of a vCPU.
#[repr(C)]
pub struct State {
    /// KERNEL_GS_BASE: SWAPGS changes it without an exit.
    pub kernel_gs_base: AtomicU64,
    /// CR2: page faults of any guest change it.
    pub cr2: AtomicU64,
    /// XCR0, TSC_AUX and [`DEBUGGING`], packed so that one comparison tells that nothing is to be done.
    packed: AtomicU64,
    /// DR0 to DR3.
    pub debug: [AtomicU64; 4],
    /// Values of `system_calls::MSRS`.
    pub system_call_msrs: [AtomicU64; 4],
    /// EFER.SCE as the guest set it.
    pub is_system_call_enabled: AtomicU64,
    /// VPID, for the epitaph.
    pub tag: AtomicU64,
}

/// Bit of `packed`: DR7 enables a breakpoint, so DR0 to DR3 matter.
const DEBUGGING: u64 = 1 << 31;
const XCR0: u64 = 0xffff;
const TSC_AUX_SHIFT: u32 = 32;

impl State {
    /// XCR0 of the guest.
    pub fn xcr0(&self) -> u64 {
        self.packed.load(Ordering::Relaxed) & XCR0
    }

    /// Sets XCR0 (only low bits are ever supported).
    pub fn set_xcr0(&self, value: u64) {
        self.replace(XCR0, value & XCR0);
    }

    /// TSC_AUX of the guest.
    pub fn tsc_aux(&self) -> u64 {
        self.packed.load(Ordering::Relaxed) >> TSC_AUX_SHIFT
    }

    /// Sets TSC_AUX, 32 bits.
    pub fn set_tsc_aux(&self, value: u64) {
        self.replace(u64::MAX << TSC_AUX_SHIFT, value << TSC_AUX_SHIFT);
    }

    /// Says whether DR0 to DR3 matter.
    pub fn set_debugging(&self, is_debugging: bool) {
        self.replace(DEBUGGING, if is_debugging { DEBUGGING } else { 0 });
    }

    fn replace(&self, mask: u64, value: u64) {
        let packed = self.packed.load(Ordering::Relaxed);
        self.packed.store(packed & !mask | value, Ordering::Relaxed);
    }
}

/// Returns the VPID of the vCPU whose registers are loaded, 0 for none.
pub fn loaded_tag(cpu: &Cpu) -> u64 {
    at(cpu.loaded_state.load(Ordering::Relaxed)).map_or(0, |state| state.tag.load(Ordering::Relaxed))
}

/// Returns the state at an address; none for 0.
#[inline]
pub fn at(address: u64) -> Option<&'static State> {
    if address == 0 {
        return None;
    }
    // SAFETY: (1) the only non-zero values are frames that `Vcpu::new` got from the kernel for this purpose and that
    // `retire` removes from all CPU areas before they are freed; (2) all fields are atomics, valid for any bits.
    Some(unsafe { &*(address as *const State) })
}

/// Exchanges the registers of the vCPU that ran here for those of another.
#[inline(always)]
pub fn switch(cpu: &Cpu, new: &'static State) {
    let new_address = core::ptr::from_ref(new) as u64;
    let old_address = cpu.loaded_state.load(Ordering::Relaxed);
    if old_address == new_address {
        return;
    }
    cpu.loaded_state.store(new_address, Ordering::Relaxed);
    let Some(old) = at(old_address) else { return load_all(new) };
    let kernel_gs_base = msr::read(IA32_KERNEL_GSBASE);
    old.kernel_gs_base.store(kernel_gs_base, Ordering::Relaxed);
    let wanted = new.kernel_gs_base.load(Ordering::Relaxed);
    if wanted != kernel_gs_base {
        msr::write(IA32_KERNEL_GSBASE, wanted);
    }
    let cr2 = msr::cr2();
    old.cr2.store(cr2, Ordering::Relaxed);
    let wanted = new.cr2.load(Ordering::Relaxed);
    if wanted != cr2 {
        msr::set_cr2(wanted);
    }
    if (new.packed.load(Ordering::Relaxed) ^ old.packed.load(Ordering::Relaxed)) != 0 {
        load_packed(new);
    }
}

/// Loads everything, whatever the processor holds.
#[cold]
fn load_all(new: &State) {
    msr::write(IA32_KERNEL_GSBASE, new.kernel_gs_base.load(Ordering::Relaxed));
    msr::set_cr2(new.cr2.load(Ordering::Relaxed));
    load_packed(new);
}

#[cold]
fn load_packed(new: &State) {
    extended_state::set_xcr0(new.xcr0());
    if has_tsc_aux() {
        msr::write(IA32_TSC_AUX, new.tsc_aux());
    }
    if new.packed.load(Ordering::Relaxed) & DEBUGGING != 0 {
        debug_registers::load(new);
    }
}

/// Whether this processor has RDTSCP and its MSR.
pub fn has_tsc_aux() -> bool {
    super::shared().is_some_and(|shared| shared.has_tsc_aux)
}
