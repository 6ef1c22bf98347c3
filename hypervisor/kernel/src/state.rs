// SPDX-License-Identifier: MIT OR Apache-2.0
//! All objects of the kernel, behind the big lock.
//!
//! Owns [`State`]. Whoever holds the lock has set `here` to its own CPU.
//! What a running vCPU needs on each entry is in `cpu::CpuLocal` instead.

use crate::device::{Device, Function};
use crate::event::Event;
use crate::interrupt::Irq;
use crate::lease::Lease;
use crate::limits::{
    CPUS, DEVICES, EVENTS, EXTENTS, FUNCTIONS, INPUT_BYTES, IRQS, MAPPINGS, PARTITIONS, PORTALS, REGIONS, SELECTORS,
    TRACE_ENTRIES, VCPUS,
};
use crate::log::Log;
use crate::mapping::Mapping;
use crate::partition::Partition;
use crate::portal::Portal;
use crate::region::Region;
use crate::vcpu::Vcpu;
use arrayvec::ArrayVec;
use sawmill_abi::console::CHANNEL_COUNT;
use sawmill_abi::status::Status;
use sawmill_abi::trace::{TraceEntry, TraceKind};
use sawmill_logic::arena::{Arena, Ref};
use sawmill_logic::capability::CapabilitySpace;
use sawmill_logic::console::{Format, Input};
use sawmill_logic::extents::Extents;
use sawmill_logic::frames::FramePool;
use sawmill_logic::platform::{Platform, Tsc};
use sawmill_logic::ready::ReadyQueues;
use sawmill_logic::ring::ByteRing;
use sawmill_logic::trace::TraceRing;

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
    pub root: Option<Ref<Partition>>,
    pub format: Format,
    /// Partition number with the terminal, 0 = none.
    pub foreground: u8,
    pub input: Input,
    pub received: [[ByteRing<INPUT_BYTES>; CHANNEL_COUNT as usize]; PARTITIONS],
    /// Which Irq a vector belongs to.
    pub vectors: [Option<Ref<Irq>>; 256],
    pub functions: ArrayVec<Function, FUNCTIONS>,
    pub traces: [TraceRing<TRACE_ENTRIES>; CPUS],
    pub trace_mask: u64,
    /// The kernel's own lines, put out when the lock is free.
    pub log: Log,
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
            root: None,
            format: Format::Plain,
            foreground: 0,
            input: Input::new(),
            received: [const { [const { ByteRing::new() }; CHANNEL_COUNT as usize] }; PARTITIONS],
            vectors: [None; 256],
            functions: ArrayVec::new_const(),
            traces: [const { TraceRing::new() }; CPUS],
            trace_mask: 0,
            log: Log::new(),
            stop: None,
        }
    }

    /// Scheduling state of a CPU. The remainder keeps the index in range; callers have checked it.
    #[inline(always)]
    pub fn cpu(&mut self, cpu: usize) -> &mut CpuState {
        &mut self.cpus[cpu % CPUS]
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
