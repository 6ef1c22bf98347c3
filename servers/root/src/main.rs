// SPDX-License-Identifier: MIT OR Apache-2.0
//! The root server: the first partition, with a capability to everything.
//!
//! Creates what the system description says, then answers: faults of
//! partitions and their requests. What it decides is in the library beside it.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![deny(unsafe_code)]

#[cfg(target_os = "none")]
mod server;

sawmill_rt::partition_only!();
