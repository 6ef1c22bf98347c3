// SPDX-License-Identifier: MIT OR Apache-2.0
//! What one physical CPU alone touches: registers and hardware of its vCPUs.
//!
//! Owns [`CpuLocal`], whose lock its CPU takes once and keeps. Lock order:
//! this one, then the big lock; the console lock only while the big one is
//! free (see `hypervisor/doc/internals.md`).

use crate::limits::{LOG_BYTES, PARTITIONS, VCPUS};
use crate::{lease::Pair, state::State, vcpu::Vcpu};
use arrayvec::ArrayString;
use sawmill_abi::PAGE_SIZE;
use sawmill_logic::arena::Ref;
use sawmill_logic::platform::{Exit, Platform, Registers};

/// Where a vCPU's last call went, good as long as `Run::epoch` is the kernel's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route {
    /// Selector of the portal.
    pub selector: u64,
    /// The server's vCPU on this CPU.
    pub server: Ref<Vcpu>,
    pub badge: u64,
    pub budget_ticks: u64,
}

/// A vCPU's registers and hardware.
pub(crate) struct Run<P: Platform> {
    pub hardware: P::Vcpu,
    pub registers: Registers,
    /// The kernel's epoch when this vCPU was last prepared for entry: its translations are good if it is still that.
    pub epoch: u64,
    pub route: Option<Route>,
    /// An interrupt window was asked for.
    pub has_window: bool,
}

/// Console output copied out of a guest, put out when the big lock is free.
pub(crate) struct Copied {
    pub bytes: [u8; PAGE_SIZE as usize],
    pub length: usize,
    pub id: u8,
    pub channel: u8,
    pub name: [u8; 16],
}

impl Copied {
    const fn new() -> Self {
        Copied { bytes: [0; PAGE_SIZE as usize], length: 0, id: 0, channel: 0, name: [0; 16] }
    }
}

/// State of one CPU.
pub(crate) struct CpuLocal<P: Platform> {
    pub cpu: usize,
    /// The vCPU that was entered last.
    pub current: Option<Ref<Vcpu>>,
    /// Its exit, not answered yet.
    pub exit: Option<Exit>,
    /// By arena index of the vCPU.
    pub slots: [Option<Run<P>>; VCPUS],
    /// The pair of vCPUs of this CPU's lease, as of the last one given.
    pub pair: Option<Pair>,
    /// Calls by that lease, not counted in the vCPUs yet.
    pub fast_calls: u64,
    /// Replies by it.
    pub fast_replies: u64,
    /// Generations of translations that this CPU has seen, by arena index of the partition.
    pub ept_seen: [u32; PARTITIONS],
    pub copied: Copied,
    /// Partition number with the terminal when the output was copied.
    pub foreground: u8,
    /// Kernel lines to be put out.
    pub lines: ArrayString<LOG_BYTES>,
}

impl<P: Platform> CpuLocal<P> {
    pub const fn new() -> Self {
        CpuLocal {
            cpu: 0,
            current: None,
            exit: None,
            slots: [const { None }; VCPUS],
            pair: None,
            fast_calls: 0,
            fast_replies: 0,
            ept_seen: [0; PARTITIONS],
            copied: Copied::new(),
            foreground: 0,
            lines: ArrayString::new_const(),
        }
    }

    /// Returns the registers and hardware of a vCPU that this CPU has taken.
    pub fn run(&mut self, vcpu: Ref<Vcpu>) -> Option<&mut Run<P>> {
        self.slots.get_mut(vcpu.index())?.as_mut()
    }

    /// Makes this CPU forget translations that were taken away since it last ran the partition.
    pub fn renew_translations(&mut self, state: &State<P>, partition: usize) {
        if let (Some(seen), Some(now)) = (self.ept_seen.get_mut(partition), state.ept_generations.get(partition))
            && *seen != *now
        {
            *seen = *now;
            if let Some(root) = state.partitions.at(partition).and_then(|found| state.partitions.get(found)) {
                state.platform.invalidate_ept(root.ept_root);
            }
        }
    }
}
