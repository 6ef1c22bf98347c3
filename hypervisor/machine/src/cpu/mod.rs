// SPDX-License-Identifier: MIT OR Apache-2.0
//! One processor: registers, descriptors, its own area, its requirements.

pub mod area;
pub mod descriptors;
pub mod exceptions;
pub mod msr;
pub mod port;
pub mod requirements;
pub mod trials;

/// Most CPUs that are started: as many as the kernel keeps state for.
pub const CPUS_MAX: usize = 8;
