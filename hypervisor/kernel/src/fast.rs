// SPDX-License-Identifier: MIT OR Apache-2.0
//! The call that costs two exits: `portal_call` to a server that waits on the
//! same CPU, and `portal_reply_wait` back to its caller.
//!
//! Every instruction counts here: two exits and 300 instructions are the
//! budget of a call with its reply. So everything was checked when the lease
//! was given (`lease.rs`), no lock is taken, no time is accounted (it goes to
//! whoever is current at the next other exit), and one counter moves per call.
//! When anything is unusual these return none with nothing changed, and
//! `ipc.rs` does the same without hurry.

use crate::cpu::CpuLocal;
use crate::lease::{CALLER, Lease, SERVER};
use crate::limits::CPUS;
use crate::run::Kernel;
use crate::vcpu::Vcpu;
use core::sync::atomic::{AtomicU32, Ordering};
use sawmill_abi::status::{REPLY_NONE, Status};
use sawmill_logic::arena::Ref;
use sawmill_logic::platform::{Platform, Registers, Tsc, VcpuHardware};
use sawmill_logic::time;

/// The six words of a message.
type Words = (u64, u64, u64, u64, u64, u64);

#[inline(always)]
fn words(from: &Registers) -> Words {
    (from.rdi, from.rsi, from.rdx, from.r10, from.r8, from.r9)
}

#[inline(always)]
fn put_words(to: &mut Registers, words: Words) {
    (to.rdi, to.rsi, to.rdx, to.r10, to.r8, to.r9) = words;
}

/// Commits a switch; see `lease.rs` for the order.
#[inline(always)]
fn flip(lease: &Lease, from: u32, to: u32, running: &AtomicU32, partition: u32) -> Option<()> {
    running.store(partition, Ordering::Relaxed);
    if lease.phase.compare_exchange(from, to, Ordering::SeqCst, Ordering::Relaxed).is_err() {
        running.store(0, Ordering::SeqCst);
        return None;
    }
    Some(())
}

impl<P: Platform> Kernel<P> {
    /// Switches from a caller to the server that waits for it; lowers the deadline to the budget's end.
    #[inline(always)]
    pub(crate) fn fast_call(
        &self,
        local: &mut CpuLocal<P>,
        caller: Ref<Vcpu>,
        deadline: &mut Tsc,
    ) -> Option<Ref<Vcpu>> {
        let here = local.cpu % CPUS;
        let pair = local.pair.as_ref()?;
        let run = local.slots.get_mut(caller.index())?.as_mut()?;
        // In phase CALLER the lease's caller is the one that runs.
        if run.registers.rbx != pair.selector || !run.hardware.is_hypercall_privileged() {
            return None;
        }
        let (badge, budget, server) = (pair.badge, pair.budget_ticks, pair.server);
        let lease = &self.leases[here];
        flip(lease, CALLER, SERVER, &self.running[here], pair.server_partition)?;
        run.hardware.finish_hypercall();
        let message = words(&run.registers);
        if budget != 0 {
            let end = time::after(self.platform.now(), budget);
            lease.deadline.store(end.0, Ordering::Relaxed);
            *deadline = end.min(*deadline);
        }
        local.fast_calls += 1;
        let run = local.slots.get_mut(server.index())?.as_mut()?;
        run.registers.rax = Status::Ok as u64;
        run.registers.rbx = badge;
        put_words(&mut run.registers, message);
        Some(server)
    }

    /// Switches from a server back to its caller; the server waits for the next call.
    #[inline(always)]
    pub(crate) fn fast_reply(&self, local: &mut CpuLocal<P>, server: Ref<Vcpu>) -> Option<Ref<Vcpu>> {
        let here = local.cpu % CPUS;
        let pair = local.pair.as_ref()?;
        let run = local.slots.get_mut(server.index())?.as_mut()?;
        let status = run.registers.rbx;
        if status == REPLY_NONE || !run.hardware.is_hypercall_privileged() {
            return None;
        }
        let caller = pair.caller;
        // In phase SERVER the lease's server is the one that runs.
        flip(&self.leases[here], SERVER, CALLER, &self.running[here], pair.caller_partition)?;
        run.hardware.finish_hypercall();
        let message = words(&run.registers);
        let run = local.slots.get_mut(caller.index())?.as_mut()?;
        run.registers.rax = status;
        put_words(&mut run.registers, message);
        Some(caller)
    }
}
