// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the boot loader says: memory, modules, options, ACPI root pointer.
//!
//! Read once into [`Inventory`]; afterwards nothing refers to the loader's
//! memory. All of it is untrusted input only in the sense of being bounded.

use arrayvec::ArrayVec;
use multiboot2::{BootInformation, BootInformationHeader, MemoryAreaType};
use sawmill_abi::PAGE_SIZE;
use sawmill_abi::machine::{MODULE_NAME_MAX, MODULES_MAX};
use sawmill_logic::platform::{BootModule, FrameRange, Hpa};

use crate::console::screen::{self, Framebuffer};

/// EAX at entry.
const MAGIC: u32 = 0x36d7_6289;
/// Most ranges of memory that are kept.
pub const RANGES_MAX: usize = 32;
const LOW_MEMORY_END: u64 = 0x10_0000;
const COMMAND_LINE_MAX: usize = 512;

/// A list of frame ranges.
pub type Ranges = ArrayVec<FrameRange, RANGES_MAX>;

/// Everything kept of the boot information.
#[derive(Default)]
pub struct Inventory {
    /// Usable RAM as the firmware reports it.
    pub ram: Ranges,
    /// RAM that nothing occupies.
    pub free: Ranges,
    /// Boot modules.
    pub modules: ArrayVec<BootModule, MODULES_MAX>,
    /// Command line of the image.
    pub command_line: ArrayVec<u8, COMMAND_LINE_MAX>,
    /// ACPI root pointer: a copy inside the boot information.
    pub rsdp: Option<usize>,
    /// Symbol and string table of the image, if the loader kept them.
    pub symbols: Option<SymbolTables>,
}

/// Where the loader put `.symtab` and `.strtab`.
#[derive(Clone, Copy)]
pub struct SymbolTables {
    /// Symbols: start and length in bytes.
    pub symbols: (usize, usize),
    /// Names: start and length in bytes.
    pub names: (usize, usize),
}

/// Reads the boot information.
///
/// # Errors
/// A sentence for the person at the console.
pub fn read(magic: u32, address: usize) -> Result<Inventory, &'static str> {
    if magic != MAGIC {
        return Err("the boot loader did not use Multiboot2");
    }
    // SAFETY: (1) the magic says that a Multiboot2 loader put its information at `address`, 8-byte aligned;
    // (2) it lies below 4 GiB, identity mapped; (3) nothing writes it until the inventory has been made.
    let information = unsafe { BootInformation::load(address as *const BootInformationHeader) }
        .map_err(|_| "the boot information is damaged")?;
    // Not asked for: where there is no text screen the loader sets a mode anyway; where there is, text is better.
    if let Some(Ok(tag)) = information.framebuffer_tag()
        && matches!(tag.bpp(), 24 | 32)
    {
        let (pitch, size) = (tag.pitch().into(), (tag.width().into(), tag.height().into()));
        screen::use_framebuffer(Framebuffer { address: tag.address(), pitch, size, pixel_bytes: tag.bpp() as u64 / 8 });
    }
    let mut inventory = Inventory::default();
    let mut occupied: ArrayVec<(u64, u64), 64> = ArrayVec::new();
    let _ = occupied.try_push((0, LOW_MEMORY_END));
    let _ = occupied.try_push(crate::memory::paging::image_range());
    let _ = occupied.try_push((information.start_address() as u64, information.end_address() as u64));

    for tag in information.module_tags() {
        let text = tag.cmdline().unwrap_or("");
        let mut name = [0; MODULE_NAME_MAX];
        let word = text.split_ascii_whitespace().next().unwrap_or("").as_bytes();
        for (to, from) in name.iter_mut().zip(word) {
            *to = *from;
        }
        let (start, end) = (u64::from(tag.start_address()), u64::from(tag.end_address()));
        let module = BootModule { name, start: Hpa(start), size_bytes: end.saturating_sub(start) };
        inventory.modules.try_push(module).map_err(|_| "the boot loader brought too many modules")?;
        let _ = occupied.try_push((start, end));
    }
    if let Some(tag) = information.command_line_tag() {
        let text = tag.cmdline().unwrap_or("").as_bytes();
        let _ = inventory.command_line.try_extend_from_slice(&text[..text.len().min(COMMAND_LINE_MAX)]);
    }
    inventory.symbols = symbols(&information, &mut occupied);
    inventory.rsdp = information
        .rsdp_v2_tag()
        .map(|tag| core::ptr::from_ref(tag) as *const u8 as usize + TAG_HEADER)
        .or_else(|| information.rsdp_v1_tag().map(|tag| core::ptr::from_ref(tag) as *const u8 as usize + TAG_HEADER));

    let map = information.memory_map_tag().ok_or("the boot loader gave no memory map")?;
    for area in map.memory_areas() {
        if area.typ() != MemoryAreaType::Available {
            continue;
        }
        let start = area.start_address().next_multiple_of(PAGE_SIZE);
        let end = area.end_address() / PAGE_SIZE * PAGE_SIZE;
        if start < end {
            insert(&mut inventory.ram, start, end)?;
        }
    }
    for index in 0..inventory.ram.len() {
        let range = inventory.ram[index];
        subtract(range, &occupied, &mut inventory.free)?;
    }
    Ok(inventory)
}

/// Type and size that precede the content of a tag.
const TAG_HEADER: usize = 8;

fn symbols(information: &BootInformation, occupied: &mut ArrayVec<(u64, u64), 64>) -> Option<SymbolTables> {
    const SYMBOL_TABLE: u32 = 2;
    const STRING_TABLE: u32 = 3;
    const ALLOCATED: u64 = 2;
    let tag = information.elf_sections_tag()?;
    let mut found = (None, None);
    for section in tag.sections() {
        let span = (section.sh_addr as usize, section.sh_size as usize);
        if span.0 == 0 || section.sh_flags & ALLOCATED != 0 {
            continue;
        }
        let kind = section.sh_type;
        if kind == SYMBOL_TABLE {
            found.0 = Some(span);
        } else if kind == STRING_TABLE && (found.1.is_none() || span.1 > found.1.map_or(0, |(_, size)| size)) {
            // The larger string table is `.strtab`; the other one holds section names.
            found.1 = Some(span);
        }
    }
    let tables = SymbolTables { symbols: found.0?, names: found.1? };
    for (start, size) in [tables.symbols, tables.names] {
        let _ = occupied.try_push((start as u64, (start + size) as u64));
    }
    Some(tables)
}

fn insert(ranges: &mut Ranges, start: u64, end: u64) -> Result<(), &'static str> {
    let range = FrameRange { start: Hpa(start), pages: (end - start) / PAGE_SIZE };
    let at = ranges.iter().position(|other| other.start > range.start).unwrap_or(ranges.len());
    ranges.try_insert(at, range).map_err(|_| "the memory map has too many ranges")
}

/// Adds to `free` what is left of `range` without the occupied spans.
fn subtract(range: FrameRange, occupied: &[(u64, u64)], free: &mut Ranges) -> Result<(), &'static str> {
    let mut at = range.start.0;
    let end = at + range.pages * PAGE_SIZE;
    while at < end {
        // The first span that reaches beyond `at`.
        let next = occupied
            .iter()
            .map(|&(start, stop)| (start / PAGE_SIZE * PAGE_SIZE, stop.next_multiple_of(PAGE_SIZE)))
            .filter(|&(_, stop)| stop > at)
            .min_by_key(|&(start, _)| start);
        match next {
            Some((start, stop)) if start <= at => at = stop,
            Some((start, _)) if start < end => {
                insert(free, at, start)?;
                at = start;
            }
            _ => {
                insert(free, at, end)?;
                at = end;
            }
        }
    }
    Ok(())
}
