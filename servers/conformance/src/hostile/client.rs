// SPDX-License-Identifier: MIT OR Apache-2.0
//! A client that sends nonsense to the file server: FUSE requests, well-formed, mutated and of no sense at all.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![deny(unsafe_code)]

#[cfg(target_os = "none")]
mod attack;
#[cfg(target_os = "none")]
mod keep;
#[cfg(target_os = "none")]
mod request;

sawmill_rt::partition_only!();
