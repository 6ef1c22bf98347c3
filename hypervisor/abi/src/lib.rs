// SPDX-License-Identifier: MIT OR Apache-2.0
//! Everything a partition can see of the hypervisor.
//!
//! The one hypercall table ([`hypercall::TABLE`]), status codes, object kinds
//! and rights, and the layout of the pages that the hypervisor or root shares
//! with a partition. No behaviour and no `unsafe` lives here. The C header of
//! the Linux glue and `hypervisor/doc/interface.md` are generated from this
//! crate by `cargo xtask generate`.
#![no_std]
#![forbid(unsafe_code)]

pub mod console;
pub mod event;
pub mod fault;
pub mod hypercall;
pub mod info;
pub mod machine;
pub mod object;
pub mod region;
pub mod statistics;
pub mod status;
pub mod trace;

/// Version of this interface: bumped by every incompatible change, which
/// also changes `hypervisor/doc/interface.md` and a conformance test.
pub const ABI_VERSION: u64 = 2;

/// CPUID leaf at which a partition finds the hypervisor.
///
/// EAX = highest hypervisor leaf, EBX ECX EDX = [`CPUID_SIGNATURE`].
pub const CPUID_LEAF_BASE: u32 = 0x4000_0000;
/// CPUID leaf: EAX = [`ABI_VERSION`], EBX = index of the calling vCPU, ECX = TSC kHz, EDX = 0.
pub const CPUID_LEAF_ABI: u32 = 0x4000_0001;
/// EBX, ECX, EDX of [`CPUID_LEAF_BASE`]: the bytes `SawMillSawMi` in order.
pub const CPUID_SIGNATURE: [u32; 3] = [0x4d77_6153, 0x536c_6c69, 0x694d_7761];

/// Vector that the hypervisor injects when event bits became pending.
pub const UPCALL_VECTOR: u8 = 0xf3;

/// Size of a page and of all shared pages, in bytes.
pub const PAGE_SIZE: u64 = 4096;
