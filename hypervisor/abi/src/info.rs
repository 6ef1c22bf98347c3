// SPDX-License-Identifier: MIT OR Apache-2.0
//! The information page: what root tells a partition before it starts.
//!
//! Lies in the partition's own memory at [`INFO_PAGE_GPA`]. Written by root
//! before the first vCPU runs (wall clock and restart counters may be written
//! later); everything in it was decided by root, so the partition trusts it.

use crate::PAGE_SIZE;

/// Where the information page is, in every partition.
pub const INFO_PAGE_GPA: u64 = 0x9_0000;
/// Event page of vCPU 0; vCPU `n` has the `n`-th page after it.
pub const EVENT_PAGE_GPA: u64 = 0x9_1000;
/// End of the range that holds shared pages (not RAM to the partition's kernel).
pub const SHARED_PAGES_END_GPA: u64 = 0xa_0000;

/// Magic of [`PartitionInfo`]: the bytes `SAWMILL1`.
pub const INFO_MAGIC: u64 = 0x314c_4c49_4d57_4153;

/// Most connections of a partition.
pub const CONNECTIONS_MAX: usize = 16;
/// Most PCI functions of a partition.
pub const DEVICES_MAX: usize = 8;
/// Most DMA ranges of a partition.
pub const DMA_RANGES_MAX: usize = 16;
/// Bytes of a name, padded with zeros.
pub const NAME_MAX: usize = 16;

/// Which end of a connection this partition is.
#[repr(u64)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionRole {
    /// It calls.
    Client = 1,
    /// It is called.
    Server = 2,
}

/// One vCPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct VcpuInfo {
    /// Selector of the vCPU.
    pub selector: u64,
    /// Physical CPU it is bound to.
    pub cpu: u64,
}

/// A path between a client and a server.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Connection {
    /// A [`ConnectionRole`]; 0 = unused entry.
    pub role: u64,
    /// Name of the service, for instance `root-fs`.
    pub service: [u8; NAME_MAX],
    /// Client: the portal to call. Server: 0.
    pub portal_selector: u64,
    /// Server: the badge with which this client's calls arrive. Client: 0.
    pub badge: u64,
    /// Event to signal the other end.
    pub signal_selector: u64,
    /// Own event bit (of vCPU 0) by which the other end signals.
    pub event_bit: u64,
    /// Control region: rings, message slots; same contents for both.
    pub control_gpa: u64,
    /// Its size in bytes.
    pub control_bytes: u64,
    /// Pool region: page-cache pages of the client (0 bytes = none).
    pub pool_gpa: u64,
    /// Its size in bytes.
    pub pool_bytes: u64,
    /// 1 for a connection to root's own services, else 0.
    pub is_root: u64,
    /// How often the other end has died. Root counts up, then signals `event_bit`: what was asked for will not come.
    pub peer_deaths: u64,
}

/// A PCI function assigned to the partition.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct DeviceInfo {
    /// Selector for `device_config_read` and `device_config_write`.
    pub selector: u64,
    /// bus << 8 | device << 3 | function, as the partition shall see it.
    pub address: u64,
    /// Irq selectors: `irq_acknowledge` works on them; 0 = none.
    pub irq_selectors: [u64; 4],
    /// Event bits (of vCPU 0) of these.
    pub irq_event_bits: [u64; 4],
    /// Linux IRQ numbers that drivers expect (14 and 15 for legacy IDE; else the PCI interrupt line).
    pub irq_numbers: [u64; 4],
    /// `IRQ_LEVEL` and the like, of each.
    pub irq_flags: [u64; 4],
    /// Number of Irqs of kind MSI for it, to be given to `device_msi`; 0 if it has neither MSI nor MSI-X.
    pub message_count: u64,
    /// Selector of the first of them; the others follow.
    pub message_selector: u64,
    /// Event bit (of vCPU 0) of the first of them; the others follow.
    pub message_event_bit: u64,
}

/// Memory whose device address differs from its guest-physical address (no IOMMU).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct DmaRange {
    /// First guest-physical address.
    pub gpa: u64,
    /// Device (host-physical) address of it.
    pub hpa: u64,
    /// Bytes.
    pub size_bytes: u64,
}

/// The information page.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct PartitionInfo {
    /// [`INFO_MAGIC`].
    pub magic: u64,
    /// [`crate::ABI_VERSION`].
    pub abi_version: u64,
    /// Name of the partition.
    pub name: [u8; NAME_MAX],
    /// Its number (1 = root).
    pub partition_id: u64,
    /// TSC frequency in kHz.
    pub tsc_khz: u64,
    /// Wall clock at `wall_clock_tsc`, ns since 1970 UTC.
    pub wall_clock_ns: u64,
    /// TSC at that moment.
    pub wall_clock_tsc: u64,
    /// Size of the memory at GPA 0, bytes.
    pub memory_bytes: u64,
    /// How often root has started this partition before.
    pub restarts: u64,
    /// Number of vCPUs.
    pub vcpu_count: u64,
    /// The vCPUs.
    pub vcpus: [VcpuInfo; crate::object::VCPUS_MAX as usize],
    /// Number of valid entries in `connections`.
    pub connection_count: u64,
    /// Number of valid entries in `devices`.
    pub device_count: u64,
    /// Number of valid entries in `dma_ranges`.
    pub dma_range_count: u64,
    /// The connections.
    pub connections: [Connection; CONNECTIONS_MAX],
    /// The devices.
    pub devices: [DeviceInfo; DEVICES_MAX],
    /// The DMA ranges.
    pub dma_ranges: [DmaRange; DMA_RANGES_MAX],
}

const _: () = assert!(core::mem::size_of::<PartitionInfo>() <= PAGE_SIZE as usize);
