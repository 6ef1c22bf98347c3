// SPDX-License-Identifier: MIT OR Apache-2.0
//! Counters that `partition_statistics` copies out.

/// Number of exit counters; index = the classes of [`ExitClass`].
pub const EXIT_CLASSES: usize = 16;

/// Classes into which VM exits are counted.
#[repr(u64)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitClass {
    /// Hypercalls other than IPC.
    Hypercall = 0,
    /// `portal_call`.
    PortalCall = 1,
    /// `portal_reply` and `portal_reply_wait`.
    PortalReply = 2,
    /// Physical interrupts.
    ExternalInterrupt = 3,
    /// Timer.
    Timer = 4,
    /// Interrupt window.
    InterruptWindow = 5,
    /// CPUID.
    Cpuid = 6,
    /// RDMSR and WRMSR.
    Msr = 7,
    /// Port access.
    Port = 8,
    /// HLT.
    Halt = 9,
    /// EPT violation.
    EptViolation = 10,
    /// Extended state (#NM, XSETBV): dealt with where it happens, so none is counted.
    ExtendedState = 11,
    /// Everything else.
    Other = 12,
}

/// Counters of a vCPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct VcpuStatistics {
    /// Exits by [`ExitClass`].
    pub exits: [u64; EXIT_CLASSES],
    /// TSC ticks it ran.
    pub run_tsc: u64,
    /// Calls made.
    pub calls: u64,
    /// Calls received.
    pub served: u64,
    /// Times an event was injected.
    pub injections: u64,
}

/// What `partition_statistics` writes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct PartitionStatistics {
    /// 0 = running, 1 = parked after a fault, 2 = dead.
    pub state: u64,
    /// Pages of regions charged to it.
    pub region_pages: u64,
    /// Frames of kernel objects charged to it.
    pub kernel_frames: u64,
    /// Quota of region pages.
    pub region_quota_pages: u64,
    /// Quota of kernel frames.
    pub kernel_quota_frames: u64,
    /// Number of vCPUs.
    pub vcpu_count: u64,
    /// The vCPUs.
    pub vcpus: [VcpuStatistics; crate::object::VCPUS_MAX as usize],
}

const _: () = assert!(core::mem::size_of::<PartitionStatistics>() <= crate::PAGE_SIZE as usize);
