// SPDX-License-Identifier: MIT OR Apache-2.0
//! What root decides, without a hypercall: tested on the host.
//!
//! Reading the description, planning a partition's memory, the structures a
//! Linux kernel is booted with, numbering of slots and event bits, and what
//! to do when a partition dies. The binary beside it acts on these decisions.
#![no_std]
#![forbid(unsafe_code)]
#![expect(clippy::result_large_err, reason = "there is no heap, and a failure is made once, at the end")]

pub mod ahci;
pub mod aperture;
pub mod boot_params;
pub mod description;
pub mod drain;
pub mod failure;
pub mod flat;
pub mod hang;
pub mod inject;
pub mod legacy_ide;
pub mod linux_elf;
pub mod memory_plan;
pub mod names;
pub mod numbering;
pub mod page_tables;
pub mod policy;
pub mod real_time;
pub mod reason;
