// SPDX-License-Identifier: MIT OR Apache-2.0
//! Leases: a CPU calls and replies between two of its vCPUs without the big lock.
//!
//! A lease is given at an ordinary entry (`State::lend_pair`), when nothing
//! stands in the way of a direct call between a caller and a server of this
//! CPU. While it lasts, `fast.rs` only flips its phase; the objects behind the
//! big lock show the pair as it was at the last settlement. Whoever is about
//! to look at or change them settles first ([`State::settle`]).
//!
//! The race: another CPU takes a translation away while this one switches.
//! This CPU stores `Kernel::running`, then flips the phase by compare and
//! exchange. The other takes the lease by an exchange, then reads `running`.
//! If the flip came first, the other sees whom to kick; if it came second, it
//! fails, and this CPU goes to the big lock.

use crate::cpu::{CpuLocal, Route};
use crate::vcpu::{Activity, CallKind, Serving, Vcpu};
use crate::{limits::CPUS, state::State};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use sawmill_abi::trace::TraceKind;
use sawmill_logic::arena::Ref;
use sawmill_logic::platform::{Platform, Tsc};

/// No lease.
pub(crate) const NONE: u32 = 0;
/// The caller runs, the server waits for it.
pub(crate) const CALLER: u32 = 1;
/// The server runs, the caller waits for its reply.
pub(crate) const SERVER: u32 = 2;

/// What all CPUs see of a CPU's lease.
pub(crate) struct Lease {
    /// [`NONE`], [`CALLER`] or [`SERVER`].
    pub phase: AtomicU32,
    /// When the budget of the call ends; means nothing in phase [`CALLER`].
    pub deadline: AtomicU64,
}

impl Lease {
    pub const fn new() -> Self {
        Lease { phase: AtomicU32::new(NONE), deadline: AtomicU64::new(u64::MAX) }
    }
}

/// What only the CPU itself needs of its lease.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair {
    /// Selector with which the caller calls.
    pub selector: u64,
    pub badge: u64,
    pub budget_ticks: u64,
    pub caller: Ref<Vcpu>,
    pub server: Ref<Vcpu>,
    /// What `Kernel::running` holds while they run.
    pub caller_partition: u32,
    pub server_partition: u32,
}

impl<P: Platform> State<P> {
    /// Gives this CPU a lease on the vCPU to be entered and its partner, if nothing stands in the way.
    pub(crate) fn lend_pair(&mut self, local: &mut CpuLocal<P>, entered: Ref<Vcpu>) -> Option<()> {
        const TRACED: u64 = 1 << TraceKind::Call as u64 | 1 << TraceKind::Reply as u64;
        let here = self.here;
        let (caller, phase) = match self.vcpus.get(entered)?.serving {
            Serving::Caller(caller) => (caller, SERVER),
            _ => (entered, CALLER),
        };
        let Route { selector, server, badge, budget_ticks } = local.run(caller)?.route?;
        if phase == SERVER && server != entered || self.trace_mask & TRACED != 0 {
            return None;
        }
        let is_fresh = local.run(caller)?.epoch == self.epoch && local.run(server)?.epoch == self.epoch;
        let (calling, serving) = self.vcpus.get_pair_mut(caller, server)?;
        let is_clear = is_fresh
            && calling.attention | serving.attention == 0
            && !serving.may_have_events
            && serving.callers.is_empty()
            && calling.call.kind == CallKind::Ordinary
            && calling.cpu == here
            && serving.cpu == here;
        let is_in_phase = match phase {
            CALLER => serving.activity == Activity::Receiving && calling.activity == Activity::Running,
            _ => calling.activity == Activity::Calling(server) && serving.activity == Activity::Running,
        };
        let priority = calling.priority;
        let (deadline, caller_partition, server_partition) =
            (calling.call.deadline, calling.partition.index() as u32 + 1, serving.partition.index() as u32 + 1);
        if !is_clear || !is_in_phase || self.cpu(here).ready.has_above(priority) {
            return None;
        }
        local.pair = Some(Pair { selector, badge, budget_ticks, caller, server, caller_partition, server_partition });
        *self.lent.get_mut(here)? = Some((caller, server));
        let lease = self.leases?.get(here)?;
        lease.deadline.store(deadline.0, Ordering::Relaxed);
        lease.phase.store(phase, Ordering::SeqCst);
        Some(())
    }

    /// Ends a CPU's lease and brings the objects up to date with what it did by it.
    pub(crate) fn settle(&mut self, cpu: usize) {
        let Some((caller, server)) = self.lent.get_mut(cpu % CPUS).and_then(Option::take) else { return };
        let Some(lease) = self.leases.and_then(|leases| leases.get(cpu % CPUS)) else { return };
        let phase = lease.phase.swap(NONE, Ordering::SeqCst);
        let deadline = Tsc(lease.deadline.load(Ordering::Relaxed));
        let Some((calling, serving)) = self.vcpus.get_pair_mut(caller, server) else { return };
        match phase {
            CALLER => {
                calling.activity = Activity::Running;
                serving.activity = Activity::Receiving;
                serving.serving = Serving::Nobody;
                serving.priority = serving.own_priority();
                self.cpu(cpu).current = Some(caller);
            }
            SERVER => {
                calling.activity = Activity::Calling(server);
                calling.call.deadline = deadline;
                serving.activity = Activity::Running;
                serving.serving = Serving::Caller(caller);
                serving.priority = serving.own_priority().max(calling.priority);
                self.cpu(cpu).current = Some(server);
                self.note_deadline(cpu, deadline);
            }
            _ => {}
        }
    }

    /// Ends the lease of the CPU of a vCPU that is about to be looked at.
    pub(crate) fn settle_for(&mut self, reference: Ref<Vcpu>) {
        if let Some(cpu) = self.vcpus.get(reference).map(|vcpu| vcpu.cpu) {
            self.settle(cpu);
        }
    }

    /// Makes void what the IPC path remembers: something goes away.
    pub(crate) fn begin_epoch(&mut self) {
        self.epoch += 1;
        for cpu in 0..CPUS {
            self.settle(cpu);
        }
    }
}
