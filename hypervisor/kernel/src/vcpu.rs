// SPDX-License-Identifier: MIT OR Apache-2.0
//! Virtual CPUs: object, creation and start.
//!
//! Owns [`Vcpu`], the part under the big lock. Registers and hardware are in
//! `cpu::CpuLocal` of the CPU it is bound to; whatever another CPU wants to do
//! to them it leaves here, with a bit in `attention`.

use crate::hypercall::{Answer, Arguments};
use crate::limits::{CPUS, VCPU_FRAMES, VCPUS};
use crate::lookup::Caller;
use crate::partition::{Condition, Partition};
use crate::region::Clearing;
use crate::state::{Decoded, Object, State};
use arrayvec::ArrayVec;
use sawmill_abi::object::{RIGHT_PARTITION_CONTROL, RIGHT_VCPU_CONTROL, SELECTOR_MACHINE, VCPUS_MAX};
use sawmill_abi::{PAGE_SIZE, statistics::VcpuStatistics, status::Status};
use sawmill_logic::platform::{CpuIndex, EntryState, Gpa, Hpa, Platform, Tsc, VcpuHardware, is_canonical};
use sawmill_logic::{arena::Ref, capability::Position, ept, ready::PRIORITIES};

/// What a vCPU is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    /// Not started.
    Stopped,
    /// In a ready queue of its CPU.
    Ready,
    /// Current on its CPU.
    Running,
    /// In `vcpu_wait` or HLT.
    Waiting,
    /// In `portal_reply_wait`.
    Receiving,
    /// In a call to (or queued at) this server vCPU.
    Calling(Ref<Vcpu>),
    /// Never to run again, unless its fault handler says so.
    Parked,
    /// Destroyed; its CPU has to retire the hardware.
    Zombie,
}

/// Whose call a server vCPU owes an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Serving {
    /// Nobody's.
    Nobody,
    /// This vCPU's.
    Caller(Ref<Vcpu>),
    /// That of a caller that gave up or died: the reply goes nowhere.
    Gone,
}

/// What to do before the next entry.
pub(crate) mod attention {
    /// Take the hardware from `State::hardware`.
    pub const TAKE: u8 = 1;
    /// Load the start state.
    pub const START: u8 = 2;
    /// Use the partition's port bitmaps.
    pub const PORTS: u8 = 4;
    /// Write `outcome` into the registers.
    pub const OUTCOME: u8 = 8;
    /// Inject the upcall vector.
    pub const UPCALL: u8 = 16;
}

/// What a vCPU that waited gets when it runs again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    pub status: u64,
    pub badge: Option<u64>,
    pub words: Option<[u64; 6]>,
}

impl Outcome {
    /// Only a status.
    pub fn status(status: Status) -> Outcome {
        Outcome { status: status as u64, badge: None, words: None }
    }
}

/// Why a vCPU is in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallKind {
    /// It called.
    Ordinary,
    /// It faulted; the kernel calls the handler in its name.
    Fault,
}

/// A call that this vCPU makes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub kind: CallKind,
    pub badge: u64,
    pub words: [u64; 6],
    /// When its budget ends.
    pub deadline: Tsc,
}

/// A virtual CPU.
pub(crate) struct Vcpu {
    pub partition: Ref<Partition>,
    pub index: u8,
    pub cpu: usize,
    pub base_priority: u8,
    /// No call that it let run out of time had less; until it asks for the next one.
    pub ceiling: u8,
    /// Own or inherited from callers, whichever is higher.
    pub priority: u8,
    pub activity: Activity,
    pub attention: u8,
    /// False only if no event bit can be pending.
    pub may_have_events: bool,
    pub serving: Serving,
    /// Oldest first.
    pub callers: ArrayVec<Ref<Vcpu>, VCPUS>,
    pub call: Call,
    pub outcome: Outcome,
    pub entry: EntryState,
    /// RDI and RSI at entry.
    pub argument: u64,
    /// Frames that it clears for a region, before anything else.
    pub clearing: Option<Clearing>,
    pub timer: Tsc,
    /// Event page; none if its memory was taken away.
    pub event_page: Option<Hpa>,
    /// Where the partition has it.
    pub event_gpa: Gpa,
    pub statistics: VcpuStatistics,
    pub frames: ArrayVec<Hpa, VCPU_FRAMES>,
    pub origin: Position,
}

impl Vcpu {
    /// Its priority without what callers lend.
    pub fn own_priority(&self) -> u8 {
        self.base_priority.min(self.ceiling)
    }
}

/// Checked arguments of a new vCPU.
pub(crate) struct NewVcpu {
    pub partition: Ref<Partition>,
    pub index: u64,
    pub cpu: u64,
    pub priority: u64,
    pub event_page: Gpa,
}

impl<P: Platform> State<P> {
    pub(crate) fn vcpu_create(&mut self, caller: &Caller, arguments: &Arguments) -> Decoded<Answer> {
        let partition = self.lookup(caller, arguments.selector, RIGHT_PARTITION_CONTROL)?;
        let [index, cpu, priority, event_page, ..] = arguments.words;
        // Nobody but root makes what goes before itself: a hostile partition's children would keep its CPUs from all others.
        let own = u64::from(self.vcpus.get(caller.vcpu).ok_or(Status::BadSelector)?.base_priority);
        let is_higher = priority > own && priority < PRIORITIES as u64;
        if is_higher && self.lookup_machine(caller, SELECTOR_MACHINE).is_err() {
            return Err(Status::NoRight);
        }
        let at = self.free_selector(caller)?;
        let new = NewVcpu { partition, index, cpu, priority, event_page: Gpa(event_page) };
        Ok(Answer::value(self.make_vcpu(&new, at)?))
    }

    /// Makes a vCPU and puts its original capability at a free position.
    pub(crate) fn make_vcpu(&mut self, new: &NewVcpu, at: Position) -> Decoded<u64> {
        let NewVcpu { partition: owner, index, cpu, priority, event_page } = *new;
        let partition = self.partitions.get(owner).ok_or(Status::BadSelector)?;
        let cpu_count = u64::from(self.platform.cpu_count()).min(CPUS as u64);
        if index >= VCPUS_MAX || cpu >= cpu_count || priority >= PRIORITIES as u64 {
            return Err(Status::BadArgument);
        }
        if partition.condition != Condition::Running || partition.vcpu(index as usize).is_some() {
            return Err(Status::Busy);
        }
        let (ept_root, has_ports) = (partition.ept_root, partition.port_bitmaps.is_some());
        let page = ept::translate(self.platform, ept_root, event_page).ok_or(Status::BadAddress)?;
        if event_page.0 % PAGE_SIZE != 0 || page.rights & ept::WRITE == 0 {
            return Err(Status::BadAddress);
        }
        let reference = self.vcpus.next().ok_or(Status::NoSlot)?;
        if P::VCPU_FRAMES > VCPU_FRAMES {
            return Err(Status::Unsupported);
        }
        let frames = self.take_frames(owner, P::VCPU_FRAMES)?;
        let vpid = reference.index() as u16 + 1;
        let Ok(hardware) = self.platform.create_vcpu(CpuIndex(cpu as u32), ept_root, vpid, &frames) else {
            self.give_frames(owner, &frames);
            return Err(Status::Unsupported);
        };
        let vcpu = Vcpu {
            partition: owner,
            index: index as u8,
            cpu: cpu as usize,
            base_priority: priority as u8,
            ceiling: u8::MAX,
            priority: priority as u8,
            activity: Activity::Stopped,
            attention: attention::TAKE | if has_ports { attention::PORTS } else { 0 },
            may_have_events: true,
            serving: Serving::Nobody,
            callers: ArrayVec::new(),
            call: Call { kind: CallKind::Ordinary, badge: 0, words: [0; 6], deadline: Tsc::NEVER },
            outcome: Outcome::status(Status::Ok),
            entry: EntryState::default(),
            argument: 0,
            clearing: None,
            timer: Tsc::NEVER,
            event_page: Some(page.hpa),
            event_gpa: event_page,
            statistics: VcpuStatistics::default(),
            frames,
            origin: at,
        };
        // `next` was asked under the same lock, so there is room.
        let Ok(reference) = self.vcpus.insert(vcpu) else { return Err(Status::NoSlot) };
        if let Some(place) = self.hardware.get_mut(reference.index()) {
            *place = Some(hardware);
        }
        // Each vCPU is a member of one CPU once, and there are no more vCPUs than places.
        let _ = self.cpu(cpu as usize).members.try_push(reference);
        let places = self.partitions.get_mut(owner).map(|partition| &mut partition.vcpus);
        if let Some(place) = places.and_then(|places| places.get_mut(index as usize)) {
            *place = Some(reference);
        }
        // It may be the one that serves calls on its CPU from now on.
        self.begin_epoch();
        Ok(self.name_object(at, Object::Vcpu(reference)))
    }

    pub(crate) fn vcpu_start(&mut self, caller: &Caller, arguments: &Arguments) -> Decoded<Answer> {
        let reference = self.lookup(caller, arguments.selector, RIGHT_VCPU_CONTROL)?;
        let [rip, rsp, cr3, argument, ..] = arguments.words;
        self.start(reference, EntryState { rip, rsp, cr3 }, argument)?;
        Ok(Answer::default())
    }

    /// Starts a stopped vCPU.
    pub(crate) fn start(&mut self, reference: Ref<Vcpu>, entry: EntryState, argument: u64) -> Decoded<()> {
        let vcpu = self.vcpus.get_mut(reference).ok_or(Status::BadSelector)?;
        let partition = self.partitions.get(vcpu.partition).ok_or(Status::BadSelector)?;
        if !is_canonical(entry.rip) || entry.cr3 >> 52 != 0 {
            return Err(Status::BadArgument);
        }
        if vcpu.activity != Activity::Stopped || partition.condition != Condition::Running {
            return Err(Status::Busy);
        }
        vcpu.entry = entry;
        vcpu.argument = argument;
        vcpu.attention |= attention::START;
        self.make_ready(reference);
        Ok(())
    }

    /// Destroys a vCPU: out of all calls, out of its partition; hardware and frames follow on its CPU.
    pub(crate) fn retire_vcpu(&mut self, reference: Ref<Vcpu>) {
        self.leave_calls(reference);
        let vcpu = self.vcpus.get_mut(reference).filter(|vcpu| vcpu.activity != Activity::Zombie);
        let Some(vcpu) = vcpu else { return };
        vcpu.activity = Activity::Zombie;
        vcpu.event_page = None;
        let (owner, cpu, frames) = (vcpu.partition, vcpu.cpu, vcpu.frames.len());
        if let Some(partition) = self.partitions.get_mut(owner) {
            partition.vcpus = partition.vcpus.map(|vcpu| vcpu.filter(|vcpu| *vcpu != reference));
            partition.kernel_quota.release(frames as u64);
        }
        let state = self.cpu(cpu);
        state.ready.remove(reference);
        state.has_zombies = true;
        self.kick(cpu);
    }

    /// Retires the zombies of this CPU; `take` hands over hardware that the CPU has taken before.
    pub(crate) fn reap(&mut self, mut take: impl FnMut(usize) -> Option<P::Vcpu>) {
        let here = self.here;
        if !core::mem::take(&mut self.cpu(here).has_zombies) {
            return;
        }
        let members = self.cpu(here).members.clone();
        for reference in members {
            if self.vcpus.get(reference).is_none_or(|vcpu| vcpu.activity != Activity::Zombie) {
                continue;
            }
            let untaken = self.hardware.get_mut(reference.index()).and_then(Option::take);
            if let Some(mut hardware) = take(reference.index()).or(untaken) {
                hardware.retire();
            }
            if let Some(vcpu) = self.vcpus.remove(reference) {
                for frame in vcpu.frames {
                    self.frames.give(frame);
                }
                if let Some(Clearing { range, payer, .. }) = vcpu.clearing {
                    self.give_pages(payer, range);
                }
            }
            let state = self.cpu(here);
            state.members.retain(|member| *member != reference);
            if state.current == Some(reference) {
                state.current = None;
            }
        }
    }
}
