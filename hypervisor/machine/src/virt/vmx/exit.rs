// SPDX-License-Identifier: MIT OR Apache-2.0
//! VM exits other than hypercalls: decoded, or dealt with on the spot.
//!
//! What concerns only the processor (extended state, system-call MSRs, CR0,
//! debug registers, NMI) is carried out here and never reaches the kernel.

use core::sync::atomic::Ordering;
use x86::vmx::vmcs::{control, guest, ro};

use sawmill_abi::fault::FaultReason;
use sawmill_logic::platform::{Exit, Registers, Tsc, VcpuHardware};

use super::vcpu::{INTERRUPTS_ENABLED, Vcpu};
use super::{control_registers, debug_registers, extended_state, instructions, system_calls};
use crate::apic::{self, local};
use crate::{cpu::area::Cpu, cpu::exceptions};
use crate::{epitaph, time};

// SDM Vol. 3D, App. C, "VMX Basic Exit Reasons".
const EXCEPTION_OR_NMI: u32 = 0;
const EXTERNAL_INTERRUPT: u32 = 1;
const TRIPLE_FAULT: u32 = 2;
const INTERRUPT_WINDOW: u32 = 7;
const CPUID: u32 = 10;
const GETSEC: u32 = 11;
const HLT: u32 = 12;
const INVD: u32 = 13;
const RDPMC: u32 = 15;
const VMCLEAR: u32 = 19;
const VMXON: u32 = 27;
const CONTROL_REGISTER: u32 = 28;
const DEBUG_REGISTER: u32 = 29;
const IO: u32 = 30;
const RDMSR: u32 = 31;
const WRMSR: u32 = 32;
const MWAIT: u32 = 36;
const MONITOR: u32 = 39;
const PAUSE: u32 = 40;
const EPT_VIOLATION: u32 = 48;
const EPT_MISCONFIGURATION: u32 = 49;
const INVEPT: u32 = 50;
const PREEMPTION_TIMER: u32 = 52;
const INVVPID: u32 = 53;
const WBINVD: u32 = 54;
const XSETBV: u32 = 55;
const VMFUNC: u32 = 59;

const ENTRY_FAILED: u64 = 1 << 31;
const VALID: u64 = 1 << 31;

/// Turns an exit into what the kernel understands; none if the guest can go on at once.
#[inline(never)]
pub fn decode(vcpu: &mut Vcpu, cpu: &Cpu, registers: &mut Registers, reason: u64, deadline: Tsc) -> Option<Exit> {
    let qualification = instructions::read(ro::EXIT_QUALIFICATION);
    if reason & ENTRY_FAILED != 0 {
        return fault(FaultReason::EntryFailure, qualification, reason);
    }
    let basic = reason as u32 & 0xffff;
    let unknown = fault(FaultReason::UnknownExit, basic.into(), qualification);
    let state = vcpu.state();
    let vectoring = instructions::read(ro::IDT_VECTORING_INFO);
    if vectoring & VALID != 0 {
        // The exit interrupted the delivery of an event, which a guest must not lose.
        vcpu.redeliver(vectoring, instructions::read(ro::IDT_VECTORING_ERR_CODE));
    }
    match basic {
        EXCEPTION_OR_NMI => return exception(vcpu, cpu, unknown, deadline),
        EXTERNAL_INTERRUPT => return interrupt(cpu, instructions::read(ro::VMEXIT_INTERRUPTION_INFO) as u8, deadline),
        PREEMPTION_TIMER => {
            // Nothing asked for this exit.
            return withheld_interrupt(cpu, deadline);
        }
        TRIPLE_FAULT => return fault(FaultReason::TripleFault, 0, 0),
        INTERRUPT_WINDOW => return Some(Exit::InterruptWindow),
        CPUID => return Some(Exit::Cpuid),
        HLT if instructions::read(guest::RFLAGS) & INTERRUPTS_ENABLED != 0 => return Some(Exit::Halt),
        HLT => return fault(FaultReason::HaltForever, 0, 0),
        INVD | PAUSE | WBINVD => return Some(Exit::Skip),
        IO => return Some(port(qualification)),
        EPT_VIOLATION => return fault(FaultReason::EptViolation, qualification & 7, guest_physical_address()),
        EPT_MISCONFIGURATION => return fault(FaultReason::EptMisconfiguration, 0, guest_physical_address()),
        CONTROL_REGISTER => control_registers::access(vcpu, registers),
        RDPMC => vcpu.inject_general_protection(),
        GETSEC | VMCLEAR..=VMXON | MWAIT | MONITOR | INVEPT | INVVPID | VMFUNC => vcpu.inject_invalid_opcode(),
        DEBUG_REGISTER => debug_registers::access(vcpu, state, registers),
        RDMSR if !system_calls::read_msr(vcpu, state, registers) => return Some(Exit::MsrRead),
        WRMSR if !system_calls::write_msr(vcpu, state, registers) => return Some(Exit::MsrWrite),
        RDMSR | WRMSR => {}
        XSETBV => set_extended_control(vcpu, state, registers),
        _ => return unknown,
    }
    None
}

fn fault(reason: FaultReason, qualification: u64, address: u64) -> Option<Exit> {
    Some(Exit::Fault { reason, qualification, address })
}

fn guest_physical_address() -> u64 {
    instructions::read(ro::GUEST_PHYSICAL_ADDR_FULL)
}

fn port(qualification: u64) -> Exit {
    Exit::Port {
        port: (qualification >> 16) as u16,
        width: (qualification & 7) as u8 + 1,
        is_input: qualification & 1 << 3 != 0,
        is_string: qualification & 1 << 4 != 0,
    }
}

/// Sorts an acknowledged interrupt: this crate's own are ended here.
fn interrupt(cpu: &Cpu, vector: u8, deadline: Tsc) -> Option<Exit> {
    match vector {
        apic::SPURIOUS_VECTOR => None,
        apic::TIMER_VECTOR => {
            local::end_of_interrupt();
            // It may have been armed for something earlier; then the next entry arms it again.
            cpu.armed_deadline.store(u64::MAX, Ordering::Relaxed);
            (time::now() >= deadline.0).then_some(Exit::DeadlineReached)
        }
        apic::KICK_VECTOR => {
            local::end_of_interrupt();
            Some(Exit::Kicked)
        }
        _ => Some(Exit::ExternalInterrupt { vector }),
    }
}

/// Looks whether an interrupt waits that did not end the guest's run.
fn withheld_interrupt(cpu: &Cpu, deadline: Tsc) -> Option<Exit> {
    exceptions::open_window();
    exceptions::take_pending().and_then(|vector| interrupt(cpu, vector, deadline))
}

fn exception(vcpu: &mut Vcpu, cpu: &Cpu, unknown: Option<Exit>, deadline: Tsc) -> Option<Exit> {
    const DEBUG: u64 = 1;
    const NMI: u64 = 2;
    const INVALID_OPCODE: u64 = 6;
    const DEVICE_NOT_AVAILABLE: u64 = 7;
    const ALIGNMENT_CHECK: u64 = 17;
    const MACHINE_CHECK: u64 = 18;
    let information = instructions::read(ro::VMEXIT_INTERRUPTION_INFO);
    match information & 0xff {
        vector @ (DEBUG | ALIGNMENT_CHECK) => {
            // They only pass through: a guest can make their delivery raise them again, for ever, and between the
            // two the processor takes no interrupt (CVE-2015-5307, CVE-2015-8104).
            if vector == DEBUG {
                debug_registers::note_exception();
                vcpu.unblock();
            }
            vcpu.redeliver(information, instructions::read(ro::VMEXIT_INTERRUPTION_ERR_CODE));
            withheld_interrupt(cpu, deadline)
        }
        NMI => {
            // NMIs stay blocked after such an exit until an IRET: take a software one through the NMI stub.
            // SAFETY: vector 2 has a stub that returns, or stops this CPU with all others.
            unsafe { core::arch::asm!("int 2") };
            None
        }
        INVALID_OPCODE => {
            if !system_calls::take_over(vcpu, cpu, vcpu.state()) {
                vcpu.inject_invalid_opcode();
            }
            None
        }
        DEVICE_NOT_AVAILABLE => {
            let shadow = instructions::read(control::CR0_READ_SHADOW);
            if vcpu.is_extended_state_loaded || shadow & control_registers::TS != 0 {
                // The guest set EM or TS itself and wants this trap.
                vcpu.inject_exception(DEVICE_NOT_AVAILABLE, false);
                return None;
            }
            let xcr0 = vcpu.state().xcr0();
            extended_state::take_over(cpu, vcpu.state_frame(), super::shared()?.extended_state_mask, xcr0);
            vcpu.is_extended_state_loaded = true;
            vcpu.note_take_over(cpu);
            instructions::write(guest::CR0, instructions::read(guest::CR0) & !control_registers::TS);
            None
        }
        MACHINE_CHECK => epitaph::machine_check(),
        _ => unknown,
    }
}

fn set_extended_control(vcpu: &mut Vcpu, state: &super::switch::State, registers: &Registers) {
    let mask = super::shared().map_or(0, |shared| shared.extended_state_mask);
    let value = registers.rdx << 32 | registers.rax & 0xffff_ffff;
    if registers.rcx & 0xffff_ffff != 0 || !extended_state::is_valid_xcr0(value, mask) {
        return vcpu.inject_general_protection();
    }
    state.set_xcr0(value);
    extended_state::set_xcr0(value);
    vcpu.advance();
}
