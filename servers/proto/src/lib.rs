// SPDX-License-Identifier: MIT OR Apache-2.0
//! What partitions, root and the host tools say to each other; unknown to the hypervisor.
#![no_std]
#![forbid(unsafe_code)]

pub mod file;
pub mod root;
pub mod run;
pub mod socket;
pub mod statistics;
pub mod system;
pub mod trace;
