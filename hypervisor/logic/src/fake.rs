// SPDX-License-Identifier: MIT OR Apache-2.0
//! Physical memory for tests on a host: frames that exist or do not.
//!
//! Any access to a frame that does not exist is a defect of who made it.

use crate::platform::{Hpa, PhysicalMemory};
use std::{boxed::Box, ops::Range, sync::Mutex, vec::Vec};

const FRAME_BYTES: u64 = 4096;

#[derive(Clone)]
enum Frame {
    Missing,
    /// Never written.
    Zeros,
    Words(Box<[u64; 512]>),
}

/// Memory made of frames.
pub struct Memory {
    /// By frame number.
    frames: Mutex<Vec<Frame>>,
}

impl Memory {
    /// Creates zeroed memory at a range of addresses.
    pub fn new(range: Range<u64>) -> Memory {
        let is_there = |number: u64| range.contains(&(number * FRAME_BYTES));
        let frame = |number| if is_there(number) { Frame::Zeros } else { Frame::Missing };
        Memory { frames: Mutex::new((0..range.end.div_ceil(FRAME_BYTES)).map(frame).collect()) }
    }

    /// Adds a frame that holds the same word everywhere.
    pub fn add(&self, frame: Hpa, word: u64) {
        let number = (frame.0 / FRAME_BYTES) as usize;
        let mut frames = self.frames.lock().unwrap();
        if frames.len() <= number {
            frames.resize(number + 1, Frame::Missing);
        }
        frames[number] = Frame::Words(Box::new([word; 512]));
    }

    /// Removes a frame; false if there was none.
    pub fn remove(&self, frame: Hpa) -> bool {
        let mut frames = self.frames.lock().unwrap();
        let old = frames.get_mut((frame.0 / FRAME_BYTES) as usize).map(|old| core::mem::replace(old, Frame::Missing));
        !matches!(old, None | Some(Frame::Missing))
    }

    fn change<T>(&self, at: Hpa, change: impl FnOnce(&mut u64) -> T) -> T {
        assert!(at.0.is_multiple_of(8), "access to {at:?}");
        let mut frames = self.frames.lock().unwrap();
        let frame = frames.get_mut((at.0 / FRAME_BYTES) as usize);
        let frame = frame.unwrap_or_else(|| panic!("access to {at:?}"));
        if let Frame::Zeros = frame {
            *frame = Frame::Words(Box::new([0; 512]));
        }
        let Frame::Words(words) = frame else { panic!("access to {at:?}") };
        change(&mut words[(at.0 % FRAME_BYTES / 8) as usize])
    }
}

impl PhysicalMemory for Memory {
    fn read_u64(&self, at: Hpa) -> u64 {
        self.change(at, |word| *word)
    }
    fn write_u64(&self, at: Hpa, value: u64) {
        self.change(at, |word| *word = value);
    }
    fn fetch_or_u64(&self, at: Hpa, bits: u64) -> u64 {
        self.change(at, |word| core::mem::replace(word, *word | bits))
    }
    fn swap_u64(&self, at: Hpa, value: u64) -> u64 {
        self.change(at, |word| core::mem::replace(word, value))
    }
    fn zero_page(&self, at: Hpa) {
        assert!(at.0.is_multiple_of(FRAME_BYTES) && self.remove(at), "zeroing of {at:?}");
        self.frames.lock().unwrap()[(at.0 / FRAME_BYTES) as usize] = Frame::Zeros;
    }
    fn copy_in(&self, from: Hpa, to: &mut [u8]) {
        for (at, byte) in (from.0..).zip(to) {
            *byte = self.read_u64(Hpa(at & !7)).to_le_bytes()[(at % 8) as usize];
        }
    }
    fn copy_out(&self, to: Hpa, from: &[u8]) {
        for (at, byte) in (to.0..).zip(from) {
            self.change(Hpa(at & !7), |word| {
                let mut bytes = word.to_le_bytes();
                bytes[(at % 8) as usize] = *byte;
                *word = u64::from_le_bytes(bytes);
            });
        }
    }
}
