// SPDX-License-Identifier: MIT OR Apache-2.0
//! Page tables of small partitions.

use sawmill_abi::PAGE_SIZE;
use sawmill_rt::memory::Window;

/// Bits of every entry: present and writable. SDM Vol. 3A, "4-Level Paging".
pub const KERNEL: u64 = 3;
/// As [`KERNEL`], also for user mode.
pub const USER: u64 = 7;
/// The entry maps a large page.
const LARGE: u64 = 0x80;

/// Writes three pages of tables at `tables`, as the partition sees it, that map its first GiB to itself.
pub fn map_first_gib(window: &mut Window<'_>, tables: u64, bits: u64) {
    let mut put = |at: u64, entry: u64| {
        // What lies beyond the window is missed by the partition's first access.
        let _ = window.write_record(at, &entry);
    };
    let directory = tables + 2 * PAGE_SIZE;
    put(tables, (tables + PAGE_SIZE) | bits);
    put(tables + PAGE_SIZE, directory | bits);
    for index in 0..PAGE_SIZE / 8 {
        put(directory + index * 8, (index << 21) | LARGE | bits);
    }
}
