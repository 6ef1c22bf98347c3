// SPDX-License-Identifier: MIT OR Apache-2.0
//! Fault messages: what a partition's handler receives when a vCPU faults.
//!
//! The hypervisor calls the handler's portal in the name of the faulting vCPU.
//! Words: [`FAULT_TAG`], reason, vCPU index, RIP, qualification, address.
//! The vCPU stays parked until the reply, whose first word is an answer below.

/// First word of a fault message: the bytes `HVFAULT`, so that no ordinary call is mistaken for one.
/// (The badge of the portal tells which partition it was.)
pub const FAULT_TAG: u64 = 0x0054_4c55_4146_5648;

/// Why a vCPU stopped.
#[repr(u64)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultReason {
    /// Access to a guest-physical address that is not mapped so; address = GPA, qualification: bit 0 read, 1 write, 2 execute.
    EptViolation = 1,
    /// Triple fault.
    TripleFault = 2,
    /// VM entry refused the vCPU's state; qualification = the processor's, address = exit reason or VM-instruction error.
    EntryFailure = 3,
    /// An exit that nobody asked for; qualification = basic exit reason, address = the processor's qualification.
    UnknownExit = 4,
    /// The partition asked for it (`partition_exit`): address = code, qualification = [`ExitKind`].
    Exit = 5,
    /// An EPT entry is malformed: a hypervisor defect, confined to the partition; address = GPA.
    EptMisconfiguration = 6,
    /// HLT with interrupts off: the vCPU can never run again.
    HaltForever = 7,
}

/// How a partition ended itself.
#[repr(u64)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitKind {
    /// Orderly power-off.
    PowerOff = 0,
    /// Asks to be started again.
    Restart = 1,
    /// Its kernel panicked.
    Panic = 2,
    /// Halted.
    Halt = 3,
}

/// Answer: the vCPU stays parked.
pub const FAULT_PARK: u64 = 0;
/// Answer: the vCPU tries the instruction again.
pub const FAULT_RESUME: u64 = 1;
