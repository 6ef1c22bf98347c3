// SPDX-License-Identifier: MIT OR Apache-2.0
//! From the boot loader to running CPUs: code that runs once.
//!
//! `expect` is allowed here and only here; each states its promise.

pub mod multiboot;
pub mod processors;
pub mod start;

core::arch::global_asm!(include_str!("tables.S"));
core::arch::global_asm!(include_str!("entry.S"), boot = sym start::boot_processor);
core::arch::global_asm!(include_str!("trampoline.S"), options(att_syntax));
