// SPDX-License-Identifier: MIT OR Apache-2.0
//! Object kinds, rights, and the selectors that every partition starts with.

/// Kind of a kernel object.
#[repr(u64)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No object.
    None = 0,
    /// A protection domain: one EPT, one capability table, one quota.
    Partition = 1,
    /// A virtual CPU of a partition, bound to one physical CPU.
    Vcpu = 2,
    /// An entry point into a server partition.
    Portal = 3,
    /// A set of contiguous page frames with an owner (the SawMill dataspace).
    Region = 4,
    /// One event bit of one vCPU, to be signalled.
    Event = 5,
    /// An interrupt source bound to an event.
    Irq = 6,
    /// A PCI function assigned to a partition.
    Device = 7,
    /// The machine itself: what only root may do.
    Machine = 8,
}

/// Partition: map memory, create vCPUs, set the handler, grant ports, destroy.
pub const RIGHT_PARTITION_CONTROL: u64 = 1;
/// Partition: read its statistics.
pub const RIGHT_PARTITION_INFO: u64 = 2;
/// Partition: put capabilities into its table; create objects on its quota.
pub const RIGHT_PARTITION_GRANT: u64 = 4;
/// Partition: signal events of its vCPUs by index (a partition has this on itself).
pub const RIGHT_PARTITION_SIGNAL: u64 = 8;
/// Vcpu: start it, create events on it.
pub const RIGHT_VCPU_CONTROL: u64 = 1;
/// Portal: call it.
pub const RIGHT_PORTAL_CALL: u64 = 1;
/// Portal: use it as a fault handler.
pub const RIGHT_PORTAL_CONTROL: u64 = 2;
/// Region: map it readable.
pub const RIGHT_REGION_READ: u64 = 1;
/// Region: map it writable.
pub const RIGHT_REGION_WRITE: u64 = 2;
/// Region: map it executable.
pub const RIGHT_REGION_EXECUTE: u64 = 4;
/// Region: learn its host-physical address, for DMA without an IOMMU.
pub const RIGHT_REGION_DMA: u64 = 8;
/// Event: signal it.
pub const RIGHT_EVENT_SIGNAL: u64 = 1;
/// Irq: acknowledge it.
pub const RIGHT_IRQ_ACKNOWLEDGE: u64 = 1;
/// Device: read and write its configuration space.
pub const RIGHT_DEVICE_CONFIG: u64 = 1;
/// Machine: all that the Machine object offers.
pub const RIGHT_MACHINE_CONTROL: u64 = 1;
/// Any kind: the capability may be copied.
pub const RIGHT_COPY: u64 = 0x80;
/// Any kind: every right.
pub const RIGHT_ALL: u64 = 0xff;

/// Selector that never names a capability.
pub const SELECTOR_NULL: u64 = 0;
/// Selector of the partition itself, with INFO, GRANT and SIGNAL (root: all rights).
pub const SELECTOR_SELF: u64 = 1;
/// Selector of the Machine object; only root starts with it.
pub const SELECTOR_MACHINE: u64 = 2;
/// Selector of vCPU `n` of the partition is this plus `n`; put there by whoever creates it.
pub const SELECTOR_VCPU_BASE: u64 = 16;
/// Number of selectors in a capability table.
pub const SELECTOR_COUNT: u64 = 256;
/// Largest number of vCPUs of one partition.
pub const VCPUS_MAX: u64 = 8;
