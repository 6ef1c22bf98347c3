// SPDX-License-Identifier: MIT OR Apache-2.0
//! Decisions without hardware: tables, state machines, policies.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod platform;
