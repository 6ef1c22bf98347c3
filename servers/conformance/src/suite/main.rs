// SPDX-License-Identifier: MIT OR Apache-2.0
//! The suite: tests hypercalls with right and wrong arguments, and calls to the assistant.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![deny(unsafe_code)]

#[cfg(target_os = "none")]
mod arguments;
#[cfg(target_os = "none")]
mod calling;
#[cfg(target_os = "none")]
mod cost;
#[cfg(target_os = "none")]
mod events;
#[cfg(target_os = "none")]
mod run;
#[cfg(target_os = "none")]
mod smp;

sawmill_rt::partition_only!();
