// SPDX-License-Identifier: MIT OR Apache-2.0
//! The page tables of root mode: an identity map in which nothing is W+X.
//!
//! RAM is writable, never executable; the image has its link-time rights in
//! 4 KiB pages; what is no RAM below 4 GiB is uncached. Built once, shared by
//! all CPUs, constant afterwards.

use core::sync::atomic::{AtomicU64, Ordering};

use sawmill_abi::PAGE_SIZE;
use sawmill_logic::platform::Hpa;

use crate::boot::multiboot::{Inventory, Ranges};
use crate::cpu::msr;

const LARGE_PAGE: u64 = 2 << 20;
const FOUR_GIB: u64 = 4 << 30;

// SDM Vol. 3A, "Paging-structure entries with 4-level paging".
const PRESENT: u64 = 1;
const WRITABLE: u64 = 1 << 1;
const UNCACHED: u64 = 1 << 3 | 1 << 4;
const LARGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;

static ROOT: AtomicU64 = AtomicU64::new(0);

unsafe extern "C" {
    static image_start: u8;
    static image_text_end: u8;
    static image_rodata_end: u8;
    static image_end: u8;
}

fn address_of(symbol: *const u8) -> u64 {
    symbol as u64
}

/// Returns first and last-plus-one address of the image.
pub fn image_range() -> (u64, u64) {
    (address_of(&raw const image_start), address_of(&raw const image_end))
}

/// Whether an address lies in the image's code.
pub fn is_image_text(address: u64) -> bool {
    (address_of(&raw const image_start)..address_of(&raw const image_text_end)).contains(&address)
}

/// Builds the tables in frames taken from the free memory, and switches this CPU to them.
///
/// # Errors
/// A sentence when memory does not suffice.
pub fn initialize(inventory: &mut Inventory) -> Result<(), &'static str> {
    let top = inventory.ram.last().map_or(0, |range| range.start.0 + range.pages * PAGE_SIZE).max(FOUR_GIB);
    let root = take_frame(&mut inventory.free)?;
    let mut address = 0;
    while address < top {
        let is_ram = overlaps_ram(&inventory.ram, address, LARGE_PAGE);
        if is_ram || address < FOUR_GIB {
            let pointers = child(root, address >> 39 & 511, &mut inventory.free)?;
            let directory = child(pointers, address >> 30 & 511, &mut inventory.free)?;
            let slot = address >> 21 & 511;
            if overlaps_image(address, LARGE_PAGE) {
                let table = take_frame(&mut inventory.free)?;
                for page in 0..512 {
                    store(table, page, small_page(address + page * PAGE_SIZE));
                }
                store(directory, slot, table | PRESENT | WRITABLE);
            } else {
                let caching = if is_ram { 0 } else { UNCACHED };
                store(directory, slot, address | PRESENT | WRITABLE | LARGE | NO_EXECUTE | caching);
            }
        }
        address += LARGE_PAGE;
    }
    ROOT.store(root, Ordering::Release);
    load();
    Ok(())
}

/// Switches this CPU to the final tables; EFER.NXE is on.
pub fn load() {
    msr::set_cr3(ROOT.load(Ordering::Acquire));
}

fn small_page(address: u64) -> u64 {
    let (start, end) = image_range();
    if !(start..end).contains(&address) {
        return address | PRESENT | WRITABLE | NO_EXECUTE;
    }
    if address < address_of(&raw const image_text_end) {
        address | PRESENT
    } else if address < address_of(&raw const image_rodata_end) {
        address | PRESENT | NO_EXECUTE
    } else if crate::cpu::area::is_guard_page(address) {
        0
    } else {
        address | PRESENT | WRITABLE | NO_EXECUTE
    }
}

fn overlaps_image(start: u64, size: u64) -> bool {
    let image = image_range();
    start < image.1 && image.0 < start + size
}

fn overlaps_ram(ram: &Ranges, start: u64, size: u64) -> bool {
    ram.iter().any(|range| start < range.start.0 + range.pages * PAGE_SIZE && range.start.0 < start + size)
}

/// Returns the table that an entry points to, making it if there is none.
fn child(table: u64, slot: u64, free: &mut Ranges) -> Result<u64, &'static str> {
    let entry = load_entry(table, slot);
    if entry & PRESENT != 0 {
        return Ok(entry & !(PAGE_SIZE - 1));
    }
    let frame = take_frame(free)?;
    store(table, slot, frame | PRESENT | WRITABLE);
    Ok(frame)
}

/// Takes a zeroed frame below 4 GiB out of the free memory.
///
/// # Errors
/// A sentence when there is none.
pub fn take_frame(free: &mut Ranges) -> Result<u64, &'static str> {
    let range = free
        .iter_mut()
        .rev()
        .find(|range| range.pages > 0 && range.start.0 + range.pages * PAGE_SIZE <= FOUR_GIB)
        .ok_or("there is not enough memory below 4 GiB")?;
    range.pages -= 1;
    let Hpa(start) = range.start;
    let frame = start + range.pages * PAGE_SIZE;
    for slot in 0..512 {
        store(frame, slot, 0);
    }
    Ok(frame)
}

fn load_entry(table: u64, slot: u64) -> u64 {
    // SAFETY: (1) `table` is a frame that `take_frame` took for this module alone; (2) slot < 512; (3) the
    // identity map of the first 4 GiB is live.
    unsafe { ((table + slot * 8) as *const u64).read_volatile() }
}

fn store(table: u64, slot: u64, entry: u64) {
    // SAFETY: as for `load_entry`.
    unsafe { ((table + slot * 8) as *mut u64).write_volatile(entry) };
}
