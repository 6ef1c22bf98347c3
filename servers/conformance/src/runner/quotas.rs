// SPDX-License-Identifier: MIT OR Apache-2.0
//! Quotas: what is used up is refused, what is destroyed comes back.

use sawmill_abi::statistics::{PartitionStatistics, VcpuStatistics};
use sawmill_abi::status::Status;
use sawmill_conformance::check::{Verdict, Why, ensure, equal, refused, works};
use sawmill_rt::calls::{self, SELF};
use sawmill_rt::memory::Shared;

use super::child::{Child, QUOTA_PAGES};
use super::code;
use super::run::{Context, OWN, Test};

/// The tests.
pub const TESTS: &[Test] = &[
    ("quota-partition-too-large", too_large),
    ("quota-pages-used-up", pages_used_up),
    ("quota-frames-used-up", frames_used_up),
    ("quota-comes-back", comes_back),
];

static STATISTICS: Shared<PartitionStatistics> = Shared::new(PartitionStatistics {
    state: 0,
    region_pages: 0,
    kernel_frames: 0,
    region_quota_pages: 0,
    kernel_quota_frames: 0,
    vcpu_count: 0,
    vcpus: [const { VcpuStatistics { exits: [0; _], run_tsc: 0, calls: 0, served: 0, injections: 0 } }; _],
});

fn own() -> Result<PartitionStatistics, Why> {
    works(calls::partition_statistics(OWN, &STATISTICS), "partition_statistics")
}

fn too_large(_context: &mut Context) -> Verdict {
    let before = own()?;
    let name = *b"greedy\0\0\0\0\0\0\0\0\0\0";
    let create = |frames, pages| calls::partition_create(SELF, name, frames, pages);
    refused(create(before.kernel_quota_frames + 1, 0), Status::NoQuota, "more frames than there are")?;
    refused(create(16, before.region_quota_pages + 1), Status::NoQuota, "more pages than there are")?;
    refused(create(u64::MAX, u64::MAX), Status::NoQuota, "endless quotas")?;
    let after = own()?;
    equal(after.kernel_frames, before.kernel_frames, "frames after refusals")?;
    equal(after.region_pages, before.region_pages, "pages after refusals")
}

fn pages_used_up(context: &mut Context) -> Verdict {
    let child = Child::empty(context)?;
    let before = own()?;
    let mut used = super::child::PAGES;
    let last = loop {
        match calls::region_create(child.partition, 64, 0) {
            Ok(_) if used <= QUOTA_PAGES => used += 64,
            other => break other,
        }
    };
    refused(last, Status::NoQuota, "a partition got more pages than its quota")?;
    equal(used, QUOTA_PAGES, "pages it could use")?;
    equal(own()?.region_pages, before.region_pages, "the runner paid for the child's regions")?;
    child.destroy(context)
}

fn frames_used_up(context: &mut Context) -> Verdict {
    let child = Child::empty(context)?;
    let mut made = 0u64;
    let last = loop {
        match calls::portal_create(child.partition, 0) {
            Ok(_) if made < 200 => made += 1,
            other => break other,
        }
    };
    let verdict = match last {
        Err(Status::NoQuota) => Ok(()),
        other => refused(other, Status::NoQuota, "a partition got more objects than its quota"),
    };
    child.destroy(context)?;
    verdict
}

fn comes_back(context: &mut Context) -> Verdict {
    let first = Child::new(context, code::spin(), &[], 0)?;
    first.destroy(context)?;
    let before = own()?;
    for _ in 0..64 {
        let child = Child::new(context, code::triple_fault(), &[], 0)?;
        child.start()?;
        child.fault(context)?;
        child.destroy(context)?;
    }
    let after = own()?;
    equal(after.region_pages, before.region_pages, "region pages were lost")?;
    equal(after.kernel_frames, before.kernel_frames, "kernel frames were lost")?;
    ensure(after.region_pages <= after.region_quota_pages, "more used than allowed", after.region_pages)
}
