// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writing into a partition's memory through root's window.

use sawmill_abi::PAGE_SIZE;
use sawmill_abi::object::{RIGHT_REGION_READ, RIGHT_REGION_WRITE};
use sawmill_abi::status::Status;
use sawmill_rt::calls::Selector;
use sawmill_rt::memory::{Place, Window};

/// Pages of 2 MiB: windows begin at such boundaries, so that large pages map them.
const LARGE_PAGES: u64 = (2 << 20) / PAGE_SIZE;

/// Maps the part of a partition's memory that holds a range, and passes the window and the range's offset in it.
///
/// # Errors
/// What mapping says, or what `action` returns: `None` is `BadAddress`.
pub fn with<T>(
    place: &mut Place,
    memory: Selector,
    memory_bytes: u64,
    gpa: u64,
    bytes: u64,
    action: impl FnOnce(&mut Window<'_>, u64) -> Option<T>,
) -> Result<T, Status> {
    let end = gpa.checked_add(bytes).filter(|end| *end <= memory_bytes).ok_or(Status::BadAddress)?;
    let first = gpa / PAGE_SIZE / LARGE_PAGES * LARGE_PAGES;
    let last = end.div_ceil(PAGE_SIZE).next_multiple_of(LARGE_PAGES).min(memory_bytes / PAGE_SIZE);
    let mut window = place.map(memory, first, last - first, RIGHT_REGION_READ | RIGHT_REGION_WRITE)?;
    action(&mut window, gpa - first * PAGE_SIZE).ok_or(Status::BadAddress)
}
