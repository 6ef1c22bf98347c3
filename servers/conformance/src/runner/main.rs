// SPDX-License-Identifier: MIT OR Apache-2.0
//! The runner: makes small partitions, lets them fail, and sums up.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![deny(unsafe_code)]

#[cfg(target_os = "none")]
mod child;
#[cfg(target_os = "none")]
mod code;
#[cfg(target_os = "none")]
mod faults;
#[cfg(target_os = "none")]
mod quotas;
#[cfg(target_os = "none")]
mod regions;
#[cfg(target_os = "none")]
mod run;
#[cfg(target_os = "none")]
mod sharing;
#[cfg(target_os = "none")]
mod vcpus;

sawmill_rt::partition_only!();
