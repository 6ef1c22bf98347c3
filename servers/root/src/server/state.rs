// SPDX-License-Identifier: MIT OR Apache-2.0
//! What root knows about the running system.

use arrayvec::ArrayVec;
use sawmill_abi::info::{DEVICES_MAX, DeviceInfo};
use sawmill_abi::machine::RootInfo;
use sawmill_abi::object::VCPUS_MAX;
use sawmill_proto::system::{PARTITIONS_MAX, SYSTEM_CONNECTIONS_MAX, System};
use sawmill_root::failure::Failure;
use sawmill_root::hang::Watch;
use sawmill_root::numbering::{DEVICE_IRQS, DEVICE_MESSAGES};
use sawmill_rt::calls::Selector;
use sawmill_rt::memory::Place;

use super::clock::Clock;
use super::stream::Stream;

/// Everything root knows.
pub struct Root {
    /// What the hypervisor told.
    pub info: RootInfo,
    /// The wall clock when root started.
    pub clock: Clock,
    /// What is to be.
    pub system: System,
    /// The portal through which root is called.
    pub portal: Selector,
    /// The partitions, in the description's order.
    pub partitions: ArrayVec<Running, PARTITIONS_MAX>,
    /// The connections, in the description's order.
    pub links: ArrayVec<Link, SYSTEM_CONNECTIONS_MAX>,
    /// Address space for looking into regions.
    pub windows: Windows,
    /// When to do what.
    pub alarms: Alarms,
    /// The run's status and why it ends, while servers let go of clients.
    pub ending: Option<(u64, Failure)>,
    /// The trace on its way to the host; none if nobody listens.
    pub stream: Option<Stream>,
}

/// Times (TSC) at which something is due.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alarms {
    /// Look whether servers answer.
    pub look: Option<u64>,
    /// Kill this partition.
    pub kill: Option<(usize, u64)>,
    /// Send the trace on.
    pub drain: Option<u64>,
    /// Print the counters.
    pub top: Option<u64>,
    /// End the run, whether servers have let go or not.
    pub end: Option<u64>,
}

/// Address space for looking into regions.
pub struct Windows {
    /// For boot modules.
    pub source: Place,
    /// For partitions' memory.
    pub target: Place,
    /// For what a trace has gathered; taken by it.
    pub trace: Option<Place>,
}

/// Life of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not started.
    New,
    /// Runs.
    Started,
    /// Its clients may start.
    Ready,
    /// Ended.
    Dead,
}

/// How the first vCPU starts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Start {
    /// First instruction.
    pub rip: u64,
    /// Stack.
    pub rsp: u64,
    /// Page tables.
    pub cr3: u64,
    /// RDI and RSI.
    pub argument: u64,
}

/// One partition.
pub struct Running {
    /// Life.
    pub state: State,
    /// Capability; null while it does not exist.
    pub selector: Selector,
    /// Its number on the console and in traces.
    pub number: u64,
    /// Its memory.
    pub memory: Selector,
    /// Its vCPUs.
    pub vcpus: ArrayVec<Selector, { VCPUS_MAX as usize }>,
    /// The physical CPUs of these.
    pub cpus: ArrayVec<u64, { VCPUS_MAX as usize }>,
    /// Portal for its fault messages.
    pub fault_portal: Selector,
    /// Portal by which root looks whether it answers; null = not watched.
    pub ping_portal: Selector,
    /// What came of that, on each of its CPUs.
    pub watches: [Watch; VCPUS_MAX as usize],
    /// Regions that it has asked for: each takes a place in root's table.
    pub allocations: u64,
    /// How it starts.
    pub start: Start,
    /// Its devices.
    pub devices: ArrayVec<Assigned, DEVICES_MAX>,
    /// How often it was started again.
    pub restarts: u64,
    /// It is started again as soon as servers have let go of its regions.
    pub is_expected: bool,
    /// Exit status it reported.
    pub status: Option<u64>,
}

/// A PCI function given to a partition.
pub struct Assigned {
    /// Capability in root's table.
    pub selector: Selector,
    /// Irq capabilities in root's table.
    pub irqs: ArrayVec<Selector, { (DEVICE_IRQS + DEVICE_MESSAGES) as usize }>,
    /// Their events, likewise.
    pub events: ArrayVec<Selector, { (DEVICE_IRQS + DEVICE_MESSAGES) as usize }>,
    /// Its memory, likewise.
    pub registers: ArrayVec<Selector, { BARS as usize }>,
    /// What the partition is told.
    pub info: DeviceInfo,
}

/// A connection's objects, in root's table; null = none.
pub struct Link {
    /// Portal into the server.
    pub portal: Selector,
    /// Event of the server.
    pub to_server: Selector,
    /// Event of the client.
    pub to_client: Selector,
    /// Control region.
    pub control: Selector,
    /// Pool region.
    pub pool: Selector,
    /// How often one of the ends has died.
    pub deaths: u64,
    /// The client has died, and its server may still use the regions.
    pub is_held: bool,
}

/// Base address registers of a PCI function.
pub const BARS: u64 = 6;

/// No capability.
pub const NULL: Selector = Selector(sawmill_abi::object::SELECTOR_NULL);

impl Running {
    /// Returns a partition that does not exist yet.
    pub fn new() -> Running {
        Running {
            state: State::New,
            selector: NULL,
            number: 0,
            memory: NULL,
            vcpus: ArrayVec::new(),
            cpus: ArrayVec::new(),
            fault_portal: NULL,
            ping_portal: NULL,
            watches: [Watch::default(); VCPUS_MAX as usize],
            allocations: 0,
            start: Start::default(),
            devices: ArrayVec::new(),
            restarts: 0,
            is_expected: false,
            status: None,
        }
    }
}

impl Root {
    /// Creates the state before anything was created.
    pub fn new(info: RootInfo, clock: Clock, system: System, portal: Selector, windows: Windows) -> Root {
        let partitions = system.partitions.iter().map(|_| Running::new()).collect();
        let links = system
            .connections
            .iter()
            .map(|_| Link {
                portal: NULL,
                to_server: NULL,
                to_client: NULL,
                control: NULL,
                pool: NULL,
                deaths: 0,
                is_held: false,
            })
            .collect();
        let (alarms, ending, stream) = (Alarms::default(), None, None);
        Root { info, clock, system, portal, partitions, links, windows, alarms, ending, stream }
    }

    /// Returns a partition's name.
    pub fn name(&self, index: usize) -> &str {
        &self.system.partitions[index].name
    }

    /// Returns true if this partition's devices may reach memory by DMA without an IOMMU.
    pub fn has_unsafe_dma(&self, index: usize) -> bool {
        self.system.partitions[index].devices.iter().any(|device| device.unsafe_dma)
    }
}
