// SPDX-License-Identifier: MIT OR Apache-2.0
//! The order of boot: look, refuse or take over, start the others, go.

use core::sync::atomic::{AtomicBool, Ordering};

use sawmill_logic::platform::{BootInformation, CpuIndex, Tsc};
use spin::Once;

use super::{multiboot, processors};
use crate::apic::{self, io, local};
use crate::console::{self, serial};
use crate::cpu::requirements::{self, Features};
use crate::cpu::{area, descriptors, msr};
use crate::memory::{paging, physical};
use crate::virt::vmx;
use crate::{acpi, epitaph, log, power, time};

// Defined by the image through `entry!`.
unsafe extern "Rust" {
    safe fn sawmill_image_boot(information: &BootInformation);
    safe fn sawmill_image_run(cpu: CpuIndex) -> !;
}

/// What the boot CPU found, for the second half on its own stack.
static FOUND: Once<(multiboot::Inventory, Features, acpi::Information, u64)> = Once::new();
/// The kernel is ready: the other CPUs may enter it.
static IS_RELEASED: AtomicBool = AtomicBool::new(false);

/// Boots the machine: where `entry.S` goes.
pub extern "C" fn boot_processor(magic: u32, address: usize) -> ! {
    let boot_tsc = time::now();
    serial::initialize();
    descriptors::initialize();
    descriptors::load(0);
    log!("\r\nSawMill {} boots", env!("CARGO_PKG_VERSION"));
    let mut inventory = or_fail(multiboot::read(magic, address));
    let options = core::str::from_utf8(&inventory.command_line).unwrap_or("");
    if has_option(options, "console=mux") {
        console::enable_frames();
    }
    if has_option(options, "output=e9") {
        console::redirect();
    }
    let features = requirements::check().unwrap_or_else(|reason| epitaph::refuse(reason));
    if let Some(tables) = inventory.symbols {
        epitaph::set_symbols(tables);
    }
    let rsdp = or_fail(inventory.rsdp.ok_or("the boot loader found no ACPI tables"));
    let tables = or_fail(acpi::read(rsdp));
    power::initialize(tables.power_off, has_option(options, "emulator=bochs"));
    enable_protection();
    or_fail(paging::initialize(&mut inventory));
    FOUND.call_once(|| (inventory, features, tables, boot_tsc));
    // SAFETY: (1) the stack belongs to CPU 0, is mapped and unused; (2) `continue_boot` never returns.
    unsafe {
        core::arch::asm!("mov rsp, {stack}", "xor ebp, ebp", "call {next}", "ud2",
            stack = in(reg) area::stack_top(0), next = sym continue_boot, options(noreturn));
    }
}

extern "C" fn continue_boot() -> ! {
    let Some((inventory, features, tables, boot_tsc)) = FOUND.get() else { epitaph::stop() };
    time::calibrate();
    apic::silence_pic();
    let options = core::str::from_utf8(&inventory.command_line).unwrap_or("");
    // The options are for testing what is used where the processor has neither.
    let has_x2apic = features.has_x2apic && !has_option(options, "apic=x");
    local::select(has_x2apic, features.has_tsc_deadline && !has_option(options, "timer=count"));
    io::initialize(tables);
    area::of(0).apic_id.store(local::initialize(), Ordering::Relaxed);
    local::calibrate();
    or_fail(vmx::enable_processor(0));
    or_fail(vmx::initialize());

    let mut reachable = inventory.free.clone();
    for module in &inventory.modules {
        // Modules lie in RAM; a list that is full only makes the module unreadable.
        let pages = module.size_bytes.div_ceil(sawmill_abi::PAGE_SIZE);
        let _ = reachable.try_push(sawmill_logic::platform::FrameRange { start: module.start, pages });
    }
    physical::initialize(reachable);

    let limit = option(options, "cpus").and_then(|text| text.parse().ok()).unwrap_or(crate::cpu::CPUS_MAX);
    let count = processors::start(&tables.processors, limit, &inventory.ram);
    let free_pages: u64 = inventory.free.iter().map(|range| range.pages).sum();
    log!(
        "{count} CPU(s), TSC {} kHz{}, {} MiB free, {} module(s), {} APIC, {} I/O APIC(s)",
        time::tsc_khz(),
        if features.has_invariant_tsc { "" } else { " (not invariant: time drifts in deep sleep states)" },
        free_pages >> 8,
        inventory.modules.len(),
        if local::is_x2apic() { "x2" } else { "x" },
        tables.io_apics.len(),
    );
    start_console();
    #[cfg(feature = "selftest")]
    crate::virt::selftest::run(&inventory.free, option(options, "crash"));
    sawmill_image_boot(&BootInformation {
        memory: &inventory.free,
        modules: &inventory.modules,
        command_line: &inventory.command_line,
        boot_tsc: Tsc(*boot_tsc),
        has_iommu: false,
    });
    IS_RELEASED.store(true, Ordering::Release);
    sawmill_image_run(CpuIndex(0))
}

/// Brings an application processor up: where the trampoline goes.
pub extern "C" fn application_processor(index: u32) -> ! {
    enable_protection();
    paging::load();
    let index = index as usize;
    descriptors::load(index);
    let cpu = area::of(index);
    // The boot CPU waits a bounded time; one that fails here is left out.
    if requirements::check().is_err() {
        epitaph::stop();
    }
    cpu.apic_id.store(local::initialize(), Ordering::Relaxed);
    if vmx::enable_processor(index).is_err() {
        epitaph::stop();
    }
    cpu.is_up.store(true, Ordering::Release);
    while !IS_RELEASED.load(Ordering::Acquire) {
        #[cfg(feature = "selftest")]
        crate::virt::selftest::run_second();
        core::hint::spin_loop();
    }
    sawmill_image_run(CpuIndex(index as u32))
}

/// Control registers of root mode: execute-disable, machine checks, FPU without traps.
fn enable_protection() {
    const NXE: u64 = 1 << 11;
    const MONITOR_COPROCESSOR: u64 = 1 << 1;
    const EMULATION_AND_TASK_SWITCHED: u64 = 1 << 2 | 1 << 3;
    const WRITE_PROTECT: u64 = 1 << 16;
    const CACHE_OFF: u64 = 1 << 29 | 1 << 30;
    const MCE_OSFXSR_OSXMMEXCPT: u64 = 1 << 6 | 1 << 9 | 1 << 10;
    msr::write(x86::msr::IA32_EFER, msr::read(x86::msr::IA32_EFER) | NXE);
    msr::set_cr0((msr::cr0() | MONITOR_COPROCESSOR | WRITE_PROTECT) & !(EMULATION_AND_TASK_SWITCHED | CACHE_OFF));
    msr::set_cr4(msr::cr4() | MCE_OSFXSR_OSXMMEXCPT);
}

fn start_console() {
    let (gsi, mode) = io::isa_pin(serial::IRQ);
    if io::route(gsi, apic::CONSOLE_VECTOR, mode, area::of(0).apic_id.load(Ordering::Relaxed)) {
        io::set_masked(gsi, false);
        serial::enable_receive_interrupt();
    }
}

/// Returns the value of `name=value` among the options.
fn option<'a>(options: &'a str, name: &str) -> Option<&'a str> {
    options.split_ascii_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

fn has_option(options: &str, wanted: &str) -> bool {
    options.split_ascii_whitespace().any(|word| word == wanted)
}

fn or_fail<T>(result: Result<T, &'static str>) -> T {
    result.unwrap_or_else(|reason| epitaph::fail_boot(reason))
}
