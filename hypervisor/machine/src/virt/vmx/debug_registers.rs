// SPDX-License-Identifier: MIT OR Apache-2.0
//! Debug registers: accesses exit, values are the vCPU's own.
//!
//! DR7 is guest state in the VMCS. DR0 to DR3 are loaded when DR7 enables one
//! of them, and DR6 is exchanged with them: only a debug exception writes it.

use core::arch::asm;
use core::sync::atomic::Ordering;
use x86::vmx::vmcs::{guest, ro};

use super::{control_registers, instructions};
use super::{switch::State, vcpu::Vcpu};
use sawmill_logic::platform::{Registers, VcpuHardware};

const ENABLE_BITS: u64 = 0xff;
const GENERAL_DETECT: u64 = 1 << 13;
const DR6_FIXED: u64 = 0xffff_0ff0;
const DR6_WRITABLE: u64 = 0xe00f;
/// Which of the four was hit, in DR6.
const BREAKPOINTS: u64 = 0xf;
const DR7_FIXED: u64 = 1 << 10;

/// Loads DR0 to DR3.
pub fn load(state: &State) {
    let [dr0, dr1, dr2, dr3] = state.debug.each_ref().map(|value| value.load(Ordering::Relaxed));
    // SAFETY: root mode runs with DR7 = 0x400 (VM exits set it), so the addresses have no effect here.
    unsafe {
        asm!("mov dr0, {}", "mov dr1, {}", "mov dr2, {}", "mov dr3, {}", in(reg) dr0, in(reg) dr1, in(reg) dr2,
            in(reg) dr3, options(nomem, nostack, preserves_flags));
    }
}

/// Puts DR6 away for one vCPU and brings it back for another; both sets of values are the guests' own.
pub fn exchange_status(old: &State, new: &State) {
    old.debug_status.store(read_dr6(), Ordering::Relaxed);
    write_dr6(new.debug_status.load(Ordering::Relaxed) & DR6_WRITABLE | DR6_FIXED);
}

/// Notes in DR6 the causes of a debug exception that exited, which the processor does not do then.
pub fn note_exception() {
    write_dr6(read_dr6() & !BREAKPOINTS | instructions::read(ro::EXIT_QUALIFICATION) & DR6_WRITABLE);
}

/// Carries out the MOV from or to a debug register that exited.
pub fn access(vcpu: &mut Vcpu, state: &State, registers: &mut Registers) {
    let qualification = instructions::read(ro::EXIT_QUALIFICATION);
    let register = qualification & 7;
    let index = qualification >> 8;
    if qualification & 1 << 4 != 0 {
        let value = match register {
            0..=3 => state.debug[register as usize].load(Ordering::Relaxed),
            7 | 5 => instructions::read(guest::DR7),
            _ => read_dr6(),
        };
        control_registers::set_register(registers, index, value);
        return vcpu.advance();
    }
    let value = control_registers::get_register(registers, index);
    match register {
        0..=3 => {
            state.debug[register as usize].store(value, Ordering::Relaxed);
            load(state);
        }
        // General detect would make accesses trap before they exit; nobody uses it.
        7 | 5 if value >> 32 == 0 => {
            instructions::write(guest::DR7, value & !GENERAL_DETECT & !(1 << 12 | 3 << 14 | 1 << 11) | DR7_FIXED);
            state.set_debugging(value & ENABLE_BITS != 0);
            load(state);
        }
        4 | 6 if value >> 32 == 0 => write_dr6(value & DR6_WRITABLE | DR6_FIXED),
        _ => return vcpu.inject_general_protection(),
    }
    vcpu.advance();
}

fn read_dr6() -> u64 {
    let value: u64;
    // SAFETY: reading it has no effect.
    unsafe { asm!("mov {}, dr6", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}

fn write_dr6(value: u64) {
    // SAFETY: reserved bits have their fixed values.
    unsafe { asm!("mov dr6, {}", in(reg) value, options(nomem, nostack, preserves_flags)) };
}
