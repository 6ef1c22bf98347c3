// SPDX-License-Identifier: MIT OR Apache-2.0
//! The call that costs two exits: `portal_call` to a server that waits on the
//! same CPU, and `portal_reply_wait` back to a caller on the same CPU.
//!
//! Everything unusual makes these return none with nothing changed; then
//! `ipc.rs` does the same without hurry. A call goes by the route that the
//! caller's last ordinary call left in its `Run`: while the kernel's epoch is
//! the one of both vCPUs' last ordinary entry, no object, capability or
//! translation has gone, so capability, portal, server and EPT need no second
//! look. Every instruction counts here (two exits and 300 instructions are the
//! budget of a call with its reply), hence: no time accounting (the time goes to
//! whoever is current at the next other exit), one counter each way, and sums of
//! flags instead of a branch for each.

use crate::cpu::CpuLocal;
use crate::limits::CPUS;
use crate::run::Kernel;
use crate::vcpu::{Activity, Serving, Vcpu};
use core::sync::atomic::Ordering;
use sawmill_abi::status::{REPLY_NONE, Status};
use sawmill_abi::trace::TraceKind;
use sawmill_logic::arena::Ref;
use sawmill_logic::platform::{Platform, Registers, Tsc, VcpuHardware};
use sawmill_logic::time;

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

impl<P: Platform> Kernel<P> {
    /// Switches from a caller to the server that waits for it; returns whom to enter, and until when.
    #[inline(always)]
    pub(crate) fn fast_call(&self, local: &mut CpuLocal<P>, caller: Ref<Vcpu>) -> Option<(Ref<Vcpu>, Tsc)> {
        let here = local.cpu % CPUS;
        let route = local.run(caller)?.route?;
        let server = route.server;
        let [from, to] = local.slots.get_disjoint_mut([caller.index(), server.index()]).ok()?;
        let (from, to) = (from.as_mut()?, to.as_mut()?);
        if from.registers.rbx != route.selector || from.hardware.privilege_level() != 0 {
            return None;
        }
        let mut guard = self.state.lock();
        let state = &mut *guard;
        if (from.epoch ^ state.epoch) | (to.epoch ^ state.epoch) != 0 {
            return None;
        }
        let (calling, serving) = state.vcpus.live_pair_mut(caller, server)?;
        if serving.activity != Activity::Receiving || serving.attention != 0 || calling.activity != Activity::Running {
            return None;
        }

        // From here on nothing fails.
        calling.activity = Activity::Calling(server);
        calling.fast_calls += 1;
        serving.activity = Activity::Running;
        serving.serving = Serving::Caller(caller);
        if calling.priority > serving.priority {
            serving.priority = calling.priority;
        }
        let cpu = &mut state.cpus[here];
        cpu.current = Some(server);
        calling.call.deadline = Tsc::NEVER;
        if route.budget_ticks != 0 {
            let deadline = time::after(self.platform.now(), route.budget_ticks);
            calling.call.deadline = deadline;
            cpu.next_timer = cpu.next_timer.min(deadline);
            cpu.deadline = cpu.deadline.min(deadline);
        }
        let deadline = cpu.deadline;
        to.registers.rax = Status::Ok as u64;
        to.registers.rbx = route.badge;
        move_words(&mut to.registers, &from.registers);
        from.hardware.advance();
        let partition = serving.partition.index();
        state.trace(TraceKind::Call, Some(caller), route.badge, from.registers.rdi);
        self.running[here].store(partition as u32 + 1, Ordering::Release);
        Some((server, deadline))
    }

    /// Switches from a server back to its caller; the server waits for the next call.
    #[inline(always)]
    pub(crate) fn fast_reply(&self, local: &mut CpuLocal<P>, server: Ref<Vcpu>) -> Option<(Ref<Vcpu>, Tsc)> {
        let here = local.cpu % CPUS;
        let run = local.run(server)?;
        let status = run.registers.rbx;
        if status == REPLY_NONE || run.hardware.privilege_level() != 0 {
            return None;
        }
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let Serving::Caller(caller) = state.vcpus.get(server)?.serving else { return None };
        let (serving, calling) = state.vcpus.live_pair_mut(server, caller)?;
        let obstacles = serving.attention | u8::from(serving.may_have_events) | calling.attention;
        if obstacles | calling.call.kind as u8 != 0
            || serving.callers.len() | (calling.cpu ^ here) != 0
            || serving.activity != Activity::Running
        {
            return None;
        }
        let cpu = &mut state.cpus[here];
        if cpu.ready.has_above(calling.priority) {
            return None;
        }
        let [from, to] = local.slots.get_disjoint_mut([server.index(), caller.index()]).ok()?;
        let (from, to) = (from.as_mut()?, to.as_mut()?);
        if to.epoch != state.epoch {
            return None;
        }

        // From here on nothing fails.
        serving.activity = Activity::Receiving;
        serving.serving = Serving::Nobody;
        serving.priority = serving.base_priority;
        serving.fast_replies += 1;
        calling.activity = Activity::Running;
        cpu.current = Some(caller);
        let deadline = cpu.deadline;
        to.registers.rax = status;
        move_words(&mut to.registers, &from.registers);
        from.hardware.advance();
        let partition = calling.partition.index();
        state.trace(TraceKind::Reply, Some(server), status, 0);
        self.running[here].store(partition as u32 + 1, Ordering::Release);
        Some((caller, deadline))
    }
}
