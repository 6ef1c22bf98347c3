// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sizes of all tables, and what objects cost.
//!
//! Costs are in units of kernel frames. An object that takes no frame of its
//! own costs one unit, so that a quota bounds the table slots, too.

pub(crate) const CPUS: usize = 8;
pub(crate) const PARTITIONS: usize = 32;
pub(crate) const VCPUS: usize = 64;
pub(crate) const PORTALS: usize = 256;
pub(crate) const REGIONS: usize = 512;
pub(crate) const EVENTS: usize = 512;
pub(crate) const IRQS: usize = 64;
pub(crate) const DEVICES: usize = 32;
pub(crate) const MAPPINGS: usize = 1024;
pub(crate) const SELECTORS: usize = sawmill_abi::object::SELECTOR_COUNT as usize;
/// Each region splits an extent at most once.
pub(crate) const EXTENTS: usize = REGIONS + 64;
/// First slot that "any free slot" may choose; those below have fixed meanings.
pub(crate) const FIRST_FREE_SELECTOR: u16 = 32;
/// Cost of an object without frames of its own.
pub(crate) const OBJECT_COST: u64 = 1;
/// Units that the small objects of a full machine cost.
pub(crate) const SMALL_OBJECTS: u64 = (PORTALS + REGIONS + EVENTS + IRQS + DEVICES + MAPPINGS) as u64;
/// Bytes of console input kept per channel.
pub(crate) const INPUT_BYTES: usize = 2048;
/// Bytes of the kernel's own lines that are not put out yet.
pub(crate) const LOG_BYTES: usize = 1024;
/// Entries of a trace ring.
pub(crate) const TRACE_ENTRIES: usize = 2048;
/// PCI functions listed.
pub(crate) const FUNCTIONS: usize = 64;
/// Time slice among equals.
pub(crate) const SLICE_NS: u64 = 5_000_000;
/// Pages cleared while nobody else on that CPU runs.
pub(crate) const CLEARED_PAGES: u64 = 32;
/// Most frames of a vCPU.
pub(crate) const VCPU_FRAMES: usize = 16;
