// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ELF that GRUB loads: the machine, the kernel, and the panic handler.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod image {
    use sawmill_logic::platform::{BootInformation, CpuIndex};

    sawmill_machine::entry!(boot, run);

    fn boot(_information: &BootInformation) {
        sawmill_machine::log!("booted");
    }

    fn run(cpu: CpuIndex) -> ! {
        sawmill_machine::log!("cpu {} runs", cpu.0);
        sawmill_machine::epitaph::stop()
    }

    #[panic_handler]
    fn panic(information: &core::panic::PanicInfo) -> ! {
        sawmill_machine::epitaph::panic(information)
    }
}

#[cfg(not(target_os = "none"))]
fn main() {}
