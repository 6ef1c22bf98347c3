// SPDX-License-Identifier: MIT OR Apache-2.0
//! All objects of the kernel, behind the big lock.
//!
//! Owns [`State`]. Whoever holds the lock has set `here` to its own CPU.
//! What a running vCPU needs on each entry is in `cpu::CpuLocal` instead.

use crate::device::{Device, Function};
use crate::limits::{
    CPUS, DEVICES, EVENTS, EXTENTS, FUNCTIONS, INPUT_BYTES, IRQS, LOG_BYTES, MAPPINGS, PARTITIONS, PORTALS, REGIONS,
    SELECTORS, TRACE_ENTRIES, VCPUS,
};
use crate::{
    event::Event, interrupt::Irq, lease::Lease, mapping::Mapping, partition::Partition, portal::Portal, region::Region,
    vcpu::Vcpu,
};
use arrayvec::{ArrayString, ArrayVec};
use core::fmt::{self, Write};
use sawmill_abi::trace::{TraceEntry, TraceKind};
use sawmill_abi::{console::CHANNEL_COUNT, status::Status};
use sawmill_logic::arena::{Arena, Ref};
use sawmill_logic::console::{Format, Input};
use sawmill_logic::platform::{Platform, Tsc};
use sawmill_logic::{
    capability::CapabilitySpace, extents::Extents, frames::FramePool, ready::ReadyQueues, trace::TraceRing,
};

/// What a capability names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Object {
    Partition(Ref<Partition>),
    Vcpu(Ref<Vcpu>),
    Portal(Ref<Portal>),
    Region(Ref<Region>),
    Event(Ref<Event>),
    Irq(Ref<Irq>),
    Device(Ref<Device>),
    Machine,
}

/// Result of a decode step.
pub(crate) type Decoded<T> = Result<T, Status>;

/// Scheduling state of one CPU.
pub(crate) struct CpuState {
    /// Who runs; none = idle.
    pub current: Option<Ref<Vcpu>>,
    /// Who could.
    pub ready: ReadyQueues<Ref<Vcpu>, VCPUS>,
    /// All vCPUs bound to this CPU.
    pub members: ArrayVec<Ref<Vcpu>, VCPUS>,
    /// When the current vCPU makes room for equals.
    pub slice_end: Tsc,
    /// No timer or call budget of a member ends earlier.
    pub next_timer: Tsc,
    /// Since when the current vCPU runs.
    pub switched_at: Tsc,
    /// Some member waits to be retired on this CPU.
    pub has_zombies: bool,
}

impl CpuState {
    const fn new() -> Self {
        CpuState {
            current: None,
            ready: ReadyQueues::new(),
            members: ArrayVec::new_const(),
            slice_end: Tsc::NEVER,
            next_timer: Tsc::NEVER,
            switched_at: Tsc(0),
            has_zombies: false,
        }
    }
}

/// Everything that the big lock guards.
pub(crate) struct State<P: Platform> {
    pub platform: &'static P,
    /// CPU that holds the lock.
    pub here: usize,
    pub partitions: Arena<Partition, PARTITIONS>,
    pub vcpus: Arena<Vcpu, VCPUS>,
    pub portals: Arena<Portal, PORTALS>,
    pub regions: Arena<Region, REGIONS>,
    pub events: Arena<Event, EVENTS>,
    pub irqs: Arena<Irq, IRQS>,
    pub devices: Arena<Device, DEVICES>,
    pub mappings: Arena<Mapping, MAPPINGS>,
    pub capabilities: CapabilitySpace<Object, PARTITIONS, SELECTORS>,
    pub frames: FramePool,
    pub extents: Extents<EXTENTS>,
    pub cpus: [CpuState; CPUS],
    /// Hardware of new vCPUs until their CPU takes it; by arena index.
    pub hardware: [Option<P::Vcpu>; VCPUS],
    /// Changes whenever a translation of the partition is taken away; by arena index.
    pub ept_generations: [u32; PARTITIONS],
    /// Changes whenever an object, a capability or a translation goes: what the IPC path remembers is void then.
    pub epoch: u64,
    /// The kernel's leases; none before boot.
    pub leases: Option<&'static [Lease; CPUS]>,
    /// Caller and server of each CPU's lease.
    pub lent: [Option<(Ref<Vcpu>, Ref<Vcpu>)>; CPUS],
    /// Partitions (bits) whose old translations some CPU may still use.
    pub shootdown: u32,
    /// Partitions (bits) that are being destroyed.
    pub dying: u32,
    /// Partitions (bits) whose handlers gave them up: to be parked.
    pub doomed: u32,
    pub root: Option<Ref<Partition>>,
    pub format: Format,
    /// Partition number with the terminal, 0 = none.
    pub foreground: u8,
    pub input: Input,
    /// What arrived for each channel and was not read yet.
    pub received: [[ArrayVec<u8, INPUT_BYTES>; CHANNEL_COUNT as usize]; PARTITIONS],
    /// Which Irq a vector belongs to.
    pub vectors: [Option<Ref<Irq>>; 256],
    pub functions: ArrayVec<Function, FUNCTIONS>,
    pub traces: [TraceRing<TRACE_ENTRIES>; CPUS],
    pub trace_mask: u64,
    /// The kernel's own lines, put out when the lock is free.
    pub log: ArrayString<LOG_BYTES>,
    /// The machine shall stop so.
    pub stop: Option<u64>,
}

impl<P: Platform> State<P> {
    pub const fn new(platform: &'static P) -> Self {
        State {
            platform,
            here: 0,
            partitions: Arena::new(),
            vcpus: Arena::new(),
            portals: Arena::new(),
            regions: Arena::new(),
            events: Arena::new(),
            irqs: Arena::new(),
            devices: Arena::new(),
            mappings: Arena::new(),
            capabilities: CapabilitySpace::new(),
            frames: FramePool::new(),
            extents: Extents::new(),
            cpus: [const { CpuState::new() }; CPUS],
            hardware: [const { None }; VCPUS],
            ept_generations: [0; PARTITIONS],
            epoch: 1,
            leases: None,
            lent: [None; CPUS],
            shootdown: 0,
            dying: 0,
            doomed: 0,
            root: None,
            format: Format::Plain,
            foreground: 0,
            input: Input::new(),
            received: [const { [const { ArrayVec::new_const() }; CHANNEL_COUNT as usize] }; PARTITIONS],
            vectors: [None; 256],
            functions: ArrayVec::new_const(),
            traces: [const { TraceRing::new() }; CPUS],
            trace_mask: 0,
            log: ArrayString::new_const(),
            stop: None,
        }
    }

    /// Scheduling state of a CPU. The remainder keeps the index in range; callers have checked it.
    #[inline(always)]
    pub fn cpu(&mut self, cpu: usize) -> &mut CpuState {
        &mut self.cpus[cpu % CPUS]
    }

    /// Adds a line to those that are put out when the lock is free; what does not fit is cut.
    pub fn say(&mut self, line: fmt::Arguments<'_>) {
        let _ = writeln!(self.log, "{line}");
    }

    /// Writes a trace entry if that kind is traced.
    #[inline(always)]
    pub fn trace(&mut self, kind: TraceKind, who: Option<Ref<Vcpu>>, a: u64, b: u64) {
        if self.trace_mask & (1 << kind as u32) != 0 {
            self.trace_write(kind, who, a, b);
        }
    }

    #[cold]
    fn trace_write(&mut self, kind: TraceKind, who: Option<Ref<Vcpu>>, a: u64, b: u64) {
        let entry = TraceEntry {
            tsc: self.platform.now().0,
            kind: kind as u32,
            who: who.map_or(0, |vcpu| self.number(vcpu) << 8) | self.here as u32,
            a,
            b,
        };
        self.traces[self.here % CPUS].push(entry);
    }

    /// partition << 8 | index of a vCPU.
    pub fn number(&self, vcpu: Ref<Vcpu>) -> u32 {
        self.vcpus.get(vcpu).map_or(0, |vcpu| (vcpu.partition.index() as u32 + 1) << 8 | u32::from(vcpu.index))
    }
}
