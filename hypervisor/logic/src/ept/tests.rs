// SPDX-License-Identifier: MIT OR Apache-2.0
//! Page tables over fake memory, against a model that is a map.

use super::{EXECUTE, MapError, MemoryType, READ, Request, TableFrames, Tables, WRITE, translate};
use crate::fake::Memory;
use crate::platform::{Gpa, Hpa};
use proptest::prelude::*;

struct Frames<'a> {
    memory: &'a Memory,
    free: Vec<u64>,
}

impl TableFrames for Frames<'_> {
    fn take(&mut self) -> Option<Hpa> {
        let frame = self.free.pop()?;
        // What was there before must not matter.
        self.memory.add(Hpa(frame), u64::MAX);
        Some(Hpa(frame))
    }
    fn give(&mut self, frame: Hpa) {
        assert!(self.memory.remove(frame), "not a table: {frame:?}");
        self.free.push(frame.0);
    }
}

const ROOT: Hpa = Hpa(0x1000);
const TABLES: u64 = 24;

fn with_tables(test: impl FnOnce(&Memory, &mut Frames<'_>) -> Result<(), TestCaseError>) -> Result<(), TestCaseError> {
    // Only frames that are tables exist: a walk or a write anywhere else is a defect.
    let memory = Memory::new(0..0);
    memory.add(ROOT, 0);
    let free = (0..TABLES).map(|index| 0x10_0000 + index * 4096).collect();
    let mut frames = Frames { memory: &memory, free };
    test(&memory, &mut frames)
}

/// Ranges around the places where levels meet.
fn page() -> impl Strategy<Value = u64> {
    (prop_oneof![Just(0u64), Just(512), Just(1024), Just(1 << 18), Just((1 << 18) + 512), Just(1 << 27)], -3i64..4)
        .prop_map(|(base, offset)| base.saturating_add_signed(offset))
}

fn request() -> impl Strategy<Value = Request> {
    let pages = prop_oneof![1u64..5, Just(512), Just(513), Just(1 << 18)];
    (page(), page(), pages, 1u64..8, 0u32..3, any::<bool>()).prop_map(
        |(gpa, hpa, pages, rights, largest_leaf, is_aligned)| {
            // Half of them congruent, so that large leaves occur.
            let hpa = if is_aligned { gpa + (2 << 18) } else { hpa };
            let memory_type = MemoryType::WriteBack;
            Request { gpa: Gpa(gpa * 4096), hpa: Hpa(hpa * 4096), pages, rights, memory_type, largest_leaf }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn translations_match_the_model(steps in proptest::collection::vec((request(), any::<bool>(), any::<prop::sample::Index>()), 1..25)) {
        with_tables(|memory, frames| {
            let mut held: Vec<Request> = Vec::new();
            for (request, is_unmap, which) in steps {
                if is_unmap && !held.is_empty() {
                    let gone = held.swap_remove(which.index(held.len()));
                    Tables { memory, frames, root: ROOT }.unmap(gone.gpa, gone.pages);
                } else {
                    let (first, end) = (request.gpa.0, request.gpa.0 + request.pages * 4096);
                    let overlaps = held.iter().any(|other| first < other.gpa.0 + other.pages * 4096 && other.gpa.0 < end);
                    let free = frames.free.len();
                    let mapped = Tables { memory, frames, root: ROOT }.map(&request);
                    match mapped {
                        Ok(()) => {
                            prop_assert!(!overlaps);
                            held.push(request);
                        }
                        Err(MapError::Occupied) => prop_assert!(overlaps),
                        Err(MapError::NoFrame) => prop_assert_eq!(frames.free.len(), free, "a refused mapping left tables"),
                        Err(MapError::BadRange) => prop_assert!(false, "a good range was refused"),
                    }
                }
                for mapping in &held {
                    for page in [0, 1, mapping.pages / 2, mapping.pages - 1] {
                        let page = page.min(mapping.pages - 1);
                        let found = translate(memory, ROOT, Gpa(mapping.gpa.0 + page * 4096 + 0x123));
                        prop_assert_eq!(found.map(|found| (found.hpa.0, found.rights)), Some((mapping.hpa.0 + page * 4096 + 0x123, mapping.rights)));
                    }
                    for outside in [mapping.gpa.0.wrapping_sub(1), mapping.gpa.0 + mapping.pages * 4096] {
                        let is_held = held.iter().any(|other| outside >= other.gpa.0 && outside < other.gpa.0 + other.pages * 4096);
                        prop_assert_eq!(translate(memory, ROOT, Gpa(outside)).is_some(), is_held);
                    }
                }
            }
            for gone in held { Tables { memory, frames, root: ROOT }.unmap(gone.gpa, gone.pages); }
            prop_assert_eq!(frames.free.len() as u64, TABLES, "tables are lost");
            Ok(())
        })?;
    }
}

#[test]
fn aligned_range_takes_large_leaves() {
    with_tables(|memory, frames| {
        let request = Request {
            gpa: Gpa(0),
            hpa: Hpa(4 << 30),
            pages: 1 << 18,
            rights: READ | WRITE,
            memory_type: MemoryType::WriteBack,
            largest_leaf: 2,
        };
        Tables { memory, frames, root: ROOT }.map(&request).unwrap();
        assert_eq!(frames.free.len() as u64, TABLES - 1, "one table for a 1 GiB leaf");
        Tables { memory, frames, root: ROOT }.unmap(Gpa(0), 1 << 18);
        Tables { memory, frames, root: ROOT }.map(&Request { largest_leaf: 1, ..request }).unwrap();
        assert_eq!(frames.free.len() as u64, TABLES - 2, "two tables for 2 MiB leaves");
        Ok(())
    })
    .unwrap();
}

#[test]
fn ranges_outside_of_the_address_space_are_refused() {
    with_tables(|memory, frames| {
        let good = Request {
            gpa: Gpa(0),
            hpa: Hpa(0),
            pages: 1,
            rights: READ | EXECUTE,
            memory_type: MemoryType::Uncached,
            largest_leaf: 0,
        };
        for bad in [
            Request { gpa: Gpa(1), ..good },
            Request { hpa: Hpa(8), ..good },
            Request { pages: 0, ..good },
            Request { pages: u64::MAX, ..good },
            Request { gpa: Gpa(1 << 48), ..good },
            Request { rights: 0, ..good },
            Request { rights: 15, ..good },
        ] {
            assert_eq!(Tables { memory, frames, root: ROOT }.map(&bad), Err(MapError::BadRange), "{bad:?}");
        }
        assert_eq!(translate(memory, ROOT, Gpa(u64::MAX)), None);
        Ok(())
    })
    .unwrap();
}
