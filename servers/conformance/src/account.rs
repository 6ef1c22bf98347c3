// SPDX-License-Identifier: MIT OR Apache-2.0
//! What partitions are charged, and objects that are made until an account is used up.

use sawmill_abi::statistics::PartitionStatistics;
use sawmill_abi::status::Status;
use sawmill_rt::calls::{self, Selector};
use sawmill_rt::memory::Shared;

use crate::check::{Why, ensure, equal, refused, works};

/// More than an account allows of anything.
const MANY: usize = 250;

static STATISTICS: Shared<PartitionStatistics> = Shared::zeroed();

/// Reads a partition's counters.
///
/// # Errors
/// What `partition_statistics` says.
pub fn of(partition: Selector) -> Result<PartitionStatistics, Why> {
    works(calls::partition_statistics(partition, &STATISTICS), "partition_statistics")
}

/// Kernel frames and region pages that a partition is charged.
///
/// # Errors
/// What `partition_statistics` says.
pub fn charged(partition: Selector) -> Result<(u64, u64), Why> {
    of(partition).map(|page| (page.kernel_frames, page.region_pages))
}

/// Makes objects of one kind on a partition's account until it is refused with this status, and releases them, twice:
/// everything is back, and it is the same number; returns it.
///
/// # Errors
/// What was otherwise.
pub fn exhaust(
    partition: Selector,
    refusal: Status,
    mut make: impl FnMut() -> calls::Result<Selector>,
) -> Result<u64, Why> {
    let before = charged(partition)?;
    let (mut all, mut count) = ([Selector(0); MANY], 0);
    for _ in 0..2 {
        let first = count;
        count = 0;
        let last = loop {
            match (make(), all.get_mut(count)) {
                (Ok(selector), Some(place)) => *place = selector,
                (other, _) => break other,
            }
            count += 1;
        };
        refused(last, refusal, "more than there is could be made, or another refusal came")?;
        ensure(count > 0 && (first == 0 || first == count), "another number than the first time", count as u64)?;
        for selector in all.iter().take(count) {
            works(calls::capability_destroy(*selector), "destroy")?;
        }
        let after = charged(partition)?;
        equal(after.0, before.0, "kernel frames were lost")?;
        equal(after.1, before.1, "region pages were lost")?;
    }
    Ok(count as u64)
}
