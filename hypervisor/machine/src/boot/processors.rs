// SPDX-License-Identifier: MIT OR Apache-2.0
//! Start of the other processors: INIT, start-up IPI, trampoline.

use core::sync::atomic::Ordering;

use sawmill_abi::PAGE_SIZE;

use super::{multiboot::Ranges, start};
use crate::apic::local;
use crate::cpu::{CPUS_MAX, area};
use crate::{log, time};

/// Where the trampoline is copied to if that is RAM: below 1 MiB, in memory that is never handed out.
const TRAMPOLINE: u64 = 0x8000;
const LOW_RAM_END: u64 = 0xa_0000;
const STARTUP_TIMEOUT_US: u64 = 200_000;

unsafe extern "C" {
    static trampoline_start: u8;
    static trampoline_data: u8;
    static trampoline_end: u8;
    static entry_page_root: u8;
}

/// What the trampoline reads; same order as in `trampoline.S`.
#[repr(C)]
struct Data {
    root: u64,
    stack: u64,
    target: u64,
    cpu: u64,
}

/// Starts all listed processors but this one, up to a limit; returns how many run.
///
/// CPUs are numbered in the order of their coming up, without gaps.
pub fn start(apic_ids: &[u32], limit: usize, ram: &Ranges) -> u32 {
    let own = area::of(0).apic_id.load(Ordering::Relaxed);
    area::of(0).is_up.store(true, Ordering::Relaxed);
    let limit = limit.clamp(1, CPUS_MAX);
    let mut count = 1;
    let Some(page) = trampoline_page(ram) else {
        log!("no usable memory below 640 KiB: other CPUs cannot be started");
        return 1;
    };
    copy_trampoline(page);
    for &apic_id in apic_ids.iter().filter(|&&apic_id| apic_id != own) {
        if count == limit {
            break;
        }
        if start_one(apic_id, count, page) {
            count += 1;
        } else {
            log!("CPU with APIC ID {apic_id} does not start; it is left out");
        }
    }
    crate::platform::set_cpu_count(count as u32);
    count as u32
}

/// Finds a page of RAM that a start-up IPI can name.
fn trampoline_page(ram: &Ranges) -> Option<u64> {
    let is_usable =
        |page: &u64| ram.iter().any(|range| (range.start.0..range.start.0 + range.pages * PAGE_SIZE).contains(page));
    core::iter::once(TRAMPOLINE).chain((1..LOW_RAM_END / PAGE_SIZE).map(|number| number * PAGE_SIZE)).find(is_usable)
}

fn copy_trampoline(page: u64) {
    let start = &raw const trampoline_start;
    let length = (&raw const trampoline_end) as usize - start as usize;
    // SAFETY: (1) the source is the assembled trampoline in the image; (2) `page` is RAM below 640 KiB, kept out of
    // the free memory, identity mapped and writable; (3) they do not overlap.
    unsafe { core::ptr::copy_nonoverlapping(start, page as *mut u8, length) };
}

fn start_one(apic_id: u32, index: usize, page: u64) -> bool {
    let offset = (&raw const trampoline_data) as u64 - (&raw const trampoline_start) as u64;
    let data = Data {
        root: (&raw const entry_page_root) as u64,
        stack: area::stack_top(index),
        target: start::application_processor as *const () as u64,
        cpu: index as u64,
    };
    // SAFETY: inside the trampoline's page; the processor that reads it is not running.
    unsafe { ((page + offset) as *mut Data).write_volatile(data) };
    local::send_init(apic_id);
    time::delay_us(10_000);
    let is_up = || area::of(index).is_up.load(Ordering::Acquire);
    for wait_us in [200, STARTUP_TIMEOUT_US] {
        local::send_startup(apic_id, (page >> 12) as u8);
        let end = time::now() + wait_us * time::tsc_khz() / 1000;
        while !is_up() && time::now() < end {
            core::hint::spin_loop();
        }
        if is_up() {
            return true;
        }
    }
    // Should it come late, it must not find the stack in use by another: INIT puts it back to waiting.
    local::send_init(apic_id);
    false
}
