// SPDX-License-Identifier: MIT OR Apache-2.0
//! The machine: the only crate with `unsafe` and assembly, safe outward.
//!
//! Boot, memory, processors, interrupts, console, and `virt`, which runs
//! vCPUs. [`Machine`] implements the traits of `sawmill_logic::platform`.
#![cfg_attr(target_os = "none", no_std)]
#![cfg(target_os = "none")]

pub mod acpi;
mod apic;
pub mod boot;
pub mod console;
mod cpu;
pub mod epitaph;
mod memory;
mod pci;
mod platform;
mod power;
mod time;
mod virt;

pub use platform::{MACHINE, Machine};

/// Names the image's two functions: one that boots the kernel on the first CPU, one that each CPU runs.
#[macro_export]
macro_rules! entry {
    ($boot:path, $run:path) => {
        #[unsafe(no_mangle)]
        fn sawmill_image_boot(information: &sawmill_logic::platform::BootInformation) {
            $boot(information);
        }

        #[unsafe(no_mangle)]
        fn sawmill_image_run(cpu: sawmill_logic::platform::CpuIndex) -> ! {
            $run(cpu)
        }
    };
}
