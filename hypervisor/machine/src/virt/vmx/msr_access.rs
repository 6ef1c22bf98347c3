// SPDX-License-Identifier: MIT OR Apache-2.0
//! The MSRs that this crate switches itself: system calls and TSC_AUX.

use core::sync::atomic::Ordering;

use sawmill_logic::platform::{Registers, VcpuHardware};
use x86::msr::{IA32_CSTAR, IA32_FMASK, IA32_LSTAR, IA32_TSC_AUX};

use super::switch::{self, State};
use super::vcpu::{Vcpu, is_canonical};
use crate::cpu::msr;

/// What became of an access.
pub enum Access {
    /// Carried out or refused; the guest goes on.
    Done,
    /// Not one of these MSRs: the kernel's policy decides.
    NotOurs,
}

fn slot(number: u64) -> Option<usize> {
    switch::SYSTEM_CALL_MSRS.iter().position(|&other| u64::from(other) == number & 0xffff_ffff)
}

/// Carries out RDMSR.
pub fn read(vcpu: &mut Vcpu, state: &State, registers: &mut Registers) -> Access {
    let Some(slot) = slot(registers.rcx) else { return Access::NotOurs };
    let value = state.system_call_msrs[slot].load(Ordering::Relaxed);
    (registers.rax, registers.rdx) = (value & 0xffff_ffff, value >> 32);
    vcpu.advance();
    Access::Done
}

/// Carries out WRMSR.
pub fn write(vcpu: &mut Vcpu, state: &State, registers: &Registers) -> Access {
    let Some(slot) = slot(registers.rcx) else { return Access::NotOurs };
    let value = registers.rdx << 32 | registers.rax & 0xffff_ffff;
    let is_valid = match switch::SYSTEM_CALL_MSRS[slot] {
        IA32_LSTAR | IA32_CSTAR => is_canonical(value),
        IA32_FMASK => value >> 32 == 0,
        IA32_TSC_AUX => value >> 32 == 0 && switch::has_tsc_aux(),
        _ => true,
    };
    if is_valid {
        state.system_call_msrs[slot].store(value, Ordering::Relaxed);
        msr::write(switch::SYSTEM_CALL_MSRS[slot], value);
        vcpu.advance();
    } else {
        vcpu.inject_general_protection();
    }
    Access::Done
}
