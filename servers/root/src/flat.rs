// SPDX-License-Identifier: MIT OR Apache-2.0
//! Checks the header of a flat image.

use sawmill_abi::PAGE_SIZE;
use sawmill_abi::info::SHARED_PAGES_END_GPA;
use sawmill_abi::machine::{FLAT_IMAGE_MAGIC, FlatImageHeader};

use crate::failure;
use crate::failure::Failure;

/// Checks that a flat image of this size can be loaded into a partition.
///
/// # Errors
/// A text for people.
pub fn check(header: &FlatImageHeader, file_bytes: u64, memory_bytes: u64) -> Result<(), Failure> {
    if header.magic != FLAT_IMAGE_MAGIC {
        return Err(failure!("is no flat image (magic {:#x})", header.magic));
    }
    if header.load_gpa < SHARED_PAGES_END_GPA || !header.load_gpa.is_multiple_of(PAGE_SIZE) {
        return Err(failure!("its load address {:#x} is not a page above the shared pages", header.load_gpa));
    }
    if header.load_gpa.checked_add(file_bytes).is_none_or(|end| end > header.memory_bytes) {
        return Err(failure!("is larger than the memory it asks for"));
    }
    if header.memory_bytes > memory_bytes {
        let (needed, given) = (header.memory_bytes >> 10, memory_bytes >> 10);
        return Err(failure!("needs {needed} KiB, but the partition has {given} KiB"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: FlatImageHeader = FlatImageHeader {
        magic: FLAT_IMAGE_MAGIC,
        load_gpa: 0x10_0000,
        entry: 0x10_0040,
        cr3: 0x10_2000,
        stack: 0x11_0000,
        memory_bytes: 2 << 20,
    };

    #[test]
    fn headers_are_checked() {
        assert!(check(&HEADER, 0x8000, 2 << 20).is_ok());
        let text = |header, file, memory| check(&header, file, memory).unwrap_err();
        assert_eq!(text(FlatImageHeader { magic: 1, ..HEADER }, 1, 2 << 20).text(), "is no flat image (magic 0x1)");
        assert!(text(FlatImageHeader { load_gpa: 0x9_0000, ..HEADER }, 1, 2 << 20).text().contains("0x90000"));
        assert_eq!(text(HEADER, 2 << 20, 2 << 20).text(), "is larger than the memory it asks for");
        assert_eq!(text(HEADER, 1, 1 << 20).text(), "needs 2048 KiB, but the partition has 1024 KiB");
    }
}
