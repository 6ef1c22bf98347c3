// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls and replies: the state machine, without hurry.
//!
//! `fast.rs` does the common case. Both keep these invariants: a vCPU is
//! `Calling(s)` exactly when it is in `s.callers` or `s.serving` names it; a
//! vCPU is `Receiving` only with `serving == Nobody` and no caller queued.

use crate::hypercall::Arguments;
use crate::partition::Condition;
use crate::state::{Decoded, Object, State};
use crate::vcpu::{Activity, Call, CallKind, Outcome, Serving, Vcpu, attention};
use crate::{cpu::Route, event::PortalBit, limits::VCPUS, lookup::Caller, portal::Portal};
use sawmill_abi::status::{REPLY_NONE, Status};
use sawmill_abi::{event::EVENT_PORTAL, fault::FAULT_RESUME, object::RIGHT_PORTAL_CALL, trace::TraceKind};
use sawmill_logic::platform::{Platform, Tsc};
use sawmill_logic::{arena::Ref, time};

/// What the caller of a hypercall that may wait goes on with; none if it waits, and its outcome comes later.
pub(crate) type Progress = Option<Outcome>;

impl<P: Platform> State<P> {
    /// `portal_call`.
    pub(crate) fn portal_call(&mut self, caller: &Caller, arguments: &Arguments) -> Progress {
        let selected = self.capability(caller, arguments.selector).and_then(|capability| match capability.object {
            Object::Portal(portal) if capability.rights & RIGHT_PORTAL_CALL != 0 => Ok((portal, capability.badge)),
            Object::Portal(_) => Err(Status::NoRight),
            _ => Err(Status::BadKind),
        });
        let called = selected.and_then(|(portal, badge)| {
            let budget = self.portals.get(portal).ok_or(Status::BadSelector)?.budget_ticks;
            let deadline = if budget == 0 { Tsc::NEVER } else { time::after(self.platform.now(), budget) };
            let call = Call { kind: CallKind::Ordinary, badge, words: arguments.words, deadline };
            self.call(caller.vcpu, portal, call)
        });
        if let Some(vcpu) = self.vcpus.get_mut(caller.vcpu) {
            vcpu.statistics.calls += 1;
        }
        called.err().map(Outcome::status)
    }

    /// Starts a call in the name of a vCPU, which waits from then on.
    pub(crate) fn call(&mut self, caller: Ref<Vcpu>, portal: Ref<Portal>, call: Call) -> Decoded<()> {
        let here = self.here;
        let server = self.portals.get(portal).ok_or(Status::BadSelector)?.server;
        let partition = self.partitions.get(server).ok_or(Status::PeerDead)?;
        if partition.condition != Condition::Running {
            return Err(Status::PeerDead);
        }
        let server = self.server_on(partition, here).ok_or(Status::PeerDead)?;
        if self.is_waiting_for(server, caller) {
            return Err(Status::Busy);
        }
        let vcpu = self.vcpus.get_mut(caller).ok_or(Status::BadSelector)?;
        vcpu.activity = Activity::Calling(server);
        vcpu.call = call;
        let (priority, cpu) = (vcpu.priority, vcpu.cpu);
        self.note_deadline(cpu, call.deadline);
        self.lend_priority(server, priority);
        let serving = self.vcpus.get_mut(server).ok_or(Status::PeerDead)?;
        if serving.activity == Activity::Receiving {
            self.deliver(server, caller);
        } else {
            // Each vCPU is queued once at most, and there are no more of them than places.
            let _ = serving.callers.try_push(caller);
            self.signal(server, EVENT_PORTAL);
        }
        Ok(())
    }

    /// Finds what `fast.rs` may remember of the call that a vCPU has just begun.
    pub(crate) fn route(&self, caller: Ref<Vcpu>, selector: u64) -> Option<Route> {
        let vcpu = self.vcpus.get(caller)?;
        let Activity::Calling(server) = vcpu.activity else { return None };
        let Object::Portal(portal) = self.capabilities.select(vcpu.partition.index(), selector)?.object else {
            return None;
        };
        let budget_ticks = self.portals.get(portal)?.budget_ticks;
        let is_here = self.vcpus.get(server)?.cpu == vcpu.cpu;
        is_here.then_some(Route { selector, server, badge: vcpu.call.badge, budget_ticks })
    }

    /// Whether `server` is `caller` or is in a call that ends at it.
    fn is_waiting_for(&mut self, server: Ref<Vcpu>, caller: Ref<Vcpu>) -> bool {
        let mut at = server;
        for _ in 0..VCPUS {
            if at == caller {
                return true;
            }
            self.settle_for(at);
            match self.vcpus.get(at).map(|vcpu| vcpu.activity) {
                Some(Activity::Calling(next)) => at = next,
                _ => return false,
            }
        }
        true
    }

    /// Hands a caller's message to a server that receives.
    fn deliver(&mut self, server: Ref<Vcpu>, caller: Ref<Vcpu>) {
        let Some(outcome) = self.accept(server, caller) else { return };
        let Some(vcpu) = self.vcpus.get_mut(server) else { return };
        vcpu.outcome = outcome;
        vcpu.attention |= attention::OUTCOME;
        self.make_ready(server);
    }

    /// Makes a caller the one being served.
    fn accept(&mut self, server: Ref<Vcpu>, caller: Ref<Vcpu>) -> Option<Outcome> {
        let Call { badge, words, .. } = self.vcpus.get(caller)?.call;
        self.trace(TraceKind::Call, Some(caller), badge, words[0]);
        let vcpu = self.vcpus.get_mut(server)?;
        vcpu.serving = Serving::Caller(caller);
        vcpu.statistics.served += 1;
        Some(Outcome { status: Status::Ok as u64, badge: Some(badge), words: Some(words) })
    }

    /// `portal_reply_wait`.
    pub(crate) fn portal_reply_wait(&mut self, caller: &Caller, arguments: &Arguments) -> Progress {
        self.set_ceiling(caller.vcpu, u8::MAX);
        let vcpu = self.vcpus.get_mut(caller.vcpu)?;
        if arguments.selector != REPLY_NONE {
            if let Err(status) = self.answer(caller.vcpu, arguments) {
                // The server may have to complete in another way, so it is told.
                return Some(Outcome::status(status));
            }
        } else if matches!(vcpu.serving, Serving::Caller(_)) {
            return Some(Outcome::status(Status::Busy));
        } else {
            vcpu.serving = Serving::Nobody;
            // What an interrupt leaves to be done goes with the wait; a selector that is not good for it does nothing.
            let [irq, event, ..] = arguments.words.map(|selector| Arguments { selector, ..*arguments });
            let _ = self.irq_acknowledge(caller, &irq);
            let _ = self.event_signal(caller, &event);
        }
        if self.has_events(caller.vcpu, PortalBit::Ignored) {
            return Some(Outcome::status(Status::Interrupted));
        }
        let vcpu = self.vcpus.get_mut(caller.vcpu)?;
        match vcpu.callers.pop_at(0) {
            Some(next) => self.accept(caller.vcpu, next),
            None => {
                vcpu.activity = Activity::Receiving;
                None
            }
        }
    }

    /// Answers the call that a server has taken.
    pub(crate) fn answer(&mut self, server: Ref<Vcpu>, arguments: &Arguments) -> Decoded<()> {
        let vcpu = self.vcpus.get_mut(server).ok_or(Status::Stale)?;
        let Serving::Caller(caller) = core::mem::replace(&mut vcpu.serving, Serving::Nobody) else {
            return Err(Status::Stale);
        };
        let number = u64::from(self.number(caller));
        self.trace(TraceKind::Reply, Some(server), arguments.selector, number);
        self.restore_priority(server);
        self.finish(caller, Outcome { status: arguments.selector, badge: None, words: Some(arguments.words) });
        Ok(())
    }

    /// Ends a caller's call, in which nobody serves it any more.
    fn finish(&mut self, caller: Ref<Vcpu>, outcome: Outcome) {
        let Some(vcpu) = self.vcpus.get_mut(caller) else { return };
        vcpu.call.deadline = Tsc::NEVER;
        if vcpu.call.kind == CallKind::Ordinary {
            vcpu.outcome = outcome;
            vcpu.attention |= attention::OUTCOME;
            self.make_ready(caller);
            return;
        }
        let owner = vcpu.partition;
        vcpu.call.kind = CallKind::Ordinary;
        vcpu.activity = Activity::Parked;
        let is_alive = self.partitions.get(owner).is_some_and(|owner| owner.condition == Condition::Running);
        let resumes =
            outcome.status == Status::Ok as u64 && outcome.words.is_some_and(|words| words[0] == FAULT_RESUME);
        if is_alive && resumes {
            self.make_ready(caller);
        } else {
            // Not at once: handlers may wait for handlers, as many as there are partitions.
            self.doomed |= 1 << owner.index();
        }
    }

    /// Ends a call whose budget is used up, and tells the caller whether the server had taken it.
    pub(crate) fn time_out_call(&mut self, caller: Ref<Vcpu>) {
        let Some(vcpu) = self.vcpus.get(caller) else { return };
        let Activity::Calling(server) = vcpu.activity else { return };
        let (priority, serving) = (vcpu.priority, self.vcpus.get(server));
        let ceiling = serving.map_or(priority, |serving| serving.ceiling.min(priority));
        let was_taken = serving.is_some_and(|serving| serving.serving == Serving::Caller(caller));
        self.detach_caller(caller);
        self.set_ceiling(server, ceiling);
        let outcome = Outcome { badge: Some(u64::from(was_taken)), ..Outcome::status(Status::Timeout) };
        self.finish(caller, outcome);
    }

    /// Takes a caller out of its call; it is left without a state.
    fn detach_caller(&mut self, caller: Ref<Vcpu>) {
        let Some(Activity::Calling(server)) = self.vcpus.get(caller).map(|vcpu| vcpu.activity) else { return };
        if let Some(vcpu) = self.vcpus.get_mut(server) {
            if vcpu.serving == Serving::Caller(caller) {
                vcpu.serving = Serving::Gone;
            }
            vcpu.callers.retain(|other| *other != caller);
        }
        self.restore_priority(server);
        if let Some(vcpu) = self.vcpus.get_mut(caller) {
            vcpu.activity = Activity::Parked;
        }
    }

    /// Takes a vCPU that stops out of all calls: those it made, and those made to it.
    pub(crate) fn leave_calls(&mut self, reference: Ref<Vcpu>) {
        self.settle_for(reference);
        self.detach_caller(reference);
        let Some(vcpu) = self.vcpus.get_mut(reference) else { return };
        let served = core::mem::replace(&mut vcpu.serving, Serving::Nobody);
        let dead = Outcome::status(Status::PeerDead);
        if let Serving::Caller(caller) = served {
            self.finish(caller, dead);
        }
        while let Some(caller) = self.vcpus.get_mut(reference).and_then(|vcpu| vcpu.callers.pop_at(0)) {
            self.finish(caller, dead);
        }
    }
}
