// SPDX-License-Identifier: MIT OR Apache-2.0
//! Registers that neither VMCS nor `Registers` hold, switched when they differ.
//!
//! Key type [`State`], at the start of a vCPU's second frame; the extended
//! state follows in the same frame. Only the CPU that a vCPU is bound to
//! touches it, and the atomics are plain moves.

use core::sync::atomic::{AtomicU64, Ordering};

use x86::msr::{IA32_CSTAR, IA32_FMASK, IA32_KERNEL_GSBASE, IA32_LSTAR, IA32_STAR, IA32_TSC_AUX};

use super::extended_state;
use crate::cpu::area::Cpu;
use crate::cpu::msr;

/// System-call MSRs: guests write them once, so writes exit and reading them back at a switch is not needed.
pub const SYSTEM_CALL_MSRS: [u32; 5] = [IA32_STAR, IA32_LSTAR, IA32_CSTAR, IA32_FMASK, IA32_TSC_AUX];

/// The switched registers of a vCPU.
#[repr(C)]
pub struct State {
    /// KERNEL_GS_BASE: SWAPGS changes it without an exit.
    pub kernel_gs_base: AtomicU64,
    /// CR2: page faults of any guest change it.
    pub cr2: AtomicU64,
    /// Values of [`SYSTEM_CALL_MSRS`].
    pub system_call_msrs: [AtomicU64; 5],
    /// XCR0.
    pub xcr0: AtomicU64,
    /// DR0 to DR3.
    pub debug: [AtomicU64; 4],
    /// Non-zero if DR7 enables a breakpoint, so that DR0 to DR3 matter.
    pub is_debugging: AtomicU64,
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
#[inline]
pub fn switch(cpu: &Cpu, new: &'static State) {
    let new_address = core::ptr::from_ref(new) as u64;
    let old = at(cpu.loaded_state.load(Ordering::Relaxed));
    cpu.loaded_state.store(new_address, Ordering::Relaxed);
    let Some(old) = old else { return load_all(new) };
    let kernel_gs_base = msr::read(IA32_KERNEL_GSBASE);
    let cr2 = msr::cr2();
    old.kernel_gs_base.store(kernel_gs_base, Ordering::Relaxed);
    old.cr2.store(cr2, Ordering::Relaxed);
    let wanted = new.kernel_gs_base.load(Ordering::Relaxed);
    if wanted != kernel_gs_base {
        msr::write(IA32_KERNEL_GSBASE, wanted);
    }
    let wanted = new.cr2.load(Ordering::Relaxed);
    if wanted != cr2 {
        msr::set_cr2(wanted);
    }
    for (index, number) in SYSTEM_CALL_MSRS.into_iter().enumerate() {
        let wanted = new.system_call_msrs[index].load(Ordering::Relaxed);
        if wanted != old.system_call_msrs[index].load(Ordering::Relaxed) {
            msr::write(number, wanted);
        }
    }
    let wanted = new.xcr0.load(Ordering::Relaxed);
    if wanted != old.xcr0.load(Ordering::Relaxed) {
        extended_state::set_xcr0(wanted);
    }
    if new.is_debugging.load(Ordering::Relaxed) != 0 {
        super::debug_registers::load(new);
    }
}

/// Loads everything, whatever the processor holds.
#[cold]
fn load_all(new: &State) {
    msr::write(IA32_KERNEL_GSBASE, new.kernel_gs_base.load(Ordering::Relaxed));
    msr::set_cr2(new.cr2.load(Ordering::Relaxed));
    for (value, number) in new.system_call_msrs.iter().zip(SYSTEM_CALL_MSRS) {
        if number != IA32_TSC_AUX || has_tsc_aux() {
            msr::write(number, value.load(Ordering::Relaxed));
        }
    }
    extended_state::set_xcr0(new.xcr0.load(Ordering::Relaxed));
    super::debug_registers::load(new);
}

/// Whether this processor has RDTSCP and its MSR.
pub fn has_tsc_aux() -> bool {
    raw_cpuid::CpuId::new().get_extended_processor_and_feature_identifiers().is_some_and(|info| info.has_rdtscp())
}
