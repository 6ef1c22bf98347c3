// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ELF that GRUB loads: the machine, the kernel, and the panic handler.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod image {
    use sawmill_kernel::Kernel;
    use sawmill_logic::platform::{BootInformation, CpuIndex};
    use sawmill_machine::{MACHINE, Machine};

    static KERNEL: Kernel<Machine> = Kernel::new(&MACHINE);

    sawmill_machine::entry!(boot, run);

    fn boot(information: &BootInformation) {
        if let Err(reason) = KERNEL.boot(information) {
            sawmill_machine::log!("cannot start: {reason}");
            sawmill_machine::epitaph::stop()
        }
    }

    fn run(cpu: CpuIndex) -> ! {
        KERNEL.run(cpu)
    }

    #[panic_handler]
    fn panic(information: &core::panic::PanicInfo) -> ! {
        sawmill_machine::epitaph::panic(information)
    }
}

#[cfg(not(target_os = "none"))]
fn main() {}
