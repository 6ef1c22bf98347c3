// SPDX-License-Identifier: MIT OR Apache-2.0
//! VM exits other than the IPC that `fast.rs` caught.
//!
//! Answered from tables, or passed to `fault.rs`. Nothing is emulated.

use crate::cpu::{Copied, Run};
use crate::vcpu::{Activity, Vcpu};
use crate::{fault::Fault, lookup::Caller, state::State};
use sawmill_abi::{fault::FaultReason, hypercall::Hypercall, statistics::ExitClass, status::Status, trace::TraceKind};
use sawmill_logic::msr::{self, MsrAnswer};
use sawmill_logic::platform::{Exit, Platform, Registers, VcpuHardware};
use sawmill_logic::{arena::Ref, cpuid};

/// Class under which an exit is counted.
fn class(exit: &Exit, registers: &Registers) -> ExitClass {
    match exit {
        Exit::Hypercall => match Hypercall::from_raw(registers.rax) {
            Some(Hypercall::PortalCall) => ExitClass::PortalCall,
            Some(Hypercall::PortalReply | Hypercall::PortalReplyWait) => ExitClass::PortalReply,
            _ => ExitClass::Hypercall,
        },
        Exit::ExternalInterrupt { .. } | Exit::Kicked => ExitClass::ExternalInterrupt,
        Exit::DeadlineReached => ExitClass::Timer,
        Exit::InterruptWindow => ExitClass::InterruptWindow,
        Exit::Cpuid => ExitClass::Cpuid,
        Exit::MsrRead | Exit::MsrWrite => ExitClass::Msr,
        Exit::Port { .. } => ExitClass::Port,
        Exit::Halt => ExitClass::Halt,
        Exit::Fault { reason: FaultReason::EptViolation, .. } => ExitClass::EptViolation,
        Exit::Fault { .. } | Exit::Skip => ExitClass::Other,
    }
}

impl<P: Platform> State<P> {
    /// Answers an exit of the current vCPU of this CPU.
    pub(crate) fn answer_exit(&mut self, reference: Ref<Vcpu>, run: &mut Run<P>, exit: Exit, copy: &mut Copied) {
        if let Exit::ExternalInterrupt { vector } = exit {
            self.interrupt(vector);
        }
        let Some(vcpu) = self.vcpus.get_mut(reference) else { return };
        let class = class(&exit, &run.registers);
        if let Some(count) = vcpu.statistics.exits.get_mut(class as usize) {
            *count += 1;
        }
        if vcpu.activity != Activity::Running {
            // Stopped by another CPU meanwhile: the instruction was not done and never will be.
            return;
        }
        let (partition, index) = (vcpu.partition, u32::from(vcpu.index));
        self.trace(TraceKind::Exit, Some(reference), class as u64, 0);
        let Run { hardware, registers, has_window, .. } = &mut *run;
        match exit {
            Exit::ExternalInterrupt { .. } | Exit::Kicked | Exit::DeadlineReached => {}
            Exit::InterruptWindow => {
                *has_window = false;
                hardware.set_interrupt_window(false);
            }
            Exit::Hypercall => {
                let level = hardware.privilege_level();
                hardware.advance();
                if level == 0 {
                    let selector = registers.rbx;
                    let is_call = registers.rax == Hypercall::PortalCall as u64;
                    self.hypercall(&Caller { vcpu: reference, partition }, registers, copy);
                    if is_call {
                        run.route = self.route(reference, selector);
                    }
                } else {
                    registers.rax = Status::NotPrivileged as u64;
                }
            }
            Exit::Cpuid => {
                let viewer = cpuid::Viewer { vcpu_index: index, cr4: hardware.cr4(), tsc_khz: self.platform.tsc_khz() };
                let raw = |leaf, subleaf| self.platform.cpuid(leaf, subleaf);
                let [eax, ebx, ecx, edx] = cpuid::answer(raw, viewer, registers.rax as u32, registers.rcx as u32);
                (registers.rax, registers.rbx) = (u64::from(eax), u64::from(ebx));
                (registers.rcx, registers.rdx) = (u64::from(ecx), u64::from(edx));
                hardware.advance();
            }
            Exit::MsrRead => {
                let answer = msr::read(registers.rcx as u32, self.platform.misc_enable());
                answer_msr(hardware, registers, answer);
            }
            Exit::MsrWrite => {
                let value = registers.rdx << 32 | registers.rax & 0xffff_ffff;
                answer_msr(hardware, registers, msr::write(registers.rcx as u32, value));
            }
            Exit::Port { is_string: true, .. } => hardware.inject_general_protection(),
            Exit::Port { width, is_input, .. } => {
                if is_input {
                    let mask = if width >= 4 { u64::from(u32::MAX) } else { (1 << (8 * width)) - 1 };
                    // A 32-bit result clears the upper half, narrower ones leave it.
                    registers.rax = if width >= 4 { mask } else { registers.rax | mask };
                }
                hardware.advance();
            }
            Exit::Halt => {
                hardware.advance();
                self.wait(reference);
            }
            Exit::Skip => hardware.advance(),
            Exit::Fault { reason, qualification, address } => {
                let fault = Fault { reason, rip: hardware.rip(), qualification, address };
                self.fault(reference, &fault);
            }
        }
    }
}

fn answer_msr(hardware: &mut impl VcpuHardware, registers: &mut Registers, answer: MsrAnswer) {
    match answer {
        MsrAnswer::Value(value) => {
            (registers.rax, registers.rdx) = (value & 0xffff_ffff, value >> 32);
            hardware.advance();
        }
        MsrAnswer::Ignore => hardware.advance(),
        MsrAnswer::Fault => hardware.inject_general_protection(),
    }
}
