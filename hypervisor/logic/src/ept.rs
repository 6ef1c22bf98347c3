// SPDX-License-Identifier: MIT OR Apache-2.0
//! Extended page tables over injected memory.
//!
//! Formats and walks of the four-level EPT (SDM Vol. 3C, "The Extended Page
//! Table Mechanism"). Owns no state: a table is named by its root. Tables are
//! filled before they are linked and unlinked before they are given back, so
//! no walk ever meets a broken intermediate state. Kernel's big lock.

use crate::platform::{Gpa, Hpa, PhysicalMemory};
use sawmill_abi::PAGE_SIZE;

/// Leaf may be read. Read, write and execute are the rights bits of Regions.
pub const READ: u64 = 1;
/// Leaf may be written.
pub const WRITE: u64 = 2;
/// Leaf may be executed.
pub const EXECUTE: u64 = 4;
const RIGHTS: u64 = READ | WRITE | EXECUTE;
const IS_LARGE: u64 = 1 << 7;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
/// Levels 3 (root) to 0.
const ROOT_LEVEL: u32 = 3;
/// First page number that four levels cannot reach.
pub const PAGES_END: u64 = 1 << 36;

/// Memory type of leaves, as in the leaf's bits 5:3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryType {
    /// Device registers.
    Uncached = 0,
    /// RAM.
    WriteBack = 6,
}

/// Where table frames come from (and what they are charged to).
pub trait TableFrames {
    /// Takes a frame for a table, of any contents.
    fn take(&mut self) -> Option<Hpa>;
    /// Gives the frame of an empty, unlinked table back.
    fn give(&mut self, frame: Hpa);
}

/// A mapping to be made.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// First guest page, page aligned.
    pub gpa: Gpa,
    /// First frame, page aligned.
    pub hpa: Hpa,
    /// Number of pages.
    pub pages: u64,
    /// READ, WRITE, EXECUTE.
    pub rights: u64,
    /// Memory type.
    pub memory_type: MemoryType,
    /// Largest leaf: 0 = 4 KiB, 1 = 2 MiB, 2 = 1 GiB.
    pub largest_leaf: u32,
}

/// Why a mapping was refused; nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapError {
    /// Not aligned, empty, or beyond the address space.
    BadRange,
    /// Something is mapped there.
    Occupied,
    /// No frame for a table.
    NoFrame,
}

/// What a guest-physical address means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    /// Where it is.
    pub hpa: Hpa,
    /// READ, WRITE, EXECUTE.
    pub rights: u64,
}

fn pages_at(level: u32) -> u64 {
    1 << (9 * level)
}

fn entry_address(table: Hpa, page: u64, level: u32) -> Hpa {
    Hpa(table.0 + ((page >> (9 * level)) & 511) * 8)
}

fn is_leaf(entry: u64, level: u32) -> bool {
    level == 0 || entry & IS_LARGE != 0
}

/// Translates a guest-physical address.
pub fn translate(memory: &impl PhysicalMemory, root: Hpa, gpa: Gpa) -> Option<Translation> {
    let page = gpa.0 / PAGE_SIZE;
    if page >= PAGES_END {
        return None;
    }
    let mut table = root;
    for level in (0..=ROOT_LEVEL).rev() {
        let entry = memory.read_u64(entry_address(table, page, level));
        if entry & RIGHTS == 0 {
            return None;
        }
        if is_leaf(entry, level) {
            let offset = gpa.0 & (pages_at(level) * PAGE_SIZE - 1);
            let base = entry & ADDRESS & !(pages_at(level) * PAGE_SIZE - 1);
            return Some(Translation { hpa: Hpa(base + offset), rights: entry & RIGHTS });
        }
        table = Hpa(entry & ADDRESS);
    }
    None
}

/// Whether nothing is mapped in a range of pages.
fn is_free(memory: &impl PhysicalMemory, table: Hpa, level: u32, first: u64, end: u64) -> bool {
    let span = pages_at(level);
    let mut page = first;
    while page < end {
        let next = (page / span + 1) * span;
        let entry = memory.read_u64(entry_address(table, page, level));
        if entry & RIGHTS != 0
            && (is_leaf(entry, level) || !is_free(memory, Hpa(entry & ADDRESS), level - 1, page, end.min(next)))
        {
            return false;
        }
        page = next;
    }
    true
}

/// Tables that are to be changed: where they are, and where new ones come from.
pub struct Tables<'a, M, F> {
    /// Physical memory.
    pub memory: &'a M,
    /// Frames for tables.
    pub frames: &'a mut F,
    /// The root table.
    pub root: Hpa,
}

impl<M: PhysicalMemory, F: TableFrames> Tables<'_, M, F> {
    /// Maps frames: all of the request or nothing.
    ///
    /// # Errors
    /// [`MapError`].
    pub fn map(&mut self, request: &Request) -> Result<(), MapError> {
        let first = request.gpa.0 / PAGE_SIZE;
        let end = first.checked_add(request.pages).filter(|end| *end <= PAGES_END).ok_or(MapError::BadRange)?;
        let is_aligned = request.gpa.0.is_multiple_of(PAGE_SIZE) && request.hpa.0.is_multiple_of(PAGE_SIZE);
        if !is_aligned || request.pages == 0 || request.rights & RIGHTS == 0 || request.rights & !RIGHTS != 0 {
            return Err(MapError::BadRange);
        }
        if !is_free(self.memory, self.root, ROOT_LEVEL, first, end) {
            return Err(MapError::Occupied);
        }
        let mut page = first;
        while page < end {
            let hpa = Hpa(request.hpa.0 + (page - first) * PAGE_SIZE);
            let fits = |level: &u32| {
                (page | (hpa.0 / PAGE_SIZE)).is_multiple_of(pages_at(*level)) && end - page >= pages_at(*level)
            };
            let level = (0..=request.largest_leaf.min(2)).rev().find(fits).unwrap_or(0);
            if self.set_leaf(page, level, hpa, request).is_none() {
                // Tables made for the leaf that failed are empty: they go, too.
                self.unmap_level(self.root, ROOT_LEVEL, first, page + 1);
                return Err(MapError::NoFrame);
            }
            page += pages_at(level);
        }
        Ok(())
    }

    fn set_leaf(&mut self, page: u64, leaf_level: u32, hpa: Hpa, request: &Request) -> Option<()> {
        let mut table = self.root;
        for level in (leaf_level + 1..=ROOT_LEVEL).rev() {
            let at = entry_address(table, page, level);
            let entry = self.memory.read_u64(at);
            table = if entry & RIGHTS == 0 {
                let new = self.frames.take()?;
                self.memory.zero_page(new);
                self.memory.write_u64(at, new.0 | RIGHTS);
                new
            } else {
                Hpa(entry & ADDRESS)
            };
        }
        let large = if leaf_level > 0 { IS_LARGE } else { 0 };
        let leaf = hpa.0 | request.rights | (request.memory_type as u64) << 3 | large;
        self.memory.write_u64(entry_address(table, page, leaf_level), leaf);
        Some(())
    }

    /// Removes the leaves of a range and the tables that became empty.
    ///
    /// The range must be a union of whole mappings: a leaf that reaches out of it is removed as a whole.
    /// No CPU may use the tables given back before it has invalidated its cached translations.
    pub fn unmap(&mut self, gpa: Gpa, pages: u64) {
        let first = gpa.0 / PAGE_SIZE;
        self.unmap_level(self.root, ROOT_LEVEL, first, first.saturating_add(pages).min(PAGES_END));
    }

    fn unmap_level(&mut self, table: Hpa, level: u32, first: u64, end: u64) {
        let span = pages_at(level);
        let mut page = first;
        while page < end {
            let next = (page / span + 1) * span;
            let at = entry_address(table, page, level);
            let entry = self.memory.read_u64(at);
            if entry & RIGHTS != 0 && is_leaf(entry, level) {
                self.memory.write_u64(at, 0);
            } else if entry & RIGHTS != 0 {
                let below = Hpa(entry & ADDRESS);
                self.unmap_level(below, level - 1, page, end.min(next));
                if is_empty(self.memory, below) {
                    self.memory.write_u64(at, 0);
                    self.frames.give(below);
                }
            }
            page = next;
        }
    }
}

fn is_empty(memory: &impl PhysicalMemory, table: Hpa) -> bool {
    (0..512).all(|index| memory.read_u64(Hpa(table.0 + index * 8)) == 0)
}

#[cfg(test)]
mod tests;
