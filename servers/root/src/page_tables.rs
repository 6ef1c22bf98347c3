// SPDX-License-Identifier: MIT OR Apache-2.0
//! Page tables with which a Linux kernel starts: the first 4 GiB, identity mapped.

use sawmill_abi::PAGE_SIZE;

/// Where the tables lie in the partition; also the page table root.
pub const TABLES_GPA: u64 = 0xa000;
/// Pages of tables: one of level 4, one of level 3, four of level 2.
pub const TABLE_PAGES: u64 = 6;

// SDM Vol. 3A, "4-Level Paging".
const PRESENT: u64 = 1;
const WRITABLE: u64 = 1 << 1;
const LARGE: u64 = 1 << 7;
const LARGE_PAGE: u64 = 2 << 20;
const ENTRIES: u64 = PAGE_SIZE / 8;

/// Returns the contents of one of the pages, by its number.
pub fn page(number: u64) -> [u64; ENTRIES as usize] {
    let mut page = [0; ENTRIES as usize];
    let table = |number: u64| (TABLES_GPA + number * PAGE_SIZE) | PRESENT | WRITABLE;
    for (index, entry) in (0u64..).zip(page.iter_mut()) {
        *entry = match number {
            0 if index == 0 => table(1),
            1 if index < TABLE_PAGES - 2 => table(2 + index),
            0 | 1 => 0,
            _ => (((number - 2) * ENTRIES + index) * LARGE_PAGE) | PRESENT | WRITABLE | LARGE,
        };
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Walks the tables as the processor does.
    fn translate(address: u64) -> Option<u64> {
        let read = |table: u64, shift: u64| {
            let number = (table - TABLES_GPA) / PAGE_SIZE;
            page(number)[usize::try_from(address >> shift & 0x1ff).unwrap()]
        };
        let mut table = TABLES_GPA;
        for shift in [39, 30, 21] {
            let entry = read(table, shift);
            if entry & PRESENT == 0 {
                return None;
            }
            if entry & LARGE != 0 {
                return Some(entry & !(LARGE_PAGE - 1) | address & (LARGE_PAGE - 1));
            }
            table = entry & !(PAGE_SIZE - 1);
        }
        None
    }

    #[test]
    fn maps_four_gib_to_themselves() {
        for address in [0, 0x7000, 0x10_0000, 0x1fff_ffff, 0x4000_0000, 0xffff_ffff] {
            assert_eq!(translate(address), Some(address));
        }
        assert_eq!(translate(1 << 32), None);
    }
}
