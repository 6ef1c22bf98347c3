// SPDX-License-Identifier: MIT OR Apache-2.0
//! The fuzzer: makes small partitions that make random hypercalls, and counts what they get.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![deny(unsafe_code)]

#[cfg(target_os = "none")]
mod code;
#[cfg(target_os = "none")]
mod coverage;
#[cfg(target_os = "none")]
mod driver;
#[cfg(target_os = "none")]
mod exhaust;
#[cfg(target_os = "none")]
mod generate;
#[cfg(target_os = "none")]
mod puppet;
#[cfg(target_os = "none")]
mod run;
#[cfg(target_os = "none")]
mod template;

sawmill_rt::partition_only!();
