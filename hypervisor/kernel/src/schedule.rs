// SPDX-License-Identifier: MIT OR Apache-2.0
//! Scheduling and time: fixed priorities, round robin, donation along calls.
//!
//! Invariant while guests run: no ready vCPU of a CPU has a higher priority
//! than its current one, unless a kick is on its way.

use crate::vcpu::{Activity, Serving, Vcpu};
use crate::{limits::SLICE_NS, state::State};
use sawmill_abi::{event::EVENT_TIMER, trace::TraceKind};
use sawmill_logic::platform::{CpuIndex, Platform, Tsc};
use sawmill_logic::{arena::Ref, time};

impl<P: Platform> State<P> {
    /// Makes another CPU look at the state again.
    pub(crate) fn kick(&mut self, cpu: usize) {
        if cpu != self.here {
            self.platform.kick(CpuIndex(cpu as u32));
        }
    }

    /// Puts a vCPU that waited into its ready queue.
    pub(crate) fn make_ready(&mut self, reference: Ref<Vcpu>) {
        let Some(vcpu) = self.vcpus.get_mut(reference) else { return };
        vcpu.activity = Activity::Ready;
        let (cpu, priority) = (vcpu.cpu, vcpu.priority);
        self.cpu(cpu).ready.push(priority, reference);
        if cpu != self.here {
            let is_lent = self.lent.get(cpu).is_some_and(Option::is_some);
            let current = self.cpu(cpu).current.and_then(|current| self.vcpus.get(current));
            // Equals need a kick, too: the one that runs has no slice end yet.
            if is_lent || current.is_none_or(|current| current.priority <= priority) {
                self.kick(cpu);
            }
        }
    }

    /// Changes the priority at which a vCPU runs.
    pub(crate) fn set_priority(&mut self, reference: Ref<Vcpu>, priority: u8) {
        self.settle_for(reference);
        let Some(vcpu) = self.vcpus.get_mut(reference) else { return };
        if vcpu.priority == priority {
            return;
        }
        vcpu.priority = priority;
        let (cpu, is_ready) = (vcpu.cpu, vcpu.activity == Activity::Ready);
        if is_ready {
            self.cpu(cpu).ready.remove(reference);
            self.make_ready(reference);
        } else if cpu != self.here {
            self.kick(cpu);
        }
    }

    /// Lends a caller's priority to a server, and on to whom that server waits for.
    pub(crate) fn lend_priority(&mut self, server: Ref<Vcpu>, priority: u8) {
        let mut next = Some(server);
        // Calls form no cycle; the bound is for a defect.
        for _ in 0..crate::limits::VCPUS {
            let Some(vcpu) = next.and_then(|next| self.vcpus.get(next).map(|vcpu| (next, vcpu))) else { return };
            let (reference, vcpu) = vcpu;
            if vcpu.priority >= priority {
                return;
            }
            next = if let Activity::Calling(server) = vcpu.activity { Some(server) } else { None };
            self.set_priority(reference, priority);
        }
    }

    /// Puts a server that let a call run out of time below its caller's equals, so that the caller learns of it, until
    /// the server asks for the next call.
    pub(crate) fn set_ceiling(&mut self, server: Ref<Vcpu>, ceiling: u8) {
        if let Some(vcpu) = self.vcpus.get_mut(server).filter(|vcpu| vcpu.ceiling != ceiling) {
            vcpu.ceiling = ceiling;
            self.restore_priority(server);
        }
    }

    /// Takes lent priority back, except what callers still lend.
    pub(crate) fn restore_priority(&mut self, server: Ref<Vcpu>) {
        let Some(vcpu) = self.vcpus.get(server) else { return };
        let served = if let Serving::Caller(caller) = vcpu.serving { Some(caller) } else { None };
        let callers = vcpu.callers.iter().copied().chain(served);
        let lent = callers.filter_map(|caller| self.vcpus.get(caller)).map(|caller| caller.priority).max();
        let priority = vcpu.own_priority().max(lent.unwrap_or(0));
        self.set_priority(server, priority);
    }

    /// Chooses who runs on this CPU.
    pub(crate) fn schedule(&mut self, now: Tsc) -> Option<Ref<Vcpu>> {
        let here = self.here;
        let current = self.cpu(here).current;
        if let Some(reference) = current
            && let Some(vcpu) = self.vcpus.get_mut(reference)
            && vcpu.activity == Activity::Running
        {
            let priority = vcpu.priority;
            let cpu = &self.cpus[here % crate::limits::CPUS];
            let is_over =
                cpu.ready.has_above(priority) || (cpu.ready.has_at_or_above(priority) && now >= cpu.slice_end);
            if !is_over {
                return current;
            }
            vcpu.activity = Activity::Ready;
            self.cpu(here).ready.push(priority, reference);
        }
        let slice = time::ticks_of_ns(SLICE_NS, self.platform.tsc_khz());
        let cpu = self.cpu(here);
        cpu.current = None;
        let Some(next) = cpu.ready.pop() else {
            if current.is_some() {
                self.trace(TraceKind::Switch, None, 0, 0);
            }
            return None;
        };
        cpu.current = Some(next);
        cpu.slice_end = time::after(now, slice);
        if let Some(vcpu) = self.vcpus.get_mut(next) {
            vcpu.activity = Activity::Running;
        }
        let number = u64::from(self.number(next));
        self.trace(TraceKind::Switch, Some(next), number, 0);
        Some(next)
    }

    /// Deadline of the next entry on this CPU.
    pub(crate) fn entry_deadline(&mut self, current: Ref<Vcpu>) -> Tsc {
        let priority = self.vcpus.get(current).map_or(0, |vcpu| vcpu.priority);
        let here = self.here;
        let cpu = self.cpu(here);
        let slice_end = if cpu.ready.has_at_or_above(priority) { cpu.slice_end } else { Tsc::NEVER };
        cpu.next_timer.min(slice_end)
    }

    /// Accounts the time that passed to the current vCPU.
    pub(crate) fn account(&mut self, now: Tsc) {
        let here = self.here;
        let cpu = self.cpu(here);
        let ticks = now.0.saturating_sub(cpu.switched_at.0);
        cpu.switched_at = now;
        if let Some(vcpu) = cpu.current.and_then(|current| self.vcpus.get_mut(current)) {
            vcpu.statistics.run_tsc = vcpu.statistics.run_tsc.wrapping_add(ticks);
        }
    }

    /// Arms a vCPU's timer; `Tsc::NEVER` disarms it.
    pub(crate) fn set_timer(&mut self, reference: Ref<Vcpu>, deadline: Tsc) {
        let Some(vcpu) = self.vcpus.get_mut(reference) else { return };
        let before = core::mem::replace(&mut vcpu.timer, deadline);
        let cpu = vcpu.cpu;
        if before == self.cpu(cpu).next_timer && deadline > before {
            self.find_next_timer(cpu);
        } else {
            self.note_deadline(cpu, deadline);
        }
    }

    /// Takes a new deadline of a member into account.
    pub(crate) fn note_deadline(&mut self, cpu: usize, deadline: Tsc) {
        let state = self.cpu(cpu);
        state.next_timer = state.next_timer.min(deadline);
    }

    fn find_next_timer(&mut self, cpu: usize) {
        let mut next = Tsc::NEVER;
        for member in &self.cpus[cpu % crate::limits::CPUS].members {
            let Some(vcpu) = self.vcpus.get(*member) else { continue };
            next = next.min(vcpu.timer);
            if matches!(vcpu.activity, Activity::Calling(_)) {
                next = next.min(vcpu.call.deadline);
            }
        }
        self.cpu(cpu).next_timer = next;
    }

    /// Lets timers and call budgets of this CPU expire.
    pub(crate) fn expire(&mut self, now: Tsc) {
        let here = self.here;
        if now < self.cpu(here).next_timer {
            return;
        }
        for index in 0..crate::limits::VCPUS {
            let Some(reference) = self.cpu(here).members.get(index).copied() else { break };
            let Some(vcpu) = self.vcpus.get_mut(reference) else { continue };
            let is_late = matches!(vcpu.activity, Activity::Calling(_)) && vcpu.call.deadline <= now;
            if vcpu.timer <= now {
                vcpu.timer = Tsc::NEVER;
                self.signal(reference, EVENT_TIMER);
            }
            if is_late {
                self.time_out_call(reference);
            }
        }
        self.find_next_timer(here);
    }
}
