// SPDX-License-Identifier: MIT OR Apache-2.0
//! Fault messages, decoded.

use core::fmt;

use sawmill_abi::fault::{ExitKind, FAULT_TAG, FaultReason};
use sawmill_abi::hypercall::WORDS;

/// Why a partition stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason {
    /// A `FaultReason`, raw.
    pub reason: u64,
    /// Index of the vCPU.
    pub vcpu: u64,
    /// Its instruction pointer.
    pub rip: u64,
    /// Meaning depends on the reason.
    pub qualification: u64,
    /// Meaning depends on the reason.
    pub address: u64,
}

/// What happened, as far as policy is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It ended itself, with this code.
    Orderly(u64),
    /// It asks for a new start.
    Restart,
    /// It panicked, faulted or hangs.
    Failure,
}

impl Reason {
    /// Reads a fault message.
    pub fn decode(words: [u64; WORDS]) -> Option<Reason> {
        let [tag, reason, vcpu, rip, qualification, address] = words;
        (tag == FAULT_TAG).then_some(Reason { reason, vcpu, rip, qualification, address })
    }

    /// Returns what it means for policy.
    pub fn end(&self) -> End {
        const EXIT: u64 = FaultReason::Exit as u64;
        const POWER_OFF: u64 = ExitKind::PowerOff as u64;
        const HALT: u64 = ExitKind::Halt as u64;
        const RESTART: u64 = ExitKind::Restart as u64;
        match (self.reason, self.qualification) {
            (EXIT, POWER_OFF | HALT) => End::Orderly(self.address),
            (EXIT, RESTART) => End::Restart,
            _ => End::Failure,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Reason { reason, vcpu, rip, qualification, address } = *self;
        const REASONS: [(FaultReason, &str); 7] = [
            (FaultReason::EptViolation, "memory access fault"),
            (FaultReason::TripleFault, "triple fault"),
            (FaultReason::EntryFailure, "VM entry refused"),
            (FaultReason::UnknownExit, "exit that nobody handles"),
            (FaultReason::Exit, "ended"),
            (FaultReason::EptMisconfiguration, "EPT misconfiguration (hypervisor defect)"),
            (FaultReason::HaltForever, "halted with interrupts off"),
        ];
        let known = REASONS.iter().find(|(known, _)| *known as u64 == reason);
        match known.map(|(known, _)| known) {
            Some(FaultReason::Exit) => {
                const KINDS: [&str; 4] = ["powered off", "asked to restart", "panicked", "halted"];
                let kind = usize::try_from(qualification).ok().and_then(|kind| KINDS.get(kind));
                write!(out, "{} with code {address}", kind.unwrap_or(&"ended itself in an unknown way"))
            }
            Some(FaultReason::EptViolation) => {
                let access = match qualification {
                    bits if bits & 2 != 0 => "write to",
                    bits if bits & 4 != 0 => "execution at",
                    _ => "read of",
                };
                write!(out, "{access} unmapped memory {address:#x}, vCPU {vcpu} at {rip:#x}")
            }
            Some(_) => {
                let text = known.map_or("", |(_, text)| text);
                write!(out, "{text}, vCPU {vcpu} at {rip:#x}, qualification {qualification:#x}, address {address:#x}")
            }
            None => write!(out, "unknown reason {reason}, vCPU {vcpu} at {rip:#x}, qualification {qualification:#x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    fn decode(reason: FaultReason, qualification: u64, address: u64) -> Reason {
        Reason::decode([FAULT_TAG, reason as u64, 1, 0x10, qualification, address]).unwrap()
    }

    #[test]
    fn texts_and_ends() {
        let off = decode(FaultReason::Exit, ExitKind::PowerOff as u64, 3);
        assert_eq!((off.to_string().as_str(), off.end()), ("powered off with code 3", End::Orderly(3)));
        let panicked = decode(FaultReason::Exit, ExitKind::Panic as u64, 1);
        assert_eq!((panicked.to_string().as_str(), panicked.end()), ("panicked with code 1", End::Failure));
        assert_eq!(decode(FaultReason::Exit, ExitKind::Restart as u64, 0).end(), End::Restart);
        let violation = decode(FaultReason::EptViolation, 2, 0xfee0_0000);
        assert_eq!(violation.to_string(), "write to unmapped memory 0xfee00000, vCPU 1 at 0x10");
        assert_eq!(violation.end(), End::Failure);
        assert_eq!(Reason::decode([0; 6]), None, "an ordinary message is no fault");
    }
}
