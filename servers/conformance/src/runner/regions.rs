// SPDX-License-Identifier: MIT OR Apache-2.0
//! Mapping, unmapping and revoking memory; also under the feet of another CPU.

use sawmill_abi::PAGE_SIZE;
use sawmill_abi::fault::FaultReason;
use sawmill_abi::object::{RIGHT_ALL, RIGHT_COPY, RIGHT_REGION_EXECUTE, RIGHT_REGION_READ, RIGHT_REGION_WRITE};
use sawmill_abi::status::Status;
use sawmill_conformance::check::{Verdict, ensure, equal, refused, works};
use sawmill_rt::calls::{self, SELF};
use sawmill_rt::time;

use super::child::Child;
use super::code;
use super::run::{Context, OWN, Test};

/// The tests.
pub const TESTS: &[Test] = &[
    ("region-shared-contents", shared_contents),
    ("region-map-refused", map_refused),
    ("region-unmap-arguments", unmap_arguments),
    ("region-rights", rights),
    ("region-read-only-in-child", read_only),
    ("region-revoke-is-visible", revoke_visible),
    ("region-unmap-on-other-cpu", |context| taken_from_other_cpu(context, Taking::Unmap)),
    ("region-revoke-on-other-cpu", |context| taken_from_other_cpu(context, Taking::Revoke)),
];

const BOTH: u64 = RIGHT_REGION_READ | RIGHT_REGION_WRITE;
/// Where a child sees the page in question.
const PAGE: u64 = 0x2000_0000;
/// Where the runner maps by hand.
const FREE: u64 = 3 << 30;

fn shared_contents(context: &mut Context) -> Verdict {
    let region = works(calls::region_create(SELF, 4, 0), "region_create")?;
    {
        let mut first = works(context.place.map(region, 0, 4, BOTH), "first mapping")?;
        equal(first.read_record::<u64>(0x2000).unwrap_or(1), 0, "new memory is not zero")?;
        ensure(first.write_record(0x2008, &0x1234_5678_u64).is_some(), "write", 0)?;
        let second = works(context.second_place.map(region, 2, 1, RIGHT_REGION_READ), "second mapping")?;
        equal(second.read_record::<u64>(8).unwrap_or(0), 0x1234_5678, "contents at an offset")?;
    }
    works(calls::capability_destroy(region), "destroy").map(|_| ())
}

fn map_refused(_context: &mut Context) -> Verdict {
    let region = works(calls::region_create(SELF, 4, 0), "region_create")?;
    let map = |gpa, offset, pages, rights| calls::region_map(region, OWN, gpa, offset, pages, rights);
    refused(map(FREE + 1, 0, 1, BOTH), Status::BadAddress, "an odd address")?;
    refused(map(1 << 60, 0, 1, BOTH), Status::BadAddress, "an address beyond the width")?;
    refused(map(u64::MAX - 4095, 0, 4, BOTH), Status::BadAddress, "a range that wraps")?;
    refused(map(FREE, 4, 1, BOTH), Status::BadArgument, "an offset outside")?;
    refused(map(FREE, 1, 4, BOTH), Status::BadArgument, "a length outside")?;
    refused(map(FREE, u64::MAX, 2, BOTH), Status::BadArgument, "an offset that wraps")?;
    refused(map(FREE, 0, 0, BOTH), Status::BadArgument, "no pages")?;
    refused(map(FREE, 0, 1, RIGHT_REGION_WRITE), Status::BadArgument, "writable, but not readable")?;
    refused(map(FREE, 0, 1, RIGHT_REGION_EXECUTE), Status::BadArgument, "executable, but not readable")?;
    refused(map(0x10_0000, 0, 1, BOTH), Status::BadAddress, "an address in use")?;
    works(map(FREE, 0, 2, BOTH), "map")?;
    refused(map(FREE + PAGE_SIZE, 0, 1, BOTH), Status::BadAddress, "an overlap")?;
    works(calls::capability_destroy(region), "destroy")?;
    let again = works(calls::region_create(SELF, 1, 0), "region_create")?;
    works(calls::region_map(again, OWN, FREE, 0, 1, BOTH), "the place is free after the region went")?;
    works(calls::capability_destroy(again), "destroy").map(|_| ())
}

fn unmap_arguments(_context: &mut Context) -> Verdict {
    let region = works(calls::region_create(SELF, 4, 0), "region_create")?;
    works(calls::region_map(region, OWN, FREE, 0, 4, BOTH), "map")?;
    refused(calls::region_unmap(SELF, FREE, 4), Status::NoRight, "unmap without CONTROL")?;
    refused(calls::region_unmap(OWN, FREE + 1, 4), Status::BadAddress, "an odd address")?;
    // Only whole mappings go: half of one stays.
    let _ = calls::region_unmap(OWN, FREE, 2);
    refused(calls::region_map(region, OWN, FREE, 0, 1, BOTH), Status::BadAddress, "half a mapping was removed")?;
    works(calls::region_unmap(OWN, FREE, 4), "unmap")?;
    works(calls::region_map(region, OWN, FREE, 0, 1, BOTH), "map again")?;
    works(calls::capability_destroy(region), "destroy").map(|_| ())
}

fn rights(_context: &mut Context) -> Verdict {
    let region = works(calls::region_create(SELF, 1, 0), "region_create")?;
    let weak = works(calls::capability_copy(region, SELF, 0, RIGHT_REGION_READ | RIGHT_COPY, 0), "read-only copy")?;
    refused(calls::region_map(weak, OWN, FREE, 0, 1, BOTH), Status::NoRight, "write by a read-only capability")?;
    works(calls::region_map(weak, OWN, FREE, 0, 1, RIGHT_REGION_READ), "read by it")?;
    works(calls::capability_destroy(weak), "destroy the copy")?;
    works(calls::region_map(region, OWN, FREE, 0, 1, RIGHT_REGION_READ), "its mapping went with it")?;
    works(calls::capability_destroy(region), "destroy").map(|_| ())
}

fn read_only(context: &mut Context) -> Verdict {
    let region = works(calls::region_create(SELF, 1, 0), "region_create")?;
    {
        let mut window = works(context.place.map(region, 0, 1, BOTH), "window")?;
        ensure(window.write_record(0, &4711_u64).is_some(), "write", 0)?;
    }
    let child = Child::new(context, code::write_read_only(), &[], 0)?;
    works(calls::region_map(region, child.partition, PAGE, 0, 1, RIGHT_REGION_READ), "map read-only")?;
    child.start()?;
    let words = child.fault(context)?;
    let seen = child.result(context, 0)?;
    child.destroy(context)?;
    works(calls::capability_destroy(region), "destroy")?;
    equal(seen, 4711, "the child reads")?;
    equal(words[1], FaultReason::EptViolation as u64, "reason")?;
    ensure(words[4] & 2 != 0, "it was a write", words[4])?;
    equal(words[5], PAGE, "address")
}

fn revoke_visible(context: &mut Context) -> Verdict {
    let region = works(calls::region_create(SELF, 1, 0), "region_create")?;
    let child = Child::new(context, code::write_read_only(), &[], 0)?;
    works(calls::region_map(region, child.partition, PAGE, 0, 1, BOTH), "map")?;
    works(calls::capability_destroy(region), "destroy the region")?;
    child.start()?;
    let words = child.fault(context)?;
    child.destroy(context)?;
    equal(words[1], FaultReason::EptViolation as u64, "reason")?;
    ensure(words[4] & 1 != 0, "it was a read", words[4])
}

/// How a page is taken away.
#[derive(Clone, Copy)]
enum Taking {
    Unmap,
    Revoke,
}

fn taken_from_other_cpu(context: &mut Context, taking: Taking) -> Verdict {
    let region = works(calls::region_create(SELF, 1, 0), "region_create")?;
    let copy = works(calls::capability_copy(region, SELF, 0, RIGHT_ALL, 0), "copy")?;
    let child = match Child::new(context, code::watch_page(), &[], 1) {
        Ok(child) => child,
        // One CPU: nothing to test.
        Err(why) if why.seen == Status::BadArgument as u64 => {
            return works(calls::capability_destroy(region), "destroy").map(|_| ());
        }
        Err(why) => return Err(why),
    };
    works(calls::region_map(copy, child.partition, PAGE, 0, 1, BOTH), "map")?;
    child.start()?;
    let end = time::tsc() + context.microseconds(1_000_000);
    while child.result(context, 0)? == 0 {
        ensure(time::tsc() < end, "the child does not run", 0)?;
    }
    match taking {
        Taking::Unmap => works(calls::region_unmap(child.partition, PAGE, 1), "unmap")?,
        Taking::Revoke => works(calls::capability_revoke(region), "revoke").map(|_| ())?,
    }
    let after = child.result(context, 0)?;
    let words = child.fault(context)?;
    // One look may have been under way when the mapping went.
    let last = child.result(context, 0)?;
    child.destroy(context)?;
    let _ = calls::capability_destroy(region);
    equal(words[1], FaultReason::EptViolation as u64, "reason")?;
    equal(words[5], PAGE, "address")?;
    ensure(last <= after + 1, "it looked at the page after it was taken away", last - after)
}
