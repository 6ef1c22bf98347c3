// SPDX-License-Identifier: MIT OR Apache-2.0
//! A file server that answers nonsense.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![deny(unsafe_code)]

#[cfg(target_os = "none")]
mod serve;

sawmill_rt::partition_only!();
