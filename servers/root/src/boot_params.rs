// SPDX-License-Identifier: MIT OR Apache-2.0
//! The "zero page" that tells a Linux kernel its memory, command line and initial ramdisk.

use arrayvec::ArrayVec;
use sawmill_abi::PAGE_SIZE;
use sawmill_abi::info::{INFO_PAGE_GPA, SHARED_PAGES_END_GPA};

/// Where it lies in the partition.
pub const BOOT_PARAMS_GPA: u64 = 0x7000;
/// Where the command line lies.
pub const COMMAND_LINE_GPA: u64 = 0x8000;
/// Start of the memory above the PC's hole.
const HIGH_MEMORY: u64 = 0x10_0000;

// Linux: Documentation/x86/zero-page.rst and boot.rst.
const E820_ENTRIES: usize = 0x1e8;
const BOOT_FLAG: usize = 0x1fe;
const HEADER: usize = 0x202;
const VERSION: usize = 0x206;
const TYPE_OF_LOADER: usize = 0x210;
const LOADFLAGS: usize = 0x211;
const RAMDISK_IMAGE: usize = 0x218;
const RAMDISK_SIZE: usize = 0x21c;
const CMD_LINE_PTR: usize = 0x228;
const E820_TABLE: usize = 0x2d0;
const E820_ENTRY_BYTES: usize = 20;
const E820_TABLE_MAX: usize = 128;

/// RAM.
pub const E820_RAM: u32 = 1;
/// Not RAM.
pub const E820_RESERVED: u32 = 2;
/// Persistent memory, in the old numbering that needs no firmware tables.
pub const E820_PERSISTENT: u32 = 12;

/// A range of guest-physical memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// First byte.
    pub start: u64,
    /// Length.
    pub bytes: u64,
    /// `E820_*`.
    pub kind: u32,
}

/// What differs between partitions.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Memory at GPA 0, bytes.
    pub memory_bytes: u64,
    /// Initial ramdisk: start and length.
    pub initrd: Option<(u64, u64)>,
    /// Memory disk: start and length.
    pub disk: Option<(u64, u64)>,
}

/// Returns the memory map of a partition.
pub fn memory_map(settings: &Settings) -> ArrayVec<Range, 4> {
    let mut map = ArrayVec::new();
    let mut add = |start: u64, end: u64, kind| {
        // Four entries at most are added here, and four fit.
        let _ = map.try_push(Range { start, bytes: end - start, kind });
    };
    add(0, INFO_PAGE_GPA, E820_RAM);
    add(INFO_PAGE_GPA, SHARED_PAGES_END_GPA, E820_RESERVED);
    if settings.memory_bytes > HIGH_MEMORY {
        add(HIGH_MEMORY, settings.memory_bytes, E820_RAM);
    }
    if let Some((start, bytes)) = settings.disk {
        add(start, start + bytes.next_multiple_of(PAGE_SIZE), E820_PERSISTENT);
    }
    map
}

/// Builds the page.
pub fn page(settings: &Settings) -> [u8; PAGE_SIZE as usize] {
    let mut page = [0; PAGE_SIZE as usize];
    let mut put = |offset: usize, bytes: &[u8]| {
        for (to, from) in page.iter_mut().skip(offset).zip(bytes) {
            *to = *from;
        }
    };
    let map = memory_map(settings);
    put(E820_ENTRIES, &[map.len().min(E820_TABLE_MAX) as u8]);
    for (index, range) in map.iter().enumerate() {
        let offset = E820_TABLE + index * E820_ENTRY_BYTES;
        put(offset, &range.start.to_le_bytes());
        put(offset + 8, &range.bytes.to_le_bytes());
        put(offset + 16, &range.kind.to_le_bytes());
    }
    put(BOOT_FLAG, &0xaa55u16.to_le_bytes());
    put(HEADER, b"HdrS");
    put(VERSION, &0x020fu16.to_le_bytes());
    put(TYPE_OF_LOADER, &[0xff]);
    put(LOADFLAGS, &[1]);
    if let Some((start, bytes)) = settings.initrd {
        put(RAMDISK_IMAGE, &(start as u32).to_le_bytes());
        put(RAMDISK_SIZE, &(bytes as u32).to_le_bytes());
    }
    put(CMD_LINE_PTR, &(COMMAND_LINE_GPA as u32).to_le_bytes());
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Settings =
        Settings { memory_bytes: 24 << 20, initrd: Some((0x17f_f000, 0x1234)), disk: Some((1 << 32, 5000)) };

    #[test]
    fn fields_are_where_linux_looks() {
        let page = page(&SETTINGS);
        assert_eq!(page[0x1e8], 4);
        assert_eq!(&page[0x1fe..0x200], &[0x55, 0xaa]);
        assert_eq!(&page[0x202..0x206], b"HdrS");
        assert_eq!(page[0x206..0x208], [0x0f, 0x02]);
        assert_eq!(page[0x210..0x212], [0xff, 1]);
        assert_eq!(page[0x218..0x21c], 0x17f_f000u32.to_le_bytes());
        assert_eq!(page[0x21c..0x220], 0x1234u32.to_le_bytes());
        assert_eq!(page[0x228..0x22c], 0x8000u32.to_le_bytes());
        // Third entry: memory from 1 MiB.
        assert_eq!(page[0x2d0 + 40..0x2d0 + 48], (1u64 << 20).to_le_bytes());
        assert_eq!(page[0x2d0 + 48..0x2d0 + 56], (23u64 << 20).to_le_bytes());
    }

    #[test]
    fn shared_pages_are_reserved_and_nothing_overlaps() {
        let map = memory_map(&SETTINGS);
        assert!(map.windows(2).all(|pair| pair[0].start + pair[0].bytes <= pair[1].start));
        let shared = map.iter().find(|range| range.start == 0x9_0000).unwrap();
        assert_eq!((shared.bytes, shared.kind), (0x1_0000, E820_RESERVED));
        assert_eq!(map[3], Range { start: 1 << 32, bytes: 8192, kind: E820_PERSISTENT });
    }
}
