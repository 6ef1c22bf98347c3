// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runtime for partitions written in Rust: root and the conformance suite.
//!
//! Gives a flat image its header, page tables, stack and entry ([`entry!`]),
//! the hypercalls as safe functions ([`calls`]), console macros, the event
//! page, shared pages and windows into regions. It owns all `unsafe` of these
//! partitions. They run at privilege level 0 with interrupts off, and look at
//! their event bits themselves.
#![no_std]

pub mod bare;
pub mod calls;
pub mod console;
pub mod event;
pub mod hypercall;
pub mod memory;
pub mod port;
#[cfg(target_os = "none")]
mod start;
pub mod time;
pub mod vcpu;

pub use sawmill_abi as abi;

/// Says on any host that a program is a partition's image.
#[macro_export]
macro_rules! partition_only {
    () => {
        #[cfg(not(target_os = "none"))]
        fn main() {
            eprintln!("{} runs in a partition only: build it for x86_64-unknown-none", env!("CARGO_BIN_NAME"));
            std::process::exit(1);
        }
    };
}

/// Names the function at which the partition's first vCPU starts.
///
/// It gets the guest-physical address of the information page and never returns.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        // SAFETY: the one definition of this symbol in the image; `start.rs` expects this signature.
        #[unsafe(no_mangle)]
        extern "C" fn flat_main(info_gpa: u64) -> ! {
            let main: fn(u64) -> ! = $main;
            main(info_gpa)
        }
    };
}
