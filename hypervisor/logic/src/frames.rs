// SPDX-License-Identifier: MIT OR Apache-2.0
//! The pool of kernel frames: page tables, VMCSs and bitmaps of all partitions.
//!
//! Owns [`FramePool`], one contiguous range with a bit per frame. Frames are
//! charged to quotas by whoever takes them; the pool only knows free or not.

use crate::platform::{FrameRange, Hpa};
use sawmill_abi::PAGE_SIZE;

/// Most frames of a pool.
pub const FRAMES_MAX: usize = 4096;
const WORDS: usize = FRAMES_MAX / 64;

/// Free and taken frames of one range.
pub struct FramePool {
    range: FrameRange,
    free: [u64; WORDS],
    left: u64,
}

impl FramePool {
    /// Creates a pool without frames.
    pub const fn new() -> Self {
        FramePool { range: FrameRange { start: Hpa(0), pages: 0 }, free: [0; WORDS], left: 0 }
    }

    /// Creates a pool of a range (its first [`FRAMES_MAX`] frames).
    pub fn of(range: FrameRange) -> Self {
        let pages = range.pages.min(FRAMES_MAX as u64);
        let mut free = [0; WORDS];
        for (index, word) in free.iter_mut().enumerate() {
            let bits = pages.saturating_sub(index as u64 * 64).min(64);
            *word = if bits == 64 { u64::MAX } else { (1 << bits) - 1 };
        }
        FramePool { range: FrameRange { start: range.start, pages }, free, left: pages }
    }

    /// Frames that can be taken.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Takes a frame (its contents are what they were).
    pub fn take(&mut self) -> Option<Hpa> {
        let (index, word) = self.free.iter_mut().enumerate().find(|(_, word)| **word != 0)?;
        let bit = word.trailing_zeros();
        *word &= *word - 1;
        self.left -= 1;
        Some(Hpa(self.range.start.0 + (index as u64 * 64 + u64::from(bit)) * PAGE_SIZE))
    }

    /// Gives a frame back; false if it is not a taken frame of this pool.
    pub fn give(&mut self, frame: Hpa) -> bool {
        let Some(offset) = frame.0.checked_sub(self.range.start.0) else { return false };
        let number = offset / PAGE_SIZE;
        if number >= self.range.pages || offset % PAGE_SIZE != 0 {
            return false;
        }
        let Some(word) = self.free.get_mut((number / 64) as usize) else { return false };
        let bit = 1 << (number % 64);
        if *word & bit != 0 {
            return false;
        }
        *word |= bit;
        self.left += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_frame_once_and_all_back() {
        let mut pool = FramePool::of(FrameRange { start: Hpa(0x10_0000), pages: 130 });
        let mut taken = BTreeSet::new();
        while let Some(frame) = pool.take() {
            assert!((0x10_0000..0x10_0000 + 130 * 4096).contains(&frame.0) && frame.0 % 4096 == 0);
            assert!(taken.insert(frame));
        }
        assert_eq!((taken.len(), pool.left()), (130, 0));
        assert!(!pool.give(Hpa(0xf_f000)) && !pool.give(Hpa(0x10_0000 + 130 * 4096)) && !pool.give(Hpa(0x10_0008)));
        for frame in taken {
            assert!(pool.give(frame));
            assert!(!pool.give(frame), "given back twice");
        }
        assert_eq!(pool.left(), 130);
    }
}
