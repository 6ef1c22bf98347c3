// SPDX-License-Identifier: MIT OR Apache-2.0
//! Registers that neither VMCS nor `Registers` hold, switched when they differ.
//!
//! Key type [`State`], at the start of a vCPU's second frame; the extended
//! state follows in the same frame. Only the CPU that a vCPU is bound to
//! touches it, and the atomics are plain moves.

use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};

use x86::msr::IA32_TSC_AUX;

use super::{debug_registers, extended_state};
use crate::{cpu::area::Cpu, cpu::msr};

/// The switched registers of a vCPU; zeros in a fresh frame.
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
    /// DR6, while another vCPU debugs.
    pub debug_status: AtomicU64,
    /// Values of `system_calls::MSRS`.
    pub system_call_msrs: [AtomicU64; 4],
    /// EFER.SCE as the guest set it.
    pub is_system_call_enabled: AtomicU64,
    /// VPID, for the epitaph.
    pub tag: AtomicU64,
}

/// Bits of `packed` for the tag of a vCPU in whose DR7 a breakpoint is enabled, so that DR0 to DR3 and DR6 matter: no
/// two that debug are equal.
const DEBUGGING: u64 = 0xffff << 16;
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
        let tag = self.tag.load(Ordering::Relaxed);
        self.replace(DEBUGGING, if is_debugging { tag << 16 & DEBUGGING } else { 0 });
    }

    fn replace(&self, mask: u64, value: u64) {
        let packed = self.packed.load(Ordering::Relaxed);
        self.packed.store(packed & !mask | value, Ordering::Relaxed);
    }
}

/// Returns the VPID of the vCPU whose registers are loaded, 0 for none.
pub fn loaded_tag(cpu: &Cpu) -> u64 {
    loaded(cpu).tag.load(Ordering::Relaxed)
}

/// Returns the state whose registers are loaded.
#[inline(always)]
fn loaded(cpu: &Cpu) -> &State {
    // SAFETY: (1) `loaded_state` is set to `no_state` before this CPU runs anything else (`descriptors::load`), to a
    // vCPU's state by `switch`, and back by `forget` before that vCPU gives up its frames; (2) fields are atomics.
    unsafe { &*cpu.loaded_state.load(Ordering::Relaxed) }
}

/// Returns the state in a vCPU's second frame.
///
/// # Safety
/// (1) `frame` is a zeroed frame that nothing else uses; (2) before it is used for something else, `forget` runs on
/// the CPU that the vCPU is bound to and the reference is not used any more.
pub unsafe fn in_frame(frame: u64) -> &'static State {
    // SAFETY: the caller's (1) and (2); a frame is aligned, identity mapped and large enough; zeros are valid.
    unsafe { &*(frame as *const State) }
}

/// Makes sure that this CPU does not refer to a state any more.
pub fn forget(cpu: &Cpu, state: &State) {
    if core::ptr::eq(loaded(cpu), state) {
        cpu.loaded_state.store((&raw const cpu.no_state).cast_mut(), Ordering::Relaxed);
    }
}

/// Exchanges the registers of the vCPU that ran here for those of another, or of the same: saving comes before
/// loading, so that this needs no test.
#[inline(always)]
pub fn switch(cpu: &Cpu, new: &'static State) {
    let old = loaded(cpu);
    cpu.loaded_state.store(core::ptr::from_ref(new).cast_mut(), Ordering::Relaxed);
    // Twice SWAPGS instead of RDMSR and WRMSR of KERNEL_GS_BASE: fewer instructions, and no slow MSR access.
    // SAFETY: CR4.FSGSBASE is on (`enable_processor`); GS base is this CPU's own again after the second SWAPGS, and
    // what could interrupt in between (NMI) does not use it; the value was in KERNEL_GS_BASE before, so is canonical.
    unsafe {
        asm!("swapgs", "rdgsbase {value}", "mov [{old}], {value}", "mov {value}, [{new}]", "wrgsbase {value}", "swapgs",
            value = out(reg) _, old = in(reg) old.kernel_gs_base.as_ptr(), new = in(reg) new.kernel_gs_base.as_ptr(),
            options(nostack, preserves_flags));
    }
    let cr2 = msr::cr2();
    old.cr2.store(cr2, Ordering::Relaxed);
    let wanted = new.cr2.load(Ordering::Relaxed);
    if wanted != cr2 {
        msr::set_cr2(wanted);
    }
    if new.packed.load(Ordering::Relaxed) != old.packed.load(Ordering::Relaxed) {
        load_packed(old, new);
    }
}

#[cold]
#[inline(never)]
fn load_packed(old: &State, new: &State) {
    extended_state::set_xcr0(new.xcr0());
    if has_tsc_aux() {
        msr::write(IA32_TSC_AUX, new.tsc_aux());
    }
    if (old.packed.load(Ordering::Relaxed) | new.packed.load(Ordering::Relaxed)) & DEBUGGING != 0 {
        debug_registers::exchange_status(old, new);
        debug_registers::load(new);
    }
}

/// Whether this processor has RDTSCP and its MSR.
pub fn has_tsc_aux() -> bool {
    super::shared().is_some_and(|shared| shared.has_tsc_aux)
}
