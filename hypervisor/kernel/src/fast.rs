// SPDX-License-Identifier: MIT OR Apache-2.0
//! The call that costs two exits: `portal_call` to a server that waits on the
//! same CPU, and `portal_reply_wait` back to a caller on the same CPU.
//!
//! Everything unusual (a badge to be looked up slowly, an event, a queue, a
//! stale translation, a budget that ran out) makes these return none with
//! nothing changed; then `ipc.rs` does the same thing without hurry. Order of
//! the tests: cheapest and likeliest to fail first.

use crate::cpu::CpuLocal;
use crate::limits::CPUS;
use crate::run::Kernel;
use crate::state::Object;
use crate::vcpu::{Activity, CallKind, Serving, Vcpu};
use core::sync::atomic::Ordering;
use sawmill_abi::object::RIGHT_PORTAL_CALL;
use sawmill_abi::statistics::ExitClass;
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
        let run = local.slots.get(caller.index())?.as_ref()?;
        if run.hardware.privilege_level() != 0 {
            return None;
        }
        let selector = run.registers.rbx;
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let table = state.vcpus.get(caller)?.partition.index();
        let capability = state.capabilities.select(table, selector)?;
        let Object::Portal(portal) = capability.object else { return None };
        if capability.rights & RIGHT_PORTAL_CALL == 0 {
            return None;
        }
        let badge = capability.badge;
        let portal = state.portals.get(portal)?;
        let budget = portal.budget_ticks;
        let server = portal.known_servers[here]?;
        let (calling, serving) = state.vcpus.get_pair_mut(caller, server)?;
        if serving.activity != Activity::Receiving
            || serving.attention != 0
            || calling.activity != Activity::Running
            || serving.cpu != here
        {
            return None;
        }
        let partition = serving.partition.index();
        if local.ept_seen.get(partition)? != state.ept_generations.get(partition)? {
            return None;
        }
        let [from, to] = local.slots.get_disjoint_mut([caller.index(), server.index()]).ok()?;
        let (from, to) = (from.as_mut()?, to.as_mut()?);

        // From here on nothing fails.
        calling.activity = Activity::Calling(server);
        calling.call.kind = CallKind::Ordinary;
        calling.call.deadline = Tsc::NEVER;
        calling.statistics.calls += 1;
        calling.statistics.exits[ExitClass::PortalCall as usize] += 1;
        serving.activity = Activity::Running;
        serving.serving = Serving::Caller(caller);
        serving.priority = serving.base_priority.max(calling.priority);
        serving.statistics.served += 1;
        let cpu = &mut state.cpus[here];
        cpu.current = Some(server);
        let now = self.platform.now();
        calling.statistics.run_tsc += now.0.wrapping_sub(cpu.switched_at.0);
        cpu.switched_at = now;
        if budget != 0 {
            let deadline = time::after(now, budget);
            calling.call.deadline = deadline;
            cpu.next_timer = cpu.next_timer.min(deadline);
            cpu.deadline = cpu.deadline.min(deadline);
        }
        let deadline = cpu.deadline;
        to.registers.rax = Status::Ok as u64;
        to.registers.rbx = badge;
        move_words(&mut to.registers, &from.registers);
        from.hardware.advance();
        state.trace(TraceKind::Call, Some(caller), badge, from.registers.rdi);
        self.running[here].store(partition as u32 + 1, Ordering::Release);
        Some((server, deadline))
    }

    /// Switches from a server back to its caller; the server waits for the next call.
    #[inline(always)]
    pub(crate) fn fast_reply(&self, local: &mut CpuLocal<P>, server: Ref<Vcpu>) -> Option<(Ref<Vcpu>, Tsc)> {
        let here = local.cpu % CPUS;
        let run = local.slots.get(server.index())?.as_ref()?;
        let status = run.registers.rbx;
        if status == REPLY_NONE || run.hardware.privilege_level() != 0 {
            return None;
        }
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let Serving::Caller(caller) = state.vcpus.get(server)?.serving else { return None };
        let (serving, calling) = state.vcpus.get_pair_mut(server, caller)?;
        if serving.attention != 0
            || serving.may_have_events
            || serving.activity != Activity::Running
            || !serving.callers.is_empty()
            || calling.attention != 0
            || calling.cpu != here
            || calling.call.kind != CallKind::Ordinary
        {
            return None;
        }
        let partition = calling.partition.index();
        if local.ept_seen.get(partition)? != state.ept_generations.get(partition)? {
            return None;
        }
        let cpu = &mut state.cpus[here];
        if cpu.ready.has_above(calling.priority) {
            return None;
        }
        let [from, to] = local.slots.get_disjoint_mut([server.index(), caller.index()]).ok()?;
        let (from, to) = (from.as_mut()?, to.as_mut()?);

        // From here on nothing fails.
        serving.activity = Activity::Receiving;
        serving.serving = Serving::Nobody;
        serving.priority = serving.base_priority;
        serving.statistics.exits[ExitClass::PortalReply as usize] += 1;
        calling.activity = Activity::Running;
        cpu.current = Some(caller);
        let now = self.platform.now();
        serving.statistics.run_tsc += now.0.wrapping_sub(cpu.switched_at.0);
        cpu.switched_at = now;
        let deadline = cpu.deadline;
        to.registers.rax = status;
        move_words(&mut to.registers, &from.registers);
        from.hardware.advance();
        state.trace(TraceKind::Reply, Some(server), status, 0);
        self.running[here].store(partition as u32 + 1, Ordering::Release);
        Some((caller, deadline))
    }
}
