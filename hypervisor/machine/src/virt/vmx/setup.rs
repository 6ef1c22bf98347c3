// SPDX-License-Identifier: MIT OR Apache-2.0
//! Filling a fresh VMCS: controls, host state, guest start state.

use x86::msr::{IA32_EFER, IA32_PAT};

use super::control_registers::{CR0_OWNED, CR0_START, CR4_GUEST, CR4_START, TS};
use super::fields::{self, Writable};
use super::instructions::{VmxError, write_checked};
use super::{Shared, bitmaps};
use crate::cpu::area::Cpu;
use crate::cpu::{descriptors, msr};
use sawmill_logic::platform::EntryState;

unsafe extern "C" {
    static vmx_exit: u8;
}

/// EPT pointer: write-back, four levels.
pub fn ept_pointer(root: u64) -> u64 {
    root | 6 | 3 << 3
}

/// What differs between vCPUs.
pub struct Identity {
    /// Root of the EPT.
    pub ept_root: u64,
    /// Tag.
    pub vpid: u16,
    /// I/O bitmaps.
    pub io_bitmaps: [u64; 2],
}

/// Fills the current VMCS.
///
/// # Errors
/// The processor's, should it lack a field.
pub fn fill(shared: &Shared, cpu: &Cpu, identity: &Identity, entry: EntryState) -> Result<(), VmxError> {
    write_all(&controls(shared, identity))?;
    write_all(&host(cpu))?;
    write_all(&guest(shared, entry))?;
    write_all(&segments())
}

fn write_all(values: &[(Writable, u64)]) -> Result<(), VmxError> {
    values.iter().try_for_each(|&(field, value)| write_checked(field, value))
}

fn controls(shared: &Shared, identity: &Identity) -> [(Writable, u64); 21] {
    const INVALID_OPCODE: u64 = 1 << 6;
    const NOT_AVAILABLE: u64 = 1 << 7;
    const MACHINE_CHECK: u64 = 1 << 18;
    let words = &shared.controls;
    [
        (fields::PIN_CONTROLS, words.pin.into()),
        (fields::PRIMARY_CONTROLS, words.primary.into()),
        (fields::SECONDARY_CONTROLS, words.secondary.into()),
        (fields::EXIT_CONTROLS, words.exit.into()),
        (fields::ENTRY_CONTROLS, words.entry.into()),
        (fields::PREEMPTION_TIMER, shared.look_interval_ticks),
        (fields::VPID, identity.vpid.into()),
        (fields::EPT_POINTER, ept_pointer(identity.ept_root)),
        (fields::IO_BITMAP_A, identity.io_bitmaps[0]),
        (fields::IO_BITMAP_B, identity.io_bitmaps[1]),
        (fields::MSR_BITMAP, bitmaps::msr_bitmap()),
        (fields::EXCEPTION_BITMAP, INVALID_OPCODE | NOT_AVAILABLE | MACHINE_CHECK),
        (fields::PAGE_FAULT_MASK, 0),
        (fields::PAGE_FAULT_MATCH, 0),
        (fields::CR3_TARGET_COUNT, 0),
        (fields::EXIT_MSR_STORE_COUNT, 0),
        (fields::EXIT_MSR_LOAD_COUNT, 0),
        (fields::ENTRY_MSR_LOAD_COUNT, 0),
        (fields::ENTRY_INTERRUPTION, 0),
        (fields::CR0_MASK, CR0_OWNED),
        (fields::CR4_MASK, !CR4_GUEST | shared.cr4_must),
    ]
}

fn host(cpu: &Cpu) -> [(Writable, u64); 23] {
    use core::sync::atomic::Ordering::Relaxed;
    let (gdt, tss, idt) = descriptors::bases(cpu.index.load(Relaxed) as usize);
    let data = u64::from(descriptors::DATA);
    [
        (fields::HOST_CS_SELECTOR, descriptors::CODE.into()),
        (fields::HOST_SS_SELECTOR, data),
        (fields::HOST_DS_SELECTOR, data),
        (fields::HOST_ES_SELECTOR, data),
        (fields::HOST_FS_SELECTOR, 0),
        (fields::HOST_GS_SELECTOR, 0),
        (fields::HOST_TR_SELECTOR, descriptors::TASK.into()),
        (fields::HOST_CR0, msr::cr0()),
        (fields::HOST_CR3, msr::cr3()),
        (fields::HOST_CR4, msr::cr4()),
        (fields::HOST_FS_BASE, 0),
        (fields::HOST_GS_BASE, cpu.this.load(Relaxed)),
        (fields::HOST_TR_BASE, tss),
        (fields::HOST_GDTR_BASE, gdt),
        (fields::HOST_IDTR_BASE, idt),
        (fields::HOST_IA32_PAT, msr::read(IA32_PAT)),
        (fields::HOST_IA32_EFER, msr::read(IA32_EFER)),
        (fields::HOST_SYSENTER_CS, 0),
        (fields::HOST_SYSENTER_ESP, 0),
        (fields::HOST_SYSENTER_EIP, 0),
        (fields::HOST_RSP, cpu.exit_frame[1].as_ptr() as u64),
        (fields::HOST_RIP, (&raw const vmx_exit) as u64),
        (fields::VMCS_LINK_POINTER, u64::MAX),
    ]
}

fn guest(shared: &Shared, entry: EntryState) -> [(Writable, u64); 18] {
    // SCE comes when system-call MSRs are loaded, see `system_calls`.
    const EFER_LME_LMA_NXE: u64 = 0xd00;
    const PAT_RESET: u64 = 0x0007_0406_0007_0406;
    [
        (fields::GUEST_CR0, CR0_START | shared.cr0_must | TS),
        (fields::CR0_SHADOW, CR0_START),
        (fields::GUEST_CR3, entry.cr3),
        (fields::GUEST_CR4, CR4_START | shared.cr4_must),
        (fields::CR4_SHADOW, CR4_START),
        (fields::GUEST_DR7, 0x400),
        (fields::GUEST_RSP, entry.rsp),
        (fields::GUEST_RIP, entry.rip),
        (fields::GUEST_RFLAGS, 2),
        (fields::GUEST_PENDING_DEBUG, 0),
        (fields::GUEST_SYSENTER_CS, 0),
        (fields::GUEST_SYSENTER_ESP, 0),
        (fields::GUEST_SYSENTER_EIP, 0),
        (fields::GUEST_IA32_DEBUGCTL, 0),
        (fields::GUEST_IA32_PAT, PAT_RESET),
        (fields::GUEST_IA32_EFER, EFER_LME_LMA_NXE),
        (fields::GUEST_INTERRUPTIBILITY, 0),
        (fields::GUEST_ACTIVITY, 0),
    ]
}

/// Flat 64-bit segments; no descriptor table in the guest's memory is needed.
fn segments() -> [(Writable, u64); 36] {
    const CODE: u64 = 0xa09b;
    const DATA: u64 = 0xc093;
    const TASK: u64 = 0x8b;
    const UNUSABLE: u64 = 1 << 16;
    const FLAT: u64 = 0xffff_ffff;
    [
        (fields::GUEST_CS_SELECTOR, 0x10),
        (fields::GUEST_SS_SELECTOR, 0x18),
        (fields::GUEST_DS_SELECTOR, 0x18),
        (fields::GUEST_ES_SELECTOR, 0x18),
        (fields::GUEST_FS_SELECTOR, 0x18),
        (fields::GUEST_GS_SELECTOR, 0x18),
        (fields::GUEST_LDTR_SELECTOR, 0),
        (fields::GUEST_TR_SELECTOR, 0x20),
        (fields::GUEST_CS_LIMIT, FLAT),
        (fields::GUEST_SS_LIMIT, FLAT),
        (fields::GUEST_DS_LIMIT, FLAT),
        (fields::GUEST_ES_LIMIT, FLAT),
        (fields::GUEST_FS_LIMIT, FLAT),
        (fields::GUEST_GS_LIMIT, FLAT),
        (fields::GUEST_LDTR_LIMIT, 0),
        (fields::GUEST_TR_LIMIT, 0x67),
        (fields::GUEST_GDTR_LIMIT, 0),
        (fields::GUEST_IDTR_LIMIT, 0),
        (fields::GUEST_CS_ACCESS, CODE),
        (fields::GUEST_SS_ACCESS, DATA),
        (fields::GUEST_DS_ACCESS, DATA),
        (fields::GUEST_ES_ACCESS, DATA),
        (fields::GUEST_FS_ACCESS, DATA),
        (fields::GUEST_GS_ACCESS, DATA),
        (fields::GUEST_LDTR_ACCESS, UNUSABLE),
        (fields::GUEST_TR_ACCESS, TASK),
        (fields::GUEST_CS_BASE, 0),
        (fields::GUEST_SS_BASE, 0),
        (fields::GUEST_DS_BASE, 0),
        (fields::GUEST_ES_BASE, 0),
        (fields::GUEST_FS_BASE, 0),
        (fields::GUEST_GS_BASE, 0),
        (fields::GUEST_LDTR_BASE, 0),
        (fields::GUEST_TR_BASE, 0),
        (fields::GUEST_GDTR_BASE, 0),
        (fields::GUEST_IDTR_BASE, 0),
    ]
}
