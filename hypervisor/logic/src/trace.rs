// SPDX-License-Identifier: MIT OR Apache-2.0
//! The trace ring of one CPU.
//!
//! Owns [`TraceRing`]. The newest entries win; a reader that was too slow is
//! told how many it lost. Cursors count all entries ever written.

use sawmill_abi::trace::TraceEntry;

/// The last `N` entries.
pub struct TraceRing<const N: usize> {
    entries: [TraceEntry; N],
    written: u64,
}

/// What a read brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TraceProgress {
    /// Entries copied.
    pub copied: usize,
    /// Cursor for the next read.
    pub cursor: u64,
    /// Entries overwritten before they could be read.
    pub lost: u64,
}

impl<const N: usize> TraceRing<N> {
    /// Creates an empty ring.
    pub const fn new() -> Self {
        TraceRing { entries: [TraceEntry { tsc: 0, kind: 0, who: 0, a: 0, b: 0 }; N], written: 0 }
    }

    /// Appends an entry.
    pub fn push(&mut self, entry: TraceEntry) {
        if let Some(place) = self.entries.get_mut((self.written % N as u64) as usize) {
            *place = entry;
            self.written += 1;
        }
    }

    /// Copies entries from a cursor on.
    pub fn read(&self, cursor: u64, into: &mut [TraceEntry]) -> TraceProgress {
        let oldest = self.written.saturating_sub(N as u64);
        let start = cursor.clamp(oldest, self.written);
        let mut progress = TraceProgress { copied: 0, cursor: start, lost: oldest.saturating_sub(cursor) };
        for (place, number) in into.iter_mut().zip(start..self.written) {
            *place = self.entries[(number % N as u64) as usize];
            progress.cursor += 1;
            progress.copied += 1;
        }
        progress
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Each entry is read once, in order, or counted as lost, however writer and reader take turns.
        #[test]
        fn entries_are_read_in_order_or_counted(turns in proptest::collection::vec((0u64..9, 0usize..6), 1..40)) {
            let mut ring: TraceRing<4> = TraceRing::new();
            let (mut written, mut accounted, mut cursor) = (0, 0, 0);
            for (writes, reads) in turns {
                for _ in 0..writes {
                    ring.push(TraceEntry { tsc: written, ..TraceEntry::default() });
                    written += 1;
                }
                let mut out = vec![TraceEntry::default(); reads];
                let progress = ring.read(cursor, &mut out);
                accounted += progress.lost;
                for entry in out.iter().take(progress.copied) {
                    prop_assert_eq!(entry.tsc, accounted);
                    accounted += 1;
                }
                cursor = progress.cursor;
                prop_assert_eq!(cursor, accounted);
            }
            prop_assert!(accounted <= written && written - accounted <= 4 || ring.read(cursor, &mut []).lost > 0);
        }
    }

    #[test]
    fn slow_reader_learns_what_it_lost() {
        let mut ring: TraceRing<4> = TraceRing::new();
        for tsc in 0..10 {
            ring.push(TraceEntry { tsc, ..TraceEntry::default() });
        }
        let mut out = [TraceEntry::default(); 3];
        let progress = ring.read(2, &mut out);
        assert_eq!(progress, TraceProgress { copied: 3, cursor: 9, lost: 4 });
        assert_eq!(out.map(|entry| entry.tsc), [6, 7, 8]);
        assert_eq!(ring.read(9, &mut out), TraceProgress { copied: 1, cursor: 10, lost: 0 });
        assert_eq!(ring.read(u64::MAX, &mut out).copied, 0);
    }
}
