// SPDX-License-Identifier: MIT OR Apache-2.0
//! VT-x: controls, VMCS, entry and exit.
//!
//! [`vcpu::Vcpu`] implements the neutral `VcpuHardware`. What all vCPUs share
//! ([`Shared`]) is computed once at boot from the capability MSRs.

pub mod bitmaps;
pub mod control_registers;
pub mod controls;
pub mod debug_registers;
pub mod exit;
pub mod extended_state;
pub mod instructions;
pub mod setup;
pub mod switch;
pub mod system_calls;
pub mod vcpu;

use core::mem::offset_of;

use sawmill_logic::platform::Registers;
use spin::Once;
use x86::msr::{
    IA32_FEATURE_CONTROL, IA32_VMX_BASIC, IA32_VMX_CR0_FIXED0, IA32_VMX_CR0_FIXED1, IA32_VMX_CR4_FIXED0,
    IA32_VMX_CR4_FIXED1, IA32_VMX_EPT_VPID_CAP, IA32_VMX_MISC,
};
use x86::vmx::vmcs::ro;

use crate::cpu::area::{self, Cpu};
use crate::cpu::{msr, requirements, trials};
use crate::time;

core::arch::global_asm!(
    include_str!("entry.S"),
    root_stack = const offset_of!(Cpu, root_stack),
    exit_frame = const offset_of!(Cpu, exit_frame),
    rax = const offset_of!(Registers, rax),
    rbx = const offset_of!(Registers, rbx),
    rcx = const offset_of!(Registers, rcx),
    rdx = const offset_of!(Registers, rdx),
    rsi = const offset_of!(Registers, rsi),
    rdi = const offset_of!(Registers, rdi),
    rbp = const offset_of!(Registers, rbp),
    r8 = const offset_of!(Registers, r8),
    r9 = const offset_of!(Registers, r9),
    r10 = const offset_of!(Registers, r10),
    r11 = const offset_of!(Registers, r11),
    r12 = const offset_of!(Registers, r12),
    r13 = const offset_of!(Registers, r13),
    r14 = const offset_of!(Registers, r14),
    r15 = const offset_of!(Registers, r15),
    exit_reason = const ro::EXIT_REASON,
);

/// Longest time that a guest runs without an exit.
///
/// Deadlines come from the local APIC's timer, as interrupts. Bochs 2.7 withholds interrupts from a guest that was
/// entered with RFLAGS.IF clear until it changes IF; the preemption timer gets out of such a guest all the same.
const LOOK_INTERVAL_MS: u64 = 2;

/// What all vCPUs share; constant after boot.
#[derive(Debug)]
pub struct Shared {
    /// Control words.
    pub controls: controls::Controls,
    /// What a VMCS begins with.
    pub revision: u32,
    /// Start value of the preemption timer, see [`LOOK_INTERVAL_MS`].
    pub look_interval_ticks: u64,
    /// CR0 and CR4 bits that must be set in a guest.
    pub cr0_must: u64,
    /// As `cr0_must`.
    pub cr4_must: u64,
    /// Type of INVEPT: 1 single context, 2 all.
    pub invept_kind: u64,
    /// Components of extended state that guests may use: the mask of XCR0.
    pub extended_state_mask: u64,
    /// Bits of CPUID for what does not work, which guests do not see: ADX, XSAVEC.
    pub unsound: [u32; 2],
    /// RDTSCP and TSC_AUX exist.
    pub has_tsc_aux: bool,
}

static SHARED: Once<Shared> = Once::new();

/// Returns what all vCPUs share.
#[inline]
pub fn shared() -> Option<&'static Shared> {
    SHARED.get()
}

/// Turns VMX operation on for this CPU.
///
/// # Errors
/// A sentence when the processor refuses, although it passed the requirement check.
pub fn enable_processor(index: usize) -> Result<(), &'static str> {
    const VMXE: u64 = 1 << 13;
    const FSGSBASE: u64 = 1 << 16;
    const OSXSAVE: u64 = 1 << 18;
    let control = msr::read(IA32_FEATURE_CONTROL);
    if control & requirements::FEATURE_CONTROL_LOCKED == 0 {
        let wanted = requirements::FEATURE_CONTROL_LOCKED | requirements::FEATURE_CONTROL_VMXON;
        msr::write(IA32_FEATURE_CONTROL, control | wanted);
    }
    let cr0 = (msr::cr0() | msr::read(IA32_VMX_CR0_FIXED0)) & (msr::read(IA32_VMX_CR0_FIXED1) | 0xffff_ffff_0000_0000);
    msr::set_cr0(cr0);
    let cr4 =
        (msr::cr4() | VMXE | FSGSBASE | OSXSAVE | msr::read(IA32_VMX_CR4_FIXED0)) & msr::read(IA32_VMX_CR4_FIXED1);
    msr::set_cr4(cr4);
    let region = area::vmxon_region(index);
    // SAFETY: the page belongs to this CPU and is not in use yet.
    unsafe { region.write(msr::read(IA32_VMX_BASIC) as u32 & 0x7fff_ffff) };
    instructions::enter_operation(region as u64).map_err(|_| "the processor refuses VMX operation (VMXON failed)")?;
    instructions::invalidate_ept(2, 0);
    instructions::invalidate_all_vpids();
    extended_state::enable();
    Ok(())
}

/// Computes what all vCPUs share. Boot CPU, in VMX operation.
///
/// # Errors
/// Names what is missing, although the processor passed the requirement check.
pub fn initialize() -> Result<(), &'static str> {
    const INVEPT_SINGLE: u64 = 1 << 25;
    // Without unrestricted guests these are 1 in a guest too; PE and PG are among them.
    let shared = Shared {
        controls: controls::Controls::compute()?,
        revision: msr::read(IA32_VMX_BASIC) as u32 & 0x7fff_ffff,
        look_interval_ticks: ((time::tsc_khz() * LOOK_INTERVAL_MS) >> (msr::read(IA32_VMX_MISC) & 31))
            .min(u32::MAX.into()),
        cr0_must: msr::read(IA32_VMX_CR0_FIXED0),
        cr4_must: msr::read(IA32_VMX_CR4_FIXED0) | control_registers::MCE,
        invept_kind: if msr::read(IA32_VMX_EPT_VPID_CAP) & INVEPT_SINGLE != 0 { 1 } else { 2 },
        extended_state_mask: extended_state::supported_mask(),
        unsound: [trials::unsound_adx(), extended_state::unsound_xsavec()],
        has_tsc_aux: raw_cpuid::CpuId::new()
            .get_extended_processor_and_feature_identifiers()
            .is_some_and(|information| information.has_rdtscp()),
    };
    bitmaps::initialize();
    SHARED.call_once(|| shared);
    Ok(())
}

/// Drops translations under an EPT root on this CPU.
pub fn invalidate_ept(root: sawmill_logic::platform::Hpa) {
    let kind = shared().map_or(2, |shared| shared.invept_kind);
    instructions::invalidate_ept(kind, setup::ept_pointer(root.0));
}

/// Whether EPT maps 1 GiB pages on this processor.
pub fn has_gigabyte_leaves() -> bool {
    msr::read(IA32_VMX_EPT_VPID_CAP) & 1 << 17 != 0
}
