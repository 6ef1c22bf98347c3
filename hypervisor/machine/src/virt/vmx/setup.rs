// SPDX-License-Identifier: MIT OR Apache-2.0
//! Filling a fresh VMCS: controls, host state, guest start state.

use x86::msr::{IA32_EFER, IA32_PAT};
use x86::vmx::vmcs::{control, guest, host};

use super::control_registers::{CR0_OWNED, CR0_START, CR4_GUEST, CR4_START, TS};
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
    write_segments()
}

fn write_all(values: &[(u32, u64)]) -> Result<(), VmxError> {
    values.iter().try_for_each(|&(field, value)| write_checked(field, value))
}

fn controls(shared: &Shared, identity: &Identity) -> [(u32, u64); 21] {
    // #DB, #UD, #NM, #AC and #MC: what becomes of them is in `exit::exception`.
    let exceptions = [1, 6, 7, 17, 18].into_iter().fold(0, |bits, vector| bits | 1 << vector);
    let words = &shared.controls;
    [
        (control::PINBASED_EXEC_CONTROLS, words.pin.into()),
        (control::PRIMARY_PROCBASED_EXEC_CONTROLS, words.primary.into()),
        (control::SECONDARY_PROCBASED_EXEC_CONTROLS, words.secondary.into()),
        (control::VMEXIT_CONTROLS, words.exit.into()),
        (control::VMENTRY_CONTROLS, words.entry.into()),
        (guest::VMX_PREEMPTION_TIMER_VALUE, shared.look_interval_ticks),
        (control::VPID, identity.vpid.into()),
        (control::EPTP_FULL, ept_pointer(identity.ept_root)),
        (control::IO_BITMAP_A_ADDR_FULL, identity.io_bitmaps[0]),
        (control::IO_BITMAP_B_ADDR_FULL, identity.io_bitmaps[1]),
        (control::MSR_BITMAPS_ADDR_FULL, bitmaps::msr_bitmap()),
        (control::EXCEPTION_BITMAP, exceptions),
        (control::PAGE_FAULT_ERR_CODE_MASK, 0),
        (control::PAGE_FAULT_ERR_CODE_MATCH, 0),
        (control::CR3_TARGET_COUNT, 0),
        (control::VMEXIT_MSR_STORE_COUNT, 0),
        (control::VMEXIT_MSR_LOAD_COUNT, 0),
        (control::VMENTRY_MSR_LOAD_COUNT, 0),
        (control::VMENTRY_INTERRUPTION_INFO_FIELD, 0),
        (control::CR0_GUEST_HOST_MASK, CR0_OWNED),
        (control::CR4_GUEST_HOST_MASK, !CR4_GUEST | shared.cr4_must),
    ]
}

fn host(cpu: &Cpu) -> [(u32, u64); 23] {
    use core::sync::atomic::Ordering::Relaxed;
    let (gdt, tss, idt) = descriptors::bases(cpu.index.load(Relaxed) as usize);
    let data = u64::from(descriptors::DATA);
    [
        (host::CS_SELECTOR, descriptors::CODE.into()),
        (host::SS_SELECTOR, data),
        (host::DS_SELECTOR, data),
        (host::ES_SELECTOR, data),
        (host::FS_SELECTOR, 0),
        (host::GS_SELECTOR, 0),
        (host::TR_SELECTOR, descriptors::TASK.into()),
        (host::CR0, msr::cr0()),
        (host::CR3, msr::cr3()),
        (host::CR4, msr::cr4()),
        (host::FS_BASE, 0),
        (host::GS_BASE, cpu.this.load(Relaxed)),
        (host::TR_BASE, tss),
        (host::GDTR_BASE, gdt),
        (host::IDTR_BASE, idt),
        (host::IA32_PAT_FULL, msr::read(IA32_PAT)),
        (host::IA32_EFER_FULL, msr::read(IA32_EFER)),
        (host::IA32_SYSENTER_CS, 0),
        (host::IA32_SYSENTER_ESP, 0),
        (host::IA32_SYSENTER_EIP, 0),
        (host::RSP, cpu.exit_frame[1].as_ptr() as u64),
        (host::RIP, (&raw const vmx_exit) as u64),
        (guest::LINK_PTR_FULL, u64::MAX),
    ]
}

fn guest(shared: &Shared, entry: EntryState) -> [(u32, u64); 18] {
    // SCE comes when system-call MSRs are loaded, see `system_calls`.
    const EFER_LME_LMA_NXE: u64 = 0xd00;
    const PAT_RESET: u64 = 0x0007_0406_0007_0406;
    [
        (guest::CR0, CR0_START | shared.cr0_must | TS),
        (control::CR0_READ_SHADOW, CR0_START),
        (guest::CR3, entry.cr3),
        (guest::CR4, CR4_START | shared.cr4_must),
        (control::CR4_READ_SHADOW, CR4_START),
        (guest::DR7, 0x400),
        (guest::RSP, entry.rsp),
        (guest::RIP, entry.rip),
        (guest::RFLAGS, 2),
        (guest::PENDING_DBG_EXCEPTIONS, 0),
        (guest::IA32_SYSENTER_CS, 0),
        (guest::IA32_SYSENTER_ESP, 0),
        (guest::IA32_SYSENTER_EIP, 0),
        (guest::IA32_DEBUGCTL_FULL, 0),
        (guest::IA32_PAT_FULL, PAT_RESET),
        (guest::IA32_EFER_FULL, EFER_LME_LMA_NXE),
        (guest::INTERRUPTIBILITY_STATE, 0),
        (guest::ACTIVITY_STATE, 0),
    ]
}

/// Writes flat 64-bit segments; no descriptor table in the guest's memory is needed.
fn write_segments() -> Result<(), VmxError> {
    const CODE: u64 = 0xa09b;
    const DATA: u64 = 0xc093;
    const TASK: u64 = 0x8b;
    const UNUSABLE: u64 = 1 << 16;
    const FLAT: u64 = 0xffff_ffff;
    let data = (0x18, FLAT, DATA);
    // Selector, limit and access rights of ES CS SS DS FS GS LDTR TR, in the order of their fields.
    let segments = [data, (0x10, FLAT, CODE), data, data, data, data, (0, 0, UNUSABLE), (0x20, 0x67, TASK)];
    for (field, (selector, limit, access)) in (0..).step_by(2).zip(segments) {
        write_checked(guest::ES_SELECTOR + field, selector)?;
        write_checked(guest::ES_LIMIT + field, limit)?;
        write_checked(guest::ES_ACCESS_RIGHTS + field, access)?;
        write_checked(guest::ES_BASE + field, 0)?;
    }
    [guest::GDTR_LIMIT, guest::IDTR_LIMIT, guest::GDTR_BASE, guest::IDTR_BASE]
        .into_iter()
        .try_for_each(|field| write_checked(field, 0))
}
