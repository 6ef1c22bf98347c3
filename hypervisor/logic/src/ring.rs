// SPDX-License-Identifier: MIT OR Apache-2.0
//! A bounded ring of bytes: console input that a partition has not read yet.

/// Holds up to `N` bytes.
#[derive(Clone, Debug)]
pub struct ByteRing<const N: usize> {
    bytes: [u8; N],
    head: usize,
    length: usize,
}

impl<const N: usize> Default for ByteRing<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> ByteRing<N> {
    /// Creates an empty ring.
    pub const fn new() -> Self {
        ByteRing { bytes: [0; N], head: 0, length: 0 }
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Appends a byte; false (and the byte is lost) when full.
    pub fn push(&mut self, byte: u8) -> bool {
        if self.length == N {
            return false;
        }
        if let Some(place) = self.bytes.get_mut((self.head + self.length) % N) {
            *place = byte;
            self.length += 1;
        }
        true
    }

    /// Takes the oldest bytes; returns how many.
    pub fn take(&mut self, into: &mut [u8]) -> usize {
        let mut count = 0;
        for place in into {
            let (true, Some(byte)) = (self.length > 0, self.bytes.get(self.head)) else { break };
            *place = *byte;
            self.head = (self.head + 1) % N;
            self.length -= 1;
            count += 1;
        }
        count
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.length = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_across_the_wrap_and_drops_when_full() {
        let mut ring: ByteRing<3> = ByteRing::new();
        let mut out = [0; 8];
        for round in 0..10u8 {
            assert!(ring.push(round) && ring.push(round + 1) && ring.push(round + 2));
            assert!(!ring.push(99));
            assert_eq!(ring.take(&mut out[..2]), 2);
            assert_eq!(&out[..2], &[round, round + 1]);
            assert_eq!(ring.take(&mut out), 1);
            assert_eq!(out[0], round + 2);
        }
    }
}
