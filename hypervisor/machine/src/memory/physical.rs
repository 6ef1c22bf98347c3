// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames that the kernel or guests own: copies and atomic words, no references.
//!
//! Guests write this memory at any time, so nothing here makes a Rust
//! reference to plain data: races are wrong values, never undefined behaviour.
//! Addresses outside the RAM handed out read as zero and ignore writes.

use core::sync::atomic::{AtomicU64, Ordering};

use sawmill_abi::PAGE_SIZE;
use sawmill_logic::platform::{FrameRange, Hpa, PhysicalMemory};
use spin::Once;

use crate::{Machine, boot::multiboot::Ranges};

static RANGES: Once<Ranges> = Once::new();

/// Fixes what memory the accessors reach; the image and its page tables are not among it.
///
/// Called once at boot, with ranges of RAM that this crate uses for nothing else.
pub fn initialize(mut ranges: Ranges) {
    ranges.sort_unstable_by_key(|range| range.start);
    let mut joined = Ranges::new();
    for FrameRange { start, pages } in ranges {
        match joined.last_mut() {
            Some(last) if last.start.0 + last.pages * PAGE_SIZE == start.0 => last.pages += pages,
            _ => joined.push(FrameRange { start, pages }),
        }
    }
    // The largest first: nearly every access goes there.
    joined.sort_unstable_by_key(|range| core::cmp::Reverse(range.pages));
    RANGES.call_once(|| joined);
}

/// Whether all of `length` bytes from `at` lie in memory that was handed out.
#[inline]
fn is_reachable(at: u64, length: u64) -> bool {
    let Some(ranges) = RANGES.get() else { return false };
    ranges.iter().any(|&FrameRange { start, pages }| {
        let offset = at.wrapping_sub(start.0);
        let size = pages * PAGE_SIZE;
        offset < size && length <= size - offset
    })
}

/// Whether an address is that of a whole page that was handed out.
pub fn is_page(at: Hpa) -> bool {
    at.0.is_multiple_of(PAGE_SIZE) && is_reachable(at.0, PAGE_SIZE)
}

/// Returns the word at an address, if it is aligned and was handed out.
#[inline]
fn word(at: Hpa) -> Option<&'static AtomicU64> {
    if !at.0.is_multiple_of(8) || !is_reachable(at.0, 8) {
        return None;
    }
    // SAFETY: (1) aligned, and in RAM that is identity mapped for good; (2) in a range given to `initialize`, so no
    // Rust object lives there and all access is atomic or by volatile copy; (3) guests may write it at any time,
    // which atomics allow.
    Some(unsafe { AtomicU64::from_ptr(at.0 as *mut u64) })
}

impl PhysicalMemory for Machine {
    #[inline]
    fn read_u64(&self, at: Hpa) -> u64 {
        word(at).map_or(0, |word| word.load(Ordering::Acquire))
    }

    #[inline]
    fn write_u64(&self, at: Hpa, value: u64) {
        if let Some(word) = word(at) {
            word.store(value, Ordering::Release);
        }
    }

    #[inline]
    fn fetch_or_u64(&self, at: Hpa, bits: u64) -> u64 {
        word(at).map_or(0, |word| word.fetch_or(bits, Ordering::AcqRel))
    }

    #[inline]
    fn swap_u64(&self, at: Hpa, value: u64) -> u64 {
        word(at).map_or(0, |word| word.swap(value, Ordering::AcqRel))
    }

    fn zero_page(&self, at: Hpa) {
        if !is_page(at) {
            return;
        }
        // SAFETY: (1) the whole page was handed out (checked above) and is identity mapped; (2) `rep stosq` touches
        // exactly 512 words of it; as assembly it is no Rust access that could race.
        unsafe {
            core::arch::asm!("rep stosq", inout("rdi") at.0 => _, inout("rcx") PAGE_SIZE / 8 => _, in("rax") 0u64,
                options(nostack, preserves_flags));
        }
    }

    fn copy_in(&self, from: Hpa, to: &mut [u8]) {
        if !is_reachable(from.0, to.len() as u64) {
            to.fill(0);
            return;
        }
        // SAFETY: (1) the source range was handed out (checked above); (2) the destination is a live exclusive slice
        // of that length; (3) the copy is assembly, so a guest's concurrent write gives wrong bytes and nothing else.
        unsafe { copy(from.0, to.as_mut_ptr() as u64, to.len()) };
    }

    fn copy_out(&self, to: Hpa, from: &[u8]) {
        if !is_reachable(to.0, from.len() as u64) {
            return;
        }
        // SAFETY: as for `copy_in`, with the directions exchanged.
        unsafe { copy(from.as_ptr() as u64, to.0, from.len()) };
    }
}

/// Copies bytes between addresses.
///
/// # Safety
/// (1) Both ranges are mapped, the destination writable; (2) the destination belongs to nobody else's references.
unsafe fn copy(from: u64, to: u64, length: usize) {
    // SAFETY: the caller's (1) and (2); DF is clear throughout the crate.
    unsafe {
        core::arch::asm!("rep movsb", inout("rsi") from => _, inout("rdi") to => _, inout("rcx") length => _,
            options(nostack, preserves_flags));
    }
}
