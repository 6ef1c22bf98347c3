// SPDX-License-Identifier: MIT OR Apache-2.0
//! The compiled system description: what root creates at boot.
//!
//! `servers/config` turns `system.toml` into a [`System`] in postcard encoding;
//! root reads it without allocation. Neighbours: `sawmill-config` (writes),
//! `sawmill-root` (reads, and checks again what depends on the machine).

use arrayvec::{ArrayString, ArrayVec};
use serde::{Deserialize, Serialize};

/// First field of every compiled description: the bytes `SYS1`.
pub const SYSTEM_MAGIC: u32 = 0x3153_5953;
/// Version of the types in this file: bumped by every change to them.
pub const SYSTEM_VERSION: u32 = 4;

/// Most partitions of a system, besides root.
pub const PARTITIONS_MAX: usize = 8;
/// Most connections of a system.
pub const SYSTEM_CONNECTIONS_MAX: usize = 16;
/// Most device entries of a partition.
pub const DEVICE_ENTRIES_MAX: usize = 4;
/// Most classes that one device entry accepts.
pub const DEVICE_CLASSES_MAX: usize = 8;
/// Most bytes of a command line.
pub const COMMAND_LINE_MAX: usize = 1024;
/// Most bytes of a partition's or service's name.
pub const NAME_BYTES: usize = 15;
/// Most bytes of a boot module's name.
pub const MODULE_BYTES: usize = 31;

/// Slot at which a partition with `controls_itself` holds its own capability with all rights.
pub const SELECTOR_OWN_CONTROL: u64 = 15;

/// Name of a partition or a service.
pub type Name = ArrayString<NAME_BYTES>;
/// Name of a boot module.
pub type ModuleName = ArrayString<MODULE_BYTES>;
/// Kernel command line.
pub type CommandLine = ArrayString<COMMAND_LINE_MAX>;

/// A whole system. Partitions are in start order: servers before their clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct System {
    /// [`SYSTEM_MAGIC`].
    pub magic: u32,
    /// [`SYSTEM_VERSION`].
    pub version: u32,
    /// The partitions besides root.
    pub partitions: ArrayVec<Partition, PARTITIONS_MAX>,
    /// Who may call whom.
    pub connections: ArrayVec<Connection, SYSTEM_CONNECTIONS_MAX>,
}

/// How a partition's image is to be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ImageKind {
    /// A Linux `vmlinux` ELF file, entered at `startup_64`.
    Linux,
    /// A flat image with a header, as `servers/rt` makes.
    Flat,
}

/// Physical CPUs on which a partition gets one vCPU each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cpus {
    /// Every running CPU.
    All,
    /// CPUs 0 to n-1.
    First(u8),
    /// The CPUs whose bits are set.
    Mask(u8),
}

/// What root does when a partition died.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Restart {
    /// Leaves it dead.
    Never,
    /// Starts it again after a fault or panic, at most so often.
    OnFailure(u32),
    /// Starts it again after any end, at most so often.
    Always(u32),
}

/// When root counts a partition as started and goes on to its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ready {
    /// As soon as its first vCPU runs.
    Started,
    /// When it has told root so.
    Reported,
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    /// Its name.
    pub name: Name,
    /// What `image` is.
    pub kind: ImageKind,
    /// Boot module with the kernel.
    pub image: ModuleName,
    /// Boot module with the initial ramdisk.
    pub initrd: Option<ModuleName>,
    /// Memory at GPA 0, bytes.
    pub memory_bytes: u64,
    /// Where its vCPUs run.
    pub cpus: Cpus,
    /// 0 (lowest) to 7.
    pub priority: u8,
    /// Kernel command line.
    pub command_line: CommandLine,
    /// True if it has the terminal.
    pub is_foreground: bool,
    /// True if its end is the end of the run.
    pub ends_run: bool,
    /// True if it holds its own capability with all rights ([`SELECTOR_OWN_CONTROL`]).
    pub controls_itself: bool,
    /// True if it may read the counters of all partitions.
    pub sees_statistics: bool,
    /// True if it holds the machine's capability with all rights, as root does.
    pub controls_machine: bool,
    /// Frames the kernel may use for its objects.
    pub kernel_frames: u64,
    /// Region pages it may allocate besides its memory and pools.
    pub extra_pages: u64,
    /// After how long without answers it counts as dead, ns; 0 = never.
    pub hang_after_ns: u64,
    /// What to do when it died.
    pub restart: Restart,
    /// When its clients may start.
    pub ready: Ready,
    /// PCI functions it gets.
    pub devices: ArrayVec<Device, DEVICE_ENTRIES_MAX>,
    /// Boot module it sees as persistent memory.
    pub memory_disk: Option<MemoryDisk>,
}

/// PCI functions that a partition gets: all that match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Class and subclass; one of them has to match.
    pub classes: ArrayVec<u16, DEVICE_CLASSES_MAX>,
    /// Vendor, if it matters.
    pub vendor: Option<u16>,
    /// Device number, if it matters.
    pub device: Option<u16>,
    /// True if the machine may lack it.
    pub is_optional: bool,
    /// True if it may access all memory where no IOMMU confines it.
    pub unsafe_dma: bool,
}

/// A boot module that Linux sees as `/dev/pmem0`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryDisk {
    /// The module.
    pub module: ModuleName,
    /// True if the module may be absent.
    pub is_optional: bool,
    /// Appended to the partition's command line when the module is there.
    pub command_line: CommandLine,
}

/// A path from a client to a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// Name of the service.
    pub service: Name,
    /// Index of the calling partition.
    pub client: u8,
    /// Index of the called partition.
    pub server: u8,
    /// What the server learns about the caller.
    pub badge: u64,
    /// Size of the region with rings and message slots; 0 = none.
    pub control_bytes: u64,
    /// Size of the region with the client's page cache; 0 = none.
    pub pool_bytes: u64,
    /// True if the server may write into the pool.
    pub server_writes_pool: bool,
    /// Longest time a call may take, ns; 0 = no limit.
    pub budget_ns: u64,
}

impl Cpus {
    /// Returns the mask of physical CPUs on a machine with `cpu_count` of them.
    pub fn mask(self, cpu_count: u64) -> u64 {
        let present = (1u64 << cpu_count.min(sawmill_abi::object::VCPUS_MAX)) - 1;
        match self {
            Cpus::All => present,
            Cpus::First(count) => present & ((1u64 << count.min(63)) - 1),
            Cpus::Mask(mask) => present & u64::from(mask),
        }
    }
}
