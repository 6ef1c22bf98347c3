// SPDX-License-Identifier: MIT OR Apache-2.0
//! Quotas: what is used up is refused, what is destroyed comes back.

use sawmill_abi::PAGE_SIZE;
use sawmill_abi::object::RIGHT_REGION_READ;
use sawmill_abi::status::Status;
use sawmill_conformance::account;
use sawmill_conformance::check::{Verdict, ensure, equal, refused, works};
use sawmill_rt::calls::{self, SELF, Selector};

use super::child::{Child, EVENT_PAGE, QUOTA_PAGES};
use super::code;
use super::run::{Context, OWN, Test};

/// The tests.
pub const TESTS: &[Test] = &[
    ("quota-partition-too-large", too_large),
    ("quota-pages-used-up", pages_used_up),
    ("quota-frames-used-up", frames_used_up),
    ("quota-comes-back", comes_back),
    ("quota-partitions", |context| {
        exhausted(context, |child| calls::partition_create(child.partition, [0; 16], 8, 3).map(made))
    }),
    ("quota-regions", |context| exhausted(context, |child| calls::region_create(child.partition, 1, 0))),
    ("quota-portals", |context| exhausted(context, |child| calls::portal_create(child.partition, 0))),
    ("quota-events", |context| exhausted(context, |child| calls::event_create(child.vcpu, 99))),
    ("quota-vcpus", vcpus),
    ("quota-mappings", mappings),
    ("quota-selectors", selectors),
];

/// More than a partition can have of anything.
const MANY: usize = 250;

fn too_large(_context: &mut Context) -> Verdict {
    let before = account::of(OWN)?;
    let name = *b"greedy\0\0\0\0\0\0\0\0\0\0";
    let create = |frames, pages| calls::partition_create(SELF, name, frames, pages);
    refused(create(before.kernel_quota_frames + 1, 0), Status::NoQuota, "more frames than there are")?;
    refused(create(16, before.region_quota_pages + 1), Status::NoQuota, "more pages than there are")?;
    refused(create(u64::MAX, u64::MAX), Status::NoQuota, "endless quotas")?;
    let after = account::of(OWN)?;
    equal(after.kernel_frames, before.kernel_frames, "frames after refusals")?;
    equal(after.region_pages, before.region_pages, "pages after refusals")
}

fn pages_used_up(context: &mut Context) -> Verdict {
    let child = Child::empty(context)?;
    let before = account::of(OWN)?;
    let mut used = super::child::PAGES;
    let last = loop {
        match calls::region_create(child.partition, 64, 0) {
            Ok(_) if used <= QUOTA_PAGES => used += 64,
            other => break other,
        }
    };
    refused(last, Status::NoQuota, "a partition got more pages than its quota")?;
    equal(used, QUOTA_PAGES, "pages it could use")?;
    equal(account::of(OWN)?.region_pages, before.region_pages, "the runner paid for the child's regions")?;
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
    let before = account::of(OWN)?;
    for _ in 0..64 {
        let child = Child::new(context, code::triple_fault(), &[], 0)?;
        child.start()?;
        child.fault(context)?;
        child.destroy(context)?;
    }
    let after = account::of(OWN)?;
    equal(after.region_pages, before.region_pages, "region pages were lost")?;
    equal(after.kernel_frames, before.kernel_frames, "kernel frames were lost")?;
    ensure(after.region_pages <= after.region_quota_pages, "more used than allowed", after.region_pages)
}

fn made<T>((selector, _): (Selector, T)) -> Selector {
    selector
}

/// Makes objects of one kind on a child's account until it is refused, and releases them: everything is back.
fn exhausted(context: &mut Context, make: fn(&Child) -> calls::Result<Selector>) -> Verdict {
    let child = Child::new(context, code::spin(), &[], 0)?;
    let verdict = account::exhaust(child.partition, Status::NoQuota, || make(&child));
    child.destroy(context)?;
    verdict.map(drop)
}

fn vcpus(context: &mut Context) -> Verdict {
    let child = Child::new(context, code::spin(), &[], 0)?;
    // A partition cannot have more than eight: the quota is made short first.
    let page = account::of(child.partition)?;
    let rest = page.kernel_quota_frames - page.kernel_frames;
    works(calls::partition_create(child.partition, [0; 16], rest.saturating_sub(5), 0), "take most of the quota")?;
    let before = account::charged(child.partition)?;
    let create = |index| calls::vcpu_create(child.partition, index, 0, 1, EVENT_PAGE + index * PAGE_SIZE);
    let (mut all, mut index) = ([Selector(0); 8], 1);
    let last = loop {
        match (create(index as u64), all.get_mut(index)) {
            (Ok(vcpu), Some(place)) => *place = vcpu,
            (other, _) => break other,
        }
        index += 1;
    };
    let verdict = refused(last, Status::NoQuota, "a partition got more vCPUs than its quota");
    for vcpu in all.iter().take(index).skip(1) {
        works(calls::capability_destroy(*vcpu), "destroy a vCPU")?;
    }
    let after = account::charged(child.partition)?;
    child.destroy(context)?;
    equal(after.0, before.0, "kernel frames were lost")?;
    verdict
}

fn mappings(context: &mut Context) -> Verdict {
    let child = Child::new(context, code::spin(), &[], 0)?;
    let before = account::charged(child.partition)?;
    // Far apart, so that each takes page tables, too.
    let place = |index: u64| (1 << 32) + index * (1 << 30);
    let mut count = 0;
    let last = loop {
        match calls::region_map(child.memory, child.partition, place(count), 0, 1, RIGHT_REGION_READ) {
            Ok(()) if count < MANY as u64 => count += 1,
            other => break other,
        }
    };
    let verdict = refused(last, Status::NoQuota, "a partition got more mappings than its quota");
    for index in 0..count {
        works(calls::region_unmap(child.partition, place(index), 1), "unmap")?;
    }
    let after = account::charged(child.partition)?;
    child.destroy(context)?;
    equal(after.0, before.0, "kernel frames were lost")?;
    ensure(count > 0, "nothing could be mapped", count)?;
    verdict
}

/// Fills a child's table; copies cost nothing, and go with what they were copied from.
fn selectors(context: &mut Context) -> Verdict {
    let child = Child::new(context, code::spin(), &[], 0)?;
    let before = account::charged(child.partition)?;
    let region = works(calls::region_create(SELF, 1, 0), "region_create")?;
    let mut count = 0;
    let last = loop {
        match calls::capability_copy(region, child.partition, 0, RIGHT_REGION_READ, 0) {
            Ok(_) if count < 2 * MANY as u64 => count += 1,
            other => break other,
        }
    };
    let verdict = refused(last, Status::NoSlot, "a table took more than it has places");
    let removed = works(calls::capability_destroy(region), "destroy")?;
    let after = account::charged(child.partition)?;
    child.destroy(context)?;
    equal(removed, count + 1, "capabilities removed")?;
    equal(after.0, before.0, "copies were charged")?;
    verdict
}
