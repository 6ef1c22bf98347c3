// SPDX-License-Identifier: MIT OR Apache-2.0
//! The hypercall table as code: which handler serves which number.
//!
//! Handlers decode (which may fail, without effect) and then act. Registers
//! become [`Arguments`] here and nowhere else.

use crate::state::{Decoded, State};
use crate::vcpu::{Activity, Outcome};
use crate::{event::PortalBit, lookup::Caller};
use arrayvec::ArrayVec;
use sawmill_abi::hypercall::{Hypercall, WORDS};
use sawmill_abi::machine::{SHUTDOWN_POWER_OFF, SHUTDOWN_RESET};
use sawmill_abi::{ABI_VERSION, status::Status, trace::TraceKind};
use sawmill_logic::platform::{Platform, Registers, Tsc};

/// RBX and the six words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arguments {
    pub selector: u64,
    pub words: [u64; WORDS],
}

impl Arguments {
    pub fn of(registers: &Registers) -> Arguments {
        let Registers { rbx, rdi, rsi, rdx, r10, r8, r9, .. } = *registers;
        Arguments { selector: rbx, words: [rdi, rsi, rdx, r10, r8, r9] }
    }
}

/// What a hypercall that succeeded returns: RBX and the first words.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    value: u64,
    words: ArrayVec<u64, WORDS>,
}

impl Answer {
    pub fn value(value: u64) -> Answer {
        Answer { value, words: ArrayVec::new() }
    }

    pub fn with(mut self, words: &[u64]) -> Answer {
        self.words.extend(words.iter().copied().take(WORDS));
        self
    }
}

/// Writes what a vCPU that waited gets.
pub(crate) fn write_outcome(registers: &mut Registers, outcome: &Outcome) {
    registers.rax = outcome.status;
    if let Some(badge) = outcome.badge {
        registers.rbx = badge;
    }
    if let Some([w0, w1, w2, w3, w4, w5]) = outcome.words {
        (registers.rdi, registers.rsi, registers.rdx) = (w0, w1, w2);
        (registers.r10, registers.r8, registers.r9) = (w3, w4, w5);
    }
}

fn write_answer(registers: &mut Registers, answer: &Answer) {
    registers.rax = Status::Ok as u64;
    registers.rbx = answer.value;
    let Registers { rdi, rsi, rdx, r10, r8, r9, .. } = registers;
    for (register, word) in [rdi, rsi, rdx, r10, r8, r9].into_iter().zip(&answer.words) {
        *register = *word;
    }
}

impl<P: Platform> State<P> {
    /// Does what a vCPU asks for. RIP is past the instruction already.
    pub(crate) fn hypercall(&mut self, caller: &Caller, registers: &mut Registers, copy: &mut crate::cpu::Copied) {
        let arguments = Arguments::of(registers);
        let Some(call) = Hypercall::from_raw(registers.rax) else {
            registers.rax = Status::BadHypercall as u64;
            return;
        };
        let progress = match call {
            Hypercall::PortalCall => self.portal_call(caller, &arguments),
            Hypercall::PortalReplyWait => self.portal_reply_wait(caller, &arguments),
            Hypercall::RegionCreate => self.region_create(caller, &arguments),
            _ => {
                match self.ordinary(call, caller, &arguments, copy) {
                    Ok(answer) => write_answer(registers, &answer),
                    Err(status) => registers.rax = status as u64,
                }
                return;
            }
        };
        if let Some(outcome) = progress {
            write_outcome(registers, &outcome);
        }
    }

    fn ordinary(
        &mut self,
        call: Hypercall,
        caller: &Caller,
        arguments: &Arguments,
        copy: &mut crate::cpu::Copied,
    ) -> Decoded<Answer> {
        match call {
            Hypercall::AbiVersion => Ok(Answer::value(ABI_VERSION)),
            // These may wait, and were caught before.
            Hypercall::PortalCall | Hypercall::PortalReplyWait | Hypercall::RegionCreate => Err(Status::BadHypercall),
            Hypercall::PortalReply => self.answer(caller.vcpu, arguments).map(|()| Answer::default()),
            Hypercall::VcpuWait => {
                self.wait(caller.vcpu);
                Ok(Answer::default())
            }
            Hypercall::TimerSet => {
                let ticks = arguments.words[0];
                self.set_timer(caller.vcpu, if ticks == 0 { Tsc::NEVER } else { Tsc(ticks) });
                Ok(Answer::default())
            }
            Hypercall::EventSignal => self.event_signal(caller, arguments),
            Hypercall::VcpuSignal => self.vcpu_signal(caller, arguments),
            Hypercall::ConsoleWrite => self.console_write(caller, arguments, copy),
            Hypercall::ConsoleRead => self.console_read(caller, arguments),
            Hypercall::PartitionExit => self.partition_exit(caller, arguments),
            Hypercall::TraceMark => {
                self.trace(TraceKind::Mark, Some(caller.vcpu), arguments.words[0], arguments.words[1]);
                Ok(Answer::default())
            }
            Hypercall::CapabilityCopy => self.capability_copy(caller, arguments),
            Hypercall::CapabilityRevoke => self.capability_revoke(caller, arguments),
            Hypercall::CapabilityIdentify => self.capability_identify(caller, arguments),
            Hypercall::PartitionCreate => self.partition_create(caller, arguments),
            Hypercall::PartitionDestroy => self.partition_destroy(caller, arguments),
            Hypercall::PartitionSetHandler => self.partition_set_handler(caller, arguments),
            Hypercall::PartitionStatistics => self.partition_statistics(caller, arguments),
            Hypercall::PartitionGrantPorts => self.partition_grant_ports(caller, arguments),
            Hypercall::PartitionSetConsole => self.partition_set_console(caller, arguments),
            Hypercall::VcpuCreate => self.vcpu_create(caller, arguments),
            Hypercall::VcpuStart => self.vcpu_start(caller, arguments),
            Hypercall::RegionMap => self.region_map(caller, arguments),
            Hypercall::RegionUnmap => self.region_unmap(caller, arguments),
            Hypercall::RegionInfo => self.region_info(caller, arguments),
            Hypercall::PortalCreate => self.portal_create(caller, arguments),
            Hypercall::EventCreate => self.event_create(caller, arguments),
            Hypercall::IrqCreate => self.irq_create(caller, arguments),
            Hypercall::IrqAcknowledge => self.irq_acknowledge(caller, arguments),
            Hypercall::DeviceFind => self.device_find(caller, arguments),
            Hypercall::DeviceAssign => self.device_assign(caller, arguments),
            Hypercall::DeviceConfigRead => self.device_config_read(caller, arguments),
            Hypercall::DeviceConfigWrite => self.device_config_write(caller, arguments),
            Hypercall::DeviceBar => self.device_bar(caller, arguments),
            Hypercall::DeviceMsi => self.device_msi(caller, arguments),
            Hypercall::TraceControl => self.trace_control(caller, arguments),
            Hypercall::TraceRead => self.trace_read(caller, arguments),
            Hypercall::MachineShutdown => self.machine_shutdown(caller, arguments),
        }
    }

    /// Lets a vCPU wait for an event, unless one is pending.
    pub(crate) fn wait(&mut self, reference: sawmill_logic::arena::Ref<crate::vcpu::Vcpu>) {
        if !self.has_events(reference, PortalBit::Counts)
            && let Some(vcpu) = self.vcpus.get_mut(reference)
        {
            vcpu.activity = Activity::Waiting;
        }
    }

    fn machine_shutdown(&mut self, caller: &Caller, arguments: &Arguments) -> Decoded<Answer> {
        self.lookup_machine(caller, arguments.selector)?;
        let kind = arguments.words[0];
        if kind != SHUTDOWN_POWER_OFF && kind != SHUTDOWN_RESET {
            return Err(Status::BadArgument);
        }
        self.stop = Some(kind);
        Ok(Answer::default())
    }
}
