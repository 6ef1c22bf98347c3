// SPDX-License-Identifier: MIT OR Apache-2.0
//! Entries of the per-CPU trace rings.

/// What an entry tells.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceKind {
    /// VM exit; a = exit class.
    Exit = 1,
    /// `portal_call`; a = badge, b = first word.
    Call = 2,
    /// Reply; a = status, b = caller (partition << 8 | vCPU).
    Reply = 3,
    /// Event signalled; a = partition << 16 | vCPU << 8 | bit.
    Event = 4,
    /// Another vCPU runs; a = partition << 8 | vCPU, 0 = none.
    Switch = 5,
    /// Physical interrupt; a = vector.
    Interrupt = 6,
    /// Fault; a = reason, b = address.
    Fault = 7,
    /// Mark set by a partition; a, b = its words.
    Mark = 8,
}

/// One entry.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct TraceEntry {
    /// Time stamp.
    pub tsc: u64,
    /// A [`TraceKind`].
    pub kind: u32,
    /// partition << 16 | vCPU << 8 | physical CPU.
    pub who: u32,
    /// First datum.
    pub a: u64,
    /// Second datum.
    pub b: u64,
}
