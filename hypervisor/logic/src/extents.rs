// SPDX-License-Identifier: MIT OR Apache-2.0
//! Free physical memory as a sorted list of extents; regions come from here.
//!
//! Owns [`Extents`]. First fit. Invariant: extents are sorted, disjoint, not
//! empty, and no two touch. Each allocation adds at most one extent and each
//! release at most one, so `N` bounds allocations plus initial extents.

use crate::platform::{FrameRange, Hpa};
use arrayvec::ArrayVec;
use sawmill_abi::PAGE_SIZE;

/// Pages of a large EPT leaf.
const LARGE_PAGES: u64 = 512;
/// First frame number that a 32-bit device cannot reach.
const LIMIT_4G: u64 = (4 << 30) / PAGE_SIZE;

/// Where an allocation may lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// Entirely below 4 GiB.
    pub is_below_4g: bool,
    /// Aligned to 2 MiB.
    pub is_large: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extent {
    first: u64,
    pages: u64,
}

impl Extent {
    fn end(&self) -> u64 {
        self.first + self.pages
    }
}

/// The free memory.
pub struct Extents<const N: usize> {
    free: ArrayVec<Extent, N>,
    left: u64,
}

impl<const N: usize> Extents<N> {
    /// Creates an empty list.
    pub const fn new() -> Self {
        Extents { free: ArrayVec::new_const(), left: 0 }
    }

    /// Free pages in all.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Takes contiguous pages.
    pub fn take(&mut self, pages: u64, placement: Placement) -> Option<FrameRange> {
        if pages == 0 {
            return None;
        }
        let align = if placement.is_large { LARGE_PAGES } else { 1 };
        let limit = if placement.is_below_4g { LIMIT_4G } else { u64::MAX };
        let is_full = self.free.is_full();
        let (index, start) = self.free.iter().enumerate().find_map(|(index, extent)| {
            let start = extent.first.checked_next_multiple_of(align)?;
            let end = start.checked_add(pages)?;
            let splits = start != extent.first && end != extent.end();
            (end <= extent.end() && end <= limit && !(splits && is_full)).then_some((index, start))
        })?;
        let extent = self.free.get_mut(index)?;
        let tail = Extent { first: start + pages, pages: extent.end() - start - pages };
        extent.pages = start - extent.first;
        match (extent.pages > 0, tail.pages > 0) {
            (true, true) => self.free.insert(index + 1, tail),
            (false, true) => *extent = tail,
            (true, false) => {}
            (false, false) => drop(self.free.remove(index)),
        }
        self.left -= pages;
        Some(FrameRange { start: Hpa(start * PAGE_SIZE), pages })
    }

    /// Gives pages back; false (nothing changed) if they overlap free memory or the list is full.
    pub fn give(&mut self, range: FrameRange) -> bool {
        let new = Extent { first: range.start.0 / PAGE_SIZE, pages: range.pages };
        if new.pages == 0 {
            return true;
        }
        let index = self.free.partition_point(|extent| extent.first < new.first);
        let is_full = self.free.is_full();
        let (sooner, later) = self.free.split_at_mut(index);
        match (sooner.last_mut(), later.first_mut()) {
            (Some(before), _) if before.end() > new.first => return false,
            (_, Some(after)) if new.end() > after.first => return false,
            (Some(before), Some(after)) if before.end() == new.first && new.end() == after.first => {
                before.pages += new.pages + after.pages;
                self.free.remove(index);
            }
            (Some(before), _) if before.end() == new.first => before.pages += new.pages,
            (_, Some(after)) if new.end() == after.first => {
                *after = Extent { first: new.first, pages: new.pages + after.pages };
            }
            _ if is_full => return false,
            _ => self.free.insert(index, new),
        }
        self.left += new.pages;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filled() -> Extents<64> {
        let mut extents = Extents::new();
        assert!(extents.give(FrameRange { start: Hpa(0x10_0000), pages: 2000 }));
        assert!(extents.give(FrameRange { start: Hpa(0xffff_f000), pages: 600 }));
        extents
    }

    proptest! {
        /// No page is handed out twice, placement holds, and after all releases the list is as at the start.
        #[test]
        fn pages_are_conserved(steps in proptest::collection::vec((any::<bool>(), 1u64..700, any::<bool>(), any::<bool>(), any::<prop::sample::Index>()), 1..80)) {
            let mut extents = filled();
            let start: Vec<Extent> = extents.free.to_vec();
            let mut held: Vec<FrameRange> = Vec::new();
            for (is_release, pages, is_below_4g, is_large, which) in steps {
                if is_release && !held.is_empty() {
                    let range = held.swap_remove(which.index(held.len()));
                    prop_assert!(extents.give(range));
                    prop_assert!(!extents.give(range), "given back twice");
                } else if let Some(range) = extents.take(pages, Placement { is_below_4g, is_large }) {
                    prop_assert_eq!(range.pages, pages);
                    let end = range.start.0 + pages * PAGE_SIZE;
                    prop_assert!(!is_below_4g || end <= 4 << 30);
                    prop_assert!(!is_large || range.start.0 % (2 << 20) == 0);
                    for other in &held {
                        prop_assert!(end <= other.start.0 || other.start.0 + other.pages * PAGE_SIZE <= range.start.0);
                    }
                    held.push(range);
                }
                prop_assert_eq!(extents.left() + held.iter().map(|range| range.pages).sum::<u64>(), 2600);
                for pair in extents.free.windows(2) {
                    prop_assert!(pair[0].end() < pair[1].first);
                }
            }
            for range in held { prop_assert!(extents.give(range)); }
            prop_assert_eq!(extents.free.to_vec(), start);
        }
    }
}
