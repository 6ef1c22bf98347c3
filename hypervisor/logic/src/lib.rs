// SPDX-License-Identifier: MIT OR Apache-2.0
//! Decisions without hardware: tables, state machines, policies.
//!
//! Everything here runs and is tested on the host. The kernel crate holds the
//! objects and calls this; the machine crate implements [`platform`].
#![cfg_attr(not(any(test, feature = "fake")), no_std)]
#![forbid(unsafe_code)]
// Tables live in statics, which need `const fn new`; nobody asks for a default.
#![allow(clippy::new_without_default)]

pub mod arena;
pub mod capability;
pub mod console;
pub mod cpuid;
pub mod ept;
pub mod event_page;
pub mod extents;
#[cfg(any(test, feature = "fake"))]
pub mod fake;
pub mod frames;
pub mod msr;
pub mod pci;
pub mod platform;
pub mod quota;
pub mod ready;
pub mod time;
pub mod trace;
