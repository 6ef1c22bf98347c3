// SPDX-License-Identifier: MIT OR Apache-2.0
//! Flags of memory regions.

/// `region_create`: frames below 4 GiB, for devices that address 32 bits.
pub const REGION_BELOW_4G: u64 = 1;
/// `region_create`: aligned to 2 MiB, so that large EPT pages can map it.
pub const REGION_ALIGN_2M: u64 = 2;
