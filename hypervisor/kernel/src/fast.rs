// SPDX-License-Identifier: MIT OR Apache-2.0
//! The call that costs two exits: `portal_call` to a server that waits on the
//! same CPU, and `portal_reply_wait` back to its caller.
//!
//! Every instruction counts here: two exits and 300 instructions are the
//! budget of a call with its reply. So everything was checked when the lease
//! was given (`lease.rs`), no lock is taken, no time is accounted (it goes to
//! whoever is current at the next other exit), one counter moves per call, and
//! the loop is written out: one half for each phase. Any other exit, and any
//! hypercall that does not fit, leaves with nothing changed; then `ipc.rs`
//! does the same without hurry.

use crate::cpu::{CpuLocal, Run};
use crate::lease::{CALLER, Lease, Pair, SERVER};
use crate::{limits::CPUS, run::Kernel, vcpu::Vcpu};
use core::sync::atomic::{AtomicU32, Ordering};
use sawmill_abi::hypercall::Hypercall;
use sawmill_abi::status::{REPLY_NONE, Status};
use sawmill_logic::platform::{Exit, Platform, Registers, Tsc, VcpuHardware};
use sawmill_logic::{arena::Ref, time};

const PORTAL_CALL: u64 = Hypercall::PortalCall as u64;
const PORTAL_REPLY_WAIT: u64 = Hypercall::PortalReplyWait as u64;

/// Moves the six words of a message and nothing else.
#[inline(always)]
fn move_words(to: &mut Registers, from: &Registers) {
    to.rdi = from.rdi;
    to.rsi = from.rsi;
    to.rdx = from.rdx;
    to.r10 = from.r10;
    to.r8 = from.r8;
    to.r9 = from.r9;
}

/// Commits a switch; see `lease.rs` for the order.
#[inline(always)]
fn flip(lease: &Lease, from: u32, to: u32, running: &AtomicU32, partition: u32) -> bool {
    running.store(partition, Ordering::Relaxed);
    lease.phase.compare_exchange(from, to, Ordering::SeqCst, Ordering::Relaxed).is_ok()
}

impl<P: Platform> Kernel<P> {
    /// Enters one vCPU of this CPU's lease, and the other in turn as they call and reply.
    ///
    /// Returns who ran last and the exit that has to be answered.
    #[inline(never)]
    pub(crate) fn enter_pair(
        &self,
        local: &mut CpuLocal<P>,
        entered: Ref<Vcpu>,
        deadline: Tsc,
    ) -> Option<(Ref<Vcpu>, Exit)> {
        let CpuLocal { cpu, slots, pair, fast_calls, fast_replies, .. } = local;
        let (lease, running) = (&self.leases[*cpu % CPUS], &self.running[*cpu % CPUS]);
        let Pair { selector, badge, budget_ticks, caller, server, caller_partition, server_partition } = (*pair)?;
        let [calling, serving] = slots.get_disjoint_mut([caller.index(), server.index()]).ok()?;
        let (calling, serving) = (calling.as_mut()?, serving.as_mut()?);
        let mut deadline = deadline;
        let mut is_calling = entered == caller;
        // One counter is enough: each call was answered, but for one that is open at the start or at the end.
        let open_before = u64::from(!is_calling);
        loop {
            if is_calling {
                let Run { hardware, registers, .. } = &mut *calling;
                let exit = hardware.enter(registers, deadline);
                let is_call = exit == Exit::Hypercall
                    && registers.rax == PORTAL_CALL
                    && registers.rbx == selector
                    && hardware.is_hypercall_privileged()
                    && {
                        if budget_ticks != 0 {
                            // Before the flip: who ends the lease right after it must find this call's deadline.
                            let end = time::after(self.platform.now(), budget_ticks);
                            lease.deadline.store(end.0, Ordering::Relaxed);
                            deadline = end.min(deadline);
                        }
                        flip(lease, CALLER, SERVER, running, server_partition)
                    };
                if !is_call {
                    *fast_replies = *fast_calls + open_before;
                    return Some((caller, exit));
                }
                hardware.finish_hypercall();
                move_words(&mut serving.registers, registers);
                serving.registers.rax = Status::Ok as u64;
                serving.registers.rbx = badge;
                *fast_calls += 1;
            }
            let Run { hardware, registers, .. } = &mut *serving;
            let exit = hardware.enter(registers, deadline);
            let is_reply = exit == Exit::Hypercall
                && registers.rax == PORTAL_REPLY_WAIT
                && registers.rbx != REPLY_NONE
                && hardware.is_hypercall_privileged()
                && flip(lease, SERVER, CALLER, running, caller_partition);
            if !is_reply {
                *fast_replies = *fast_calls + open_before - 1;
                return Some((server, exit));
            }
            hardware.finish_hypercall();
            move_words(&mut calling.registers, registers);
            calling.registers.rax = registers.rbx;
            is_calling = true;
        }
    }
}
