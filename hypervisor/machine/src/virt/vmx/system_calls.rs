// SPDX-License-Identifier: MIT OR Apache-2.0
//! System-call MSRs, switched when somebody else uses SYSCALL.
//!
//! A vCPU runs with EFER.SCE clear until its first SYSCALL or SYSRET traps
//! (#UD exit); then its MSRs are loaded. A server without user space never
//! gets there, so a call to it and back writes none of them. Guests write
//! these MSRs and EFER with an exit, which is once per boot.

use core::sync::atomic::Ordering;
use x86::vmx::vmcs::guest;

use sawmill_logic::platform::{Registers, VcpuHardware, is_canonical};
use x86::msr::{IA32_CSTAR, IA32_EFER, IA32_FMASK, IA32_LSTAR, IA32_STAR, IA32_TSC_AUX};

use super::instructions;
use super::switch::{self, State};
use super::vcpu::Vcpu;
use crate::{cpu::area::Cpu, cpu::msr};

/// The MSRs that belong to the owner.
pub const MSRS: [u32; 4] = [IA32_STAR, IA32_LSTAR, IA32_CSTAR, IA32_FMASK];

const SCE: u64 = 1;
const LME_LMA: u64 = 1 << 8 | 1 << 10;
const NXE: u64 = 1 << 11;

/// Loads the MSRs of a vCPU that used SYSCALL or SYSRET; false if it may not, or has them already.
pub fn take_over(vcpu: &mut Vcpu, cpu: &Cpu, state: &State) -> bool {
    if vcpu.are_system_calls_loaded || state.is_system_call_enabled.load(Ordering::Relaxed) == 0 {
        return false;
    }
    cpu.system_call_owner.store(vcpu.state_frame(), Ordering::Relaxed);
    for (value, number) in state.system_call_msrs.iter().zip(MSRS) {
        msr::write(number, value.load(Ordering::Relaxed));
    }
    instructions::write(guest::IA32_EFER_FULL, instructions::read(guest::IA32_EFER_FULL) | SCE);
    vcpu.are_system_calls_loaded = true;
    vcpu.note_take_over(cpu);
    true
}

/// Makes the next SYSCALL of the current VMCS trap again.
pub fn revoke(vcpu: &mut Vcpu) {
    vcpu.are_system_calls_loaded = false;
    instructions::write(guest::IA32_EFER_FULL, instructions::read(guest::IA32_EFER_FULL) & !SCE);
}

/// Carries out RDMSR; false if this is none of these MSRs, and the kernel's policy decides.
pub fn read_msr(vcpu: &mut Vcpu, state: &State, registers: &mut Registers) -> bool {
    let number = registers.rcx as u32;
    let value = match (number, MSRS.iter().position(|&other| other == number)) {
        (_, Some(slot)) => state.system_call_msrs[slot].load(Ordering::Relaxed),
        (IA32_EFER, _) => {
            instructions::read(guest::IA32_EFER_FULL) & !SCE | state.is_system_call_enabled.load(Ordering::Relaxed)
        }
        (IA32_TSC_AUX, _) if switch::has_tsc_aux() => state.tsc_aux(),
        _ => return false,
    };
    (registers.rax, registers.rdx) = (value & 0xffff_ffff, value >> 32);
    vcpu.advance();
    true
}

/// Carries out WRMSR, or refuses a value that the processor would refuse; false as for [`read_msr`].
pub fn write_msr(vcpu: &mut Vcpu, state: &State, registers: &Registers) -> bool {
    let number = registers.rcx as u32;
    let value = registers.rdx << 32 | registers.rax & 0xffff_ffff;
    let is_valid = match (number, MSRS.iter().position(|&other| other == number)) {
        (_, Some(slot)) => write_system_call_msr(vcpu, state, slot, value),
        (IA32_EFER, _) => write_efer(vcpu, state, value),
        (IA32_TSC_AUX, _) if switch::has_tsc_aux() => {
            let is_valid = value >> 32 == 0;
            if is_valid {
                state.set_tsc_aux(value);
                msr::write(IA32_TSC_AUX, value);
            }
            is_valid
        }
        _ => return false,
    };
    if is_valid {
        vcpu.advance();
    } else {
        vcpu.inject_general_protection();
    }
    true
}

fn write_system_call_msr(vcpu: &Vcpu, state: &State, slot: usize, value: u64) -> bool {
    let is_valid = match MSRS[slot] {
        IA32_LSTAR | IA32_CSTAR => is_canonical(value),
        IA32_FMASK => value >> 32 == 0,
        _ => true,
    };
    if is_valid {
        state.system_call_msrs[slot].store(value, Ordering::Relaxed);
        if vcpu.are_system_calls_loaded {
            msr::write(MSRS[slot], value);
        }
    }
    is_valid
}

fn write_efer(vcpu: &Vcpu, state: &State, value: u64) -> bool {
    // Long mode cannot be left while paging is on, and paging is always on.
    if value & !(SCE | LME_LMA | NXE) != 0 || value & LME_LMA & !(1 << 10) == 0 {
        return false;
    }
    state.is_system_call_enabled.store(value & SCE, Ordering::Relaxed);
    let loaded = if vcpu.are_system_calls_loaded { value & SCE } else { 0 };
    instructions::write(guest::IA32_EFER_FULL, value & NXE | LME_LMA | loaded);
    true
}
