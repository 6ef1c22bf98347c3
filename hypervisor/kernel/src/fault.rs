// SPDX-License-Identifier: MIT OR Apache-2.0
//! Faults and exits of partitions: messages to their handlers.
//!
//! A guest's error stops the guest and never the machine. Only the end of
//! root, whose handler nobody is, stops everything, in plain words.

use crate::hypercall::{Answer, Arguments};
use crate::lookup::Caller;
use crate::partition::{Condition, Handler, Partition};
use crate::state::{Decoded, State};
use crate::vcpu::{Activity, Call, CallKind, Vcpu};
use core::fmt::Write;
use sawmill_abi::fault::{ExitKind, FAULT_TAG, FaultReason};
use sawmill_abi::{machine::SHUTDOWN_POWER_OFF, status::Status, trace::TraceKind};
use sawmill_logic::arena::Ref;
use sawmill_logic::platform::{Platform, Tsc};

/// What happened to a vCPU.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub reason: FaultReason,
    pub rip: u64,
    pub qualification: u64,
    pub address: u64,
}

impl<P: Platform> State<P> {
    /// Tells the handler of a vCPU's partition; the vCPU waits for its decision.
    pub(crate) fn fault(&mut self, reference: Ref<Vcpu>, fault: &Fault) {
        self.trace(TraceKind::Fault, Some(reference), fault.reason as u64, fault.address);
        let Some(vcpu) = self.vcpus.get_mut(reference) else { return };
        vcpu.activity = Activity::Parked;
        let (owner, index) = (vcpu.partition, vcpu.index);
        let Fault { reason, rip, qualification, address } = *fault;
        let words = [FAULT_TAG, reason as u64, u64::from(index), rip, qualification, address];
        let handler = self.partitions.get(owner).and_then(|partition| partition.handler);
        if let Some(Handler { portal, badge }) = handler {
            let call = Call { kind: CallKind::Fault, badge, words, deadline: Tsc::NEVER };
            if self.call(reference, portal, call).is_ok() {
                return;
            }
        }
        let label = self.partitions.get(owner).map_or("?", |partition| partition.label());
        let _ = writeln!(
            self.log,
            "partition {label}: vCPU {index} stopped: {reason:?}, RIP {rip:#x}, qualification {qualification:#x}, address {address:#x}; nobody handles it"
        );
        self.park(owner);
    }

    pub(crate) fn partition_exit(&mut self, caller: &Caller, arguments: &Arguments) -> Decoded<Answer> {
        let [kind, code, ..] = arguments.words;
        if kind > ExitKind::Halt as u64 {
            return Err(Status::BadArgument);
        }
        self.park(caller.partition);
        let fault = Fault { reason: FaultReason::Exit, rip: 0, qualification: kind, address: code };
        if self.stop.is_none() {
            self.fault(caller.vcpu, &fault);
        }
        Ok(Answer::default())
    }

    /// Stops all vCPUs of a partition; its peers learn that it is dead.
    pub(crate) fn park(&mut self, reference: Ref<Partition>) {
        let partition = self.partitions.get_mut(reference).filter(|it| it.condition == Condition::Running);
        let Some(partition) = partition else { return };
        partition.condition = Condition::Parked;
        let vcpus = partition.vcpus;
        self.begin_epoch();
        for vcpu in vcpus.into_iter().flatten() {
            self.leave_calls(vcpu);
            self.stop_vcpu(vcpu);
        }
        if self.root == Some(reference) {
            self.stop_without_root();
        }
    }

    /// Takes a vCPU off its CPU and out of the ready queue.
    pub(crate) fn stop_vcpu(&mut self, reference: Ref<Vcpu>) {
        self.settle_for(reference);
        let vcpu = self.vcpus.get_mut(reference).filter(|vcpu| vcpu.activity != Activity::Zombie);
        let Some(vcpu) = vcpu else { return };
        vcpu.activity = Activity::Parked;
        let cpu = vcpu.cpu;
        self.cpu(cpu).ready.remove(reference);
        self.kick(cpu);
    }

    /// Nobody is left who could decide anything.
    pub(crate) fn stop_without_root(&mut self) {
        self.say(format_args!("root has ended; the machine stops"));
        self.stop = Some(SHUTDOWN_POWER_OFF);
    }
}
