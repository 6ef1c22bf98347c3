// SPDX-License-Identifier: MIT OR Apache-2.0
//! CR0 and CR4 of guests: which bits are theirs, and the rare write that exits.
//!
//! Linux never exits here: it changes only bits that it owns.

use sawmill_logic::platform::{Registers, VcpuHardware};
use x86::vmx::vmcs::{control, guest, ro};

use super::{instructions, vcpu::Vcpu};

/// Protection enabled.
pub const PE: u64 = 1;
/// Task switched: set while the extended state is somebody else's.
pub const TS: u64 = 1 << 3;
const NE: u64 = 1 << 5;
const NW: u64 = 1 << 29;
const CD: u64 = 1 << 30;
const PG: u64 = 1 << 31;

/// CR0 bits whose real value the guest does not decide: caches stay on, paging stays on, TS is lazy switching.
pub const CR0_OWNED: u64 = PE | TS | NE | NW | CD | PG;
/// CR0 as a guest starts with it: PG AM WP NE ET MP PE.
pub const CR0_START: u64 = 0x8005_0033;

/// Machine checks are on: without it one that comes while a guest runs resets the machine without a word.
pub const MCE: u64 = 1 << 6;
/// CR4 bits that a guest may set: VME PVI TSD DE PSE PAE PGE PCE OSFXSR OSXMMEXCPT UMIP FSGSBASE PCIDE OSXSAVE
/// SMEP SMAP. Others enable state that is not switched, or VMX.
pub const CR4_GUEST: u64 = 0x0fff & !MCE | 1 << 16 | 1 << 17 | 1 << 18 | 1 << 20 | 1 << 21;
/// CR4 as a guest starts with it: PAE.
pub const CR4_START: u64 = 1 << 5;

const _: () = assert!(CR4_GUEST & 1 << 13 == 0, "VMXE stays the hypervisor's");

/// Finds a general-purpose register by its number in an exit qualification; none for RSP, which is in the VMCS.
fn register(registers: &mut Registers, index: u64) -> Option<&mut u64> {
    let Registers { rax, rcx, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15 } = registers;
    let low = [Some(rax), Some(rcx), Some(rdx), Some(rbx), None, Some(rbp), Some(rsi), Some(rdi)];
    let high = [r8, r9, r10, r11, r12, r13, r14, r15].map(Some);
    low.into_iter().chain(high).nth(index as usize & 15)?
}

/// Returns a general-purpose register by its number.
pub fn get_register(registers: &mut Registers, index: u64) -> u64 {
    register(registers, index).map_or_else(|| instructions::read(guest::RSP), |register| *register)
}

/// Sets a general-purpose register by its number.
pub fn set_register(registers: &mut Registers, index: u64, value: u64) {
    match register(registers, index) {
        Some(register) => *register = value,
        None => instructions::write(guest::RSP, value),
    }
}

/// Carries out the control-register access that exited, or refuses it with #GP.
pub fn access(vcpu: &mut Vcpu, registers: &mut Registers) {
    // SDM Vol. 3C, "Exit Qualification for Control-Register Accesses".
    const MOV_TO: u64 = 0;
    const CLTS: u64 = 2;
    let qualification = instructions::read(ro::EXIT_QUALIFICATION);
    let kind = qualification >> 4 & 3;
    let number = qualification & 15;
    let shadow = instructions::read(control::CR0_READ_SHADOW);
    let wanted = match (kind, number) {
        (CLTS, _) => instructions::read(guest::CR0) & !CR0_OWNED | shadow & CR0_OWNED & !TS,
        (MOV_TO, 0) => get_register(registers, qualification >> 8),
        // CR4: only bits that are refused exit. CR8: there is no APIC. LMSW: nobody uses it.
        _ => return vcpu.inject_general_protection(),
    };
    let must = PE | PG | NE;
    if wanted & must != must || wanted >> 32 != 0 || (wanted & NW != 0 && wanted & CD == 0) {
        return vcpu.inject_general_protection();
    }
    let lazy = if vcpu.is_extended_state_loaded { wanted & TS } else { TS };
    instructions::write(guest::CR0, wanted & !CR0_OWNED | must | lazy);
    instructions::write(control::CR0_READ_SHADOW, wanted);
    vcpu.advance();
}
