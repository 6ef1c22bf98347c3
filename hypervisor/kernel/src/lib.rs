// SPDX-License-Identifier: MIT OR Apache-2.0
//! The microkernel: objects, hypercalls, scheduling; no hardware, no `unsafe`.
//!
//! [`Kernel`] is generic over [`sawmill_logic::platform::Platform`]: the image
//! gives it the real machine, the tests a machine in memory. Start reading at
//! `run.rs` (the loop of each CPU), `fast.rs` (a call that costs two exits)
//! and `hypercall.rs` (the table).
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod boot;
mod capability;
mod console;
mod cpu;
mod destroy;
mod device;
mod event;
mod exit;
mod fast;
mod fault;
mod hypercall;
mod interrupt;
mod ipc;
mod lease;
mod limits;
mod lookup;
mod mapping;
mod memory;
mod partition;
mod portal;
mod region;
mod run;
mod schedule;
mod state;
mod statistics;
mod vcpu;

#[cfg(test)]
mod tests;

pub use run::Kernel;
