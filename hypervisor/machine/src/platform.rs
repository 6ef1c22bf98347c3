// SPDX-License-Identifier: MIT OR Apache-2.0
//! [`Machine`]: this crate as the kernel sees it.

use core::sync::atomic::{AtomicU32, Ordering};

use sawmill_logic::platform::{CpuIndex, HardwareError, Hpa, PinMode, Platform, Tsc};

use crate::apic::{self, io, local};
use crate::cpu::{area, exceptions, msr};
use crate::virt::vmx;
use crate::{console, pci, power, time};

static CPU_COUNT: AtomicU32 = AtomicU32::new(1);

/// Fixes the number of running CPUs.
pub(crate) fn set_cpu_count(count: u32) {
    CPU_COUNT.store(count, Ordering::Relaxed);
}

/// The machine that runs this; there is one.
#[derive(Clone, Copy, Debug)]
pub struct Machine(());

/// The machine.
pub static MACHINE: Machine = Machine(());

fn apic_id(cpu: CpuIndex) -> u32 {
    area::of(cpu.0 as usize).apic_id.load(Ordering::Relaxed)
}

impl Platform for Machine {
    type Vcpu = vmx::vcpu::Vcpu;

    const VCPU_FRAMES: usize = vmx::vcpu::FRAMES;
    const FIRST_DEVICE_VECTOR: u8 = apic::FIRST_DEVICE_VECTOR;
    const CONSOLE_VECTOR: u8 = apic::CONSOLE_VECTOR;
    const CONSOLE_IRQ: u8 = console::serial::IRQ;

    #[inline]
    fn now(&self) -> Tsc {
        Tsc(time::now())
    }

    #[inline]
    fn tsc_khz(&self) -> u64 {
        time::tsc_khz()
    }

    fn cpu_count(&self) -> u32 {
        CPU_COUNT.load(Ordering::Relaxed)
    }

    fn create_vcpu(
        &self,
        cpu: CpuIndex,
        ept_root: Hpa,
        vpid: u16,
        frames: &[Hpa],
    ) -> Result<Self::Vcpu, HardwareError> {
        vmx::vcpu::Vcpu::new(cpu, ept_root, vpid, frames)
    }

    fn kick(&self, cpu: CpuIndex) {
        local::send_interrupt(apic_id(cpu), apic::KICK_VECTOR);
    }

    fn idle(&self, until: Tsc) -> Option<u8> {
        let cpu = area::current();
        let mut is_over = false;
        loop {
            match exceptions::take_pending() {
                None if is_over => return None,
                None if until <= Tsc(time::now()) => exceptions::open_window(),
                None => {
                    if cpu.armed_deadline.load(Ordering::Relaxed) != until.0 {
                        local::arm(cpu, until);
                    }
                    exceptions::idle();
                }
                Some(apic::SPURIOUS_VECTOR) => {}
                Some(apic::KICK_VECTOR) => local::end_of_interrupt(),
                Some(apic::TIMER_VECTOR) => {
                    local::end_of_interrupt();
                    cpu.armed_deadline.store(u64::MAX, Ordering::Relaxed);
                }
                // Another may have been recorded with it: that one is found next time.
                vector => return vector,
            }
            is_over = true;
        }
    }

    fn end_of_interrupt(&self) {
        local::end_of_interrupt();
    }

    fn invalidate_ept(&self, ept_root: Hpa) {
        vmx::invalidate_ept(ept_root);
    }

    fn has_gigabyte_leaves(&self) -> bool {
        vmx::has_gigabyte_leaves()
    }

    fn cpuid(&self, leaf: u32, subleaf: u32) -> [u32; 4] {
        let mut result = raw_cpuid::native_cpuid::cpuid_count(leaf, subleaf);
        let [adx, xsavec] = vmx::shared().map_or([u32::MAX; 2], |shared| shared.unsound);
        match (leaf, subleaf) {
            (7, 0) => result.ebx &= !adx,
            (0xd, 1) => result.eax &= !xsavec,
            _ => {}
        }
        [result.eax, result.ebx, result.ecx, result.edx]
    }

    fn misc_enable(&self) -> u64 {
        msr::read(x86::msr::IA32_MISC_ENABLE)
    }

    fn isa_pin(&self, irq: u8) -> (u32, PinMode) {
        io::isa_pin(irq)
    }

    fn route_pin(&self, gsi: u32, vector: u8, mode: PinMode, cpu: CpuIndex) -> bool {
        io::route(gsi, vector, mode, apic_id(cpu))
    }

    fn set_pin_masked(&self, gsi: u32, is_masked: bool) {
        io::set_masked(gsi, is_masked);
    }

    fn message(&self, vector: u8, cpu: CpuIndex) -> (u64, u32) {
        // SDM Vol. 3A, "Message Signalled Interrupts": physical destination, fixed, edge.
        (0xfee0_0000 | u64::from(apic_id(cpu) & 0xff) << 12, u32::from(vector))
    }

    fn pci_read(&self, address: u16, offset: u16, width: u8) -> u32 {
        pci::read(address, offset, width)
    }

    fn pci_write(&self, address: u16, offset: u16, width: u8, value: u32) {
        pci::write(address, offset, width, value);
    }

    fn console_put(&self, bytes: &[u8]) {
        console::write_bytes(bytes);
    }

    fn console_get(&self) -> Option<u8> {
        console::read_byte()
    }

    fn shutdown(&self, kind: u64) -> ! {
        match kind {
            sawmill_abi::machine::SHUTDOWN_RESET => power::reset(),
            _ => power::power_off(),
        }
    }
}
