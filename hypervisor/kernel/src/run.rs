// SPDX-License-Identifier: MIT OR Apache-2.0
//! The loop of each CPU: answer the last exit, choose a vCPU, enter it.
//!
//! Owns [`Kernel`]: the big lock, the per-CPU state, the console. While a
//! guest runs only its CPU's local lock is held.

use crate::cpu::{CpuLocal, Run};
use crate::limits::{CPUS, PARTITIONS};
use crate::vcpu::{Vcpu, attention};
use crate::{lease::Lease, state::State};
use core::sync::atomic::{AtomicU32, Ordering};
use sawmill_abi::{UPCALL_VECTOR, statistics::ExitClass};
use sawmill_logic::arena::Ref;
use sawmill_logic::console::{Output, Source};
use sawmill_logic::platform::{CpuIndex, Exit, FrameRange, Platform, Registers, Tsc, VcpuHardware};
use spin::mutex::{SpinMutex, TicketMutex};

/// The microkernel on a machine.
pub struct Kernel<P: Platform> {
    pub(crate) platform: &'static P,
    /// The big lock. Rank 2.
    pub(crate) state: TicketMutex<State<P>>,
    /// Each kept by its CPU for good. Rank 1.
    pub(crate) locals: [SpinMutex<CpuLocal<P>>; CPUS],
    /// Taken only while the big lock is free. Rank 3.
    pub(crate) output: SpinMutex<Output>,
    /// Partition (arena index + 1) whose translations each CPU may be using; 0 = none.
    pub(crate) running: [AtomicU32; CPUS],
    /// Direct calls of each CPU; see `lease.rs`.
    pub(crate) leases: [Lease; CPUS],
}

/// What a CPU does next.
enum Next {
    Enter(Ref<Vcpu>, Tsc),
    /// With its partner at hand (`fast.rs`).
    EnterPair(Ref<Vcpu>, Tsc),
    Idle(Tsc),
    /// Frames of a new region, then look again.
    Clear(FrameRange),
}

impl<P: Platform> Kernel<P> {
    /// Creates a kernel without partitions.
    pub const fn new(platform: &'static P) -> Self {
        Kernel {
            platform,
            state: TicketMutex::new(State::new(platform)),
            locals: [const { SpinMutex::new(CpuLocal::new()) }; CPUS],
            output: SpinMutex::new(Output::new()),
            running: [const { AtomicU32::new(0) }; CPUS],
            leases: [const { Lease::new() }; CPUS],
        }
    }

    /// Runs vCPUs on this CPU for ever. Each CPU calls it once with its own index.
    pub fn run(&self, cpu: CpuIndex) -> ! {
        let cpu = cpu.0 as usize % CPUS;
        let mut local = self.locals[cpu].lock();
        local.cpu = cpu;
        loop {
            self.turn(&mut local);
        }
    }

    /// One round: everything from one exit that needs the state to the next.
    pub(crate) fn turn(&self, local: &mut CpuLocal<P>) {
        let (next, has_output, stop) = {
            let mut guard = self.state.lock();
            let state = &mut *guard;
            state.here = local.cpu;
            self.answer(state, local);
            let next = self.prepare(state, local);
            self.shoot_down(state);
            local.foreground = state.foreground;
            if !state.log.is_empty() {
                local.lines = core::mem::take(&mut state.log);
            }
            let has_output = local.copied.length != 0 || !local.lines.is_empty();
            if has_output {
                // The line is slow: who takes translations away must not wait for this CPU meanwhile.
                self.running[local.cpu % CPUS].store(0, Ordering::SeqCst);
            }
            (next, has_output, state.stop)
        };
        if has_output {
            self.put_out(local);
        }
        if let Some(kind) = stop {
            self.platform.shutdown(kind);
        }
        let interrupt = match next {
            Next::Clear(range) => {
                self.platform.zero_pages(range);
                self.platform.idle(Tsc(0))
            }
            // Much may have happened meanwhile.
            _ if has_output => None,
            Next::Idle(until) => self.platform.idle(until),
            Next::Enter(vcpu, deadline) => {
                let exit = local.run(vcpu).map(|run| (vcpu, run.hardware.enter(&mut run.registers, deadline)));
                self.leave(local, exit)
            }
            Next::EnterPair(vcpu, deadline) => {
                let exit = self.enter_pair(local, vcpu, deadline);
                self.leave(local, exit)
            }
        };
        if let Some(vector) = interrupt {
            let mut state = self.state.lock();
            state.here = local.cpu;
            state.interrupt(vector);
        }
    }

    /// Answers the exit that ended the last round.
    fn answer(&self, state: &mut State<P>, local: &mut CpuLocal<P>) {
        state.settle(local.cpu);
        self.count_fast_calls(state, local);
        state.account(self.platform.now());
        let (Some(exit), Some(current)) = (local.exit.take(), local.current) else { return };
        let CpuLocal { slots, copied, .. } = local;
        if let Some(run) = slots.get_mut(current.index()).and_then(Option::as_mut) {
            state.answer_exit(current, run, exit, copied);
        }
    }

    /// Adds the calls and replies by the last lease to the counters of who made them.
    fn count_fast_calls(&self, state: &mut State<P>, local: &mut CpuLocal<P>) {
        let calls = core::mem::take(&mut local.fast_calls);
        let replies = core::mem::take(&mut local.fast_replies);
        if let (true, Some(pair)) = (calls | replies > 0, local.pair)
            && let Some((calling, serving)) = state.vcpus.get_pair_mut(pair.caller, pair.server)
        {
            calling.statistics.exits[ExitClass::PortalCall as usize] += calls;
            calling.statistics.calls += calls;
            serving.statistics.exits[ExitClass::PortalReply as usize] += replies;
            serving.statistics.served += calls;
        }
    }

    /// Chooses who runs and brings its hardware up to date.
    fn prepare(&self, state: &mut State<P>, local: &mut CpuLocal<P>) -> Next {
        state.reap(|index| local.slots.get_mut(index).and_then(Option::take).map(|run| run.hardware));
        let now = self.platform.now();
        state.expire(now);
        state.park_doomed();
        while let Some(vcpu) = state.schedule(now) {
            if let Some(range) = state.next_to_clear(vcpu) {
                return Next::Clear(range);
            }
            if self.make_enterable(state, local, vcpu).is_some() {
                let deadline = state.entry_deadline(vcpu);
                return match state.lend_pair(local, vcpu) {
                    Some(()) => Next::EnterPair(vcpu, deadline),
                    None => Next::Enter(vcpu, deadline),
                };
            }
            state.stop_vcpu(vcpu);
        }
        Next::Idle(state.cpu(local.cpu).next_timer)
    }

    /// Does what other CPUs and earlier hypercalls left to be done on this vCPU's hardware.
    fn make_enterable(&self, state: &mut State<P>, local: &mut CpuLocal<P>, reference: Ref<Vcpu>) -> Option<()> {
        let vcpu = state.vcpus.get_mut(reference)?;
        let partition = vcpu.partition;
        let todo = vcpu.attention;
        if todo != 0 {
            let upcall = todo & attention::UPCALL;
            vcpu.attention = upcall;
            if todo & attention::TAKE != 0 {
                let hardware = state.hardware.get_mut(reference.index())?.take()?;
                let run = Run { hardware, registers: Registers::default(), epoch: 0, route: None, has_window: false };
                *local.slots.get_mut(reference.index())? = Some(run);
            }
            let run = local.run(reference)?;
            if todo & attention::START != 0 {
                run.hardware.start(vcpu.entry);
                run.registers = Registers { rdi: vcpu.argument, rsi: vcpu.argument, ..Registers::default() };
                // A tag used before may have left translations of another vCPU behind.
                self.platform.invalidate_ept(state.partitions.get(partition)?.ept_root);
            }
            if todo & attention::PORTS != 0
                && let Some(bitmaps) = state.partitions.get(partition)?.port_bitmaps
            {
                run.hardware.set_port_bitmaps(bitmaps);
            }
            if todo & attention::OUTCOME != 0 {
                crate::hypercall::write_outcome(&mut run.registers, &vcpu.outcome);
            }
            if upcall != 0 {
                self.offer_upcall(state, local, reference)?;
            }
        }
        local.renew_translations(state, partition.index());
        let run = local.run(reference)?;
        if run.epoch != state.epoch {
            run.epoch = state.epoch;
            run.route = None;
        }
        // Stored under the big lock: whoever takes translations away later sees it (`shoot_down`).
        self.running[local.cpu % CPUS].store(partition.index() as u32 + 1, Ordering::SeqCst);
        Some(())
    }

    /// Injects the upcall, or asks to be told when that is possible.
    fn offer_upcall(&self, state: &mut State<P>, local: &mut CpuLocal<P>, reference: Ref<Vcpu>) -> Option<()> {
        let is_wanted = state.wants_upcall(state.vcpus.get(reference)?);
        let run = local.run(reference)?;
        let vcpu = state.vcpus.get_mut(reference)?;
        let can_take = run.hardware.can_take_interrupt();
        if is_wanted && can_take {
            run.hardware.inject_interrupt(UPCALL_VECTOR);
            vcpu.statistics.injections += 1;
        }
        if !is_wanted || can_take {
            vcpu.attention &= !attention::UPCALL;
        }
        let needs_window = vcpu.attention & attention::UPCALL != 0;
        if needs_window != run.has_window {
            run.has_window = needs_window;
            run.hardware.set_interrupt_window(needs_window);
        }
        Some(())
    }

    /// Keeps the exit that has to be answered, and whose it is.
    fn leave(&self, local: &mut CpuLocal<P>, last: Option<(Ref<Vcpu>, Exit)>) -> Option<u8> {
        self.running[local.cpu % CPUS].store(0, Ordering::SeqCst);
        let (current, exit) = last?;
        local.current = Some(current);
        local.exit = Some(exit);
        None
    }

    /// Waits until no CPU uses translations that were taken away.
    ///
    /// The big lock is held: a CPU that leaves its guest waits for it, and then renews before it enters again.
    fn shoot_down(&self, state: &mut State<P>) {
        let partitions = core::mem::take(&mut state.shootdown);
        if partitions == 0 {
            return;
        }
        let uses = |running: &AtomicU32| {
            let partition = running.load(Ordering::SeqCst);
            partition != 0 && partition <= PARTITIONS as u32 && partitions & (1 << (partition - 1)) != 0
        };
        for (cpu, running) in self.running.iter().enumerate() {
            if cpu != state.here && uses(running) {
                self.platform.kick(CpuIndex(cpu as u32));
                while uses(running) {
                    core::hint::spin_loop();
                }
            }
        }
    }

    /// Puts out what was copied while the big lock was held.
    fn put_out(&self, local: &mut CpuLocal<P>) {
        let copied = &mut local.copied;
        let mut output = self.output.lock();
        output.set_foreground(local.foreground);
        let put = |bytes: &[u8]| self.platform.console_put(bytes);
        if copied.length > 0 {
            let source = Source { id: copied.id, name: &copied.name, channel: copied.channel };
            output.write(source, copied.bytes.get(..copied.length).unwrap_or_default(), put);
            copied.length = 0;
        }
        if !local.lines.is_empty() {
            output.write(Source { id: 0, name: b"hypervisor", channel: 0 }, local.lines.as_bytes(), put);
            local.lines.clear();
        }
    }
}
