// SPDX-License-Identifier: MIT OR Apache-2.0
//! A socket server that answers nonsense, and scribbles over what it shares.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![deny(unsafe_code)]

#[cfg(target_os = "none")]
mod serve_sockets;

sawmill_rt::partition_only!();
