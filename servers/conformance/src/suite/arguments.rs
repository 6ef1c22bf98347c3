// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every row of the hypercall table with wrong selector, kind and right; unknown numbers; bad arguments.

use sawmill_abi::PAGE_SIZE;
use sawmill_abi::hypercall::{Entry, Hypercall, TABLE};
use sawmill_abi::object::{
    Kind, RIGHT_ALL, RIGHT_COPY, SELECTOR_COUNT, SELECTOR_NULL, SELECTOR_SELF, SELECTOR_VCPU_BASE,
};
use sawmill_abi::status::Status;
use sawmill_conformance::check::{self, Tally, Verdict, ensure, equal, refused, works};
use sawmill_conformance::connection;
use sawmill_proto::root::{ROOT_ALLOCATIONS_MAX, ROOT_REGION_ALLOCATE, ROOT_SERVICE};
use sawmill_rt::calls::{self, SELF, Selector};
use sawmill_rt::{hypercall, time};

use super::run::{Context, Test};

/// Tests of the table, then single ones.
pub fn run(context: &Context, tally: &mut Tally) {
    tally.note("unknown-hypercalls", unknown());
    let own = own_objects();
    tally.note("own-objects", own.map(|_| ()));
    for entry in TABLE.iter().filter(|entry| entry.kind != Kind::None) {
        tally.note(entry.name, row(entry, own.ok()));
    }
    for (name, test) in TESTS {
        tally.note(name, test(context));
    }
}

const TESTS: &[Test] = &[
    ("abi-version", |_| equal(works(calls::abi_version(), "abi_version")?, sawmill_abi::ABI_VERSION, "version")),
    ("cpuid-signature", |_| signature()),
    ("registers-preserved", |context| preserved(context)),
    ("capability-identify", |_| identify()),
    ("capability-copy-rights", |_| copy_rights()),
    ("capability-copy-slots", |_| copy_slots()),
    ("capability-badge-once", |_| badge_once()),
    ("capability-revoke-derived", |_| revoke_derived()),
    ("capability-table-full", |_| table_full()),
    ("capability-revoke-long-chain", |_| revoke_long_chain()),
    ("console-arguments", |_| console()),
    ("region-arguments", |_| region()),
    ("event-arguments", |_| event()),
    ("timer-and-vcpu-arguments", |_| vcpu()),
    ("root-allocations", |_| allocations()),
    ("vcpu-create-priority", |_| priority()),
];

fn unknown() -> Verdict {
    for number in [12, 15, 19, 31, 38, 42, 255, 1 << 32, 1 << 63, u64::MAX] {
        check::status(hypercall::invoke(number, 0, [0; 6]), Status::BadHypercall, "an unknown number was accepted")?;
    }
    Ok(())
}

/// Objects of the suite's own: an event and a region, and copies without rights.
#[derive(Clone, Copy)]
struct Own {
    event: u64,
    region: u64,
    powerless_event: u64,
    powerless_portal: Option<u64>,
}

fn own_objects() -> Result<Own, check::Why> {
    let event = works(calls::event_create(Selector(SELECTOR_VCPU_BASE), 200), "event_create")?;
    let region = works(calls::region_create(SELF, 1, 0), "region_create")?;
    let powerless = works(calls::capability_copy(event, SELF, 0, RIGHT_COPY, 0), "capability_copy")?;
    let portal = works(calls::portal_create(SELF, 0), "portal_create")?;
    let powerless_portal = calls::capability_copy(portal, SELF, 0, RIGHT_COPY, 0).ok().map(|it| it.0);
    Ok(Own { event: event.0, region: region.0, powerless_event: powerless.0, powerless_portal })
}

/// A selector of this kind without the right, if the suite has one.
fn without_right(entry: &Entry, own: Own) -> Option<u64> {
    let needs = |right: u64| entry.right & right != 0;
    match entry.kind {
        Kind::Partition if needs(sawmill_abi::object::RIGHT_PARTITION_CONTROL) => Some(SELECTOR_SELF),
        Kind::Event => Some(own.powerless_event),
        Kind::Portal => own.powerless_portal,
        _ => None,
    }
}

/// One row of the table, with selectors it must refuse.
fn row(entry: &Entry, own: Option<Own>) -> Verdict {
    // Words that a mapping could have: some calls look at them before the selector.
    let call = |selector: u64| hypercall::invoke(entry.call as u64, selector, [SELECTOR_SELF, 1 << 30, 0, 1, 1, 0]);
    for selector in [SELECTOR_NULL, SELECTOR_COUNT - 1, SELECTOR_COUNT, 1 << 32, u64::MAX] {
        check::status(call(selector), Status::BadSelector, "a selector that names nothing was accepted")?;
    }
    let Some(own) = own else { return Ok(()) };
    let others = [(Kind::Event, own.event), (Kind::Region, own.region), (Kind::Partition, SELECTOR_SELF)];
    for (_, selector) in others.into_iter().filter(|(kind, _)| *kind != entry.kind) {
        check::status(call(selector), Status::BadKind, "an object of another kind was accepted")?;
    }
    match without_right(entry, own) {
        Some(selector) => check::status(call(selector), Status::NoRight, "a missing right was not noticed"),
        None => Ok(()),
    }
}

fn signature() -> Verdict {
    let base = core::arch::x86_64::__cpuid(sawmill_abi::CPUID_LEAF_BASE);
    let found = [base.ebx, base.ecx, base.edx];
    ensure(found == sawmill_abi::CPUID_SIGNATURE, "signature", u64::from(base.ebx))?;
    let abi = core::arch::x86_64::__cpuid(sawmill_abi::CPUID_LEAF_ABI);
    equal(u64::from(abi.eax), sawmill_abi::ABI_VERSION, "version in the leaf")?;
    equal(u64::from(abi.ebx), 0, "vCPU index in the leaf")
}

/// Words that an entry does not return keep their values; results of a call come back in order.
fn preserved(context: &Context) -> Verdict {
    let words = [0, 0x1111, 0x2222_0000_0000, 0x3333, u64::MAX, 0x5555];
    let outcome = calls::portal_call(context.portal(), words);
    check::status(outcome, Status::Ok, "echo")?;
    ensure(outcome.words == words, "words of an echo", outcome.words[1])
}

fn identify() -> Verdict {
    let (kind, rights, badge) = works(calls::capability_identify(SELF), "identify self")?;
    equal(kind, Kind::Partition as u64, "kind of self")?;
    equal(rights & sawmill_abi::object::RIGHT_PARTITION_CONTROL, 0, "self has CONTROL")?;
    equal(badge, 0, "badge of self")?;
    refused(calls::capability_identify(Selector(250)), Status::BadSelector, "identify an empty slot")
}

fn copy_rights() -> Verdict {
    let event = works(calls::event_create(Selector(SELECTOR_VCPU_BASE), 201), "event_create")?;
    let weak = works(calls::capability_copy(event, SELF, 0, RIGHT_COPY, 0), "copy with fewer rights")?;
    let stronger = calls::capability_copy(weak, SELF, 0, RIGHT_ALL, 0);
    refused(stronger, Status::NoRight, "a copy got more rights")?;
    let mute = works(calls::capability_copy(event, SELF, 0, 1, 0), "copy without COPY")?;
    refused(calls::capability_copy(mute, SELF, 0, 1, 0), Status::NoRight, "a copy without COPY was copied")?;
    works(calls::capability_destroy(event), "destroy the event").map(|_| ())
}

fn copy_slots() -> Verdict {
    let event = works(calls::event_create(Selector(SELECTOR_VCPU_BASE), 202), "event_create")?;
    let copy = works(calls::capability_copy(event, SELF, 240, RIGHT_ALL, 0), "copy into slot 240")?;
    equal(copy.0, 240, "slot")?;
    refused(calls::capability_copy(event, SELF, 240, RIGHT_ALL, 0), Status::Busy, "a taken slot was overwritten")?;
    let outside = calls::capability_copy(event, SELF, SELECTOR_COUNT, RIGHT_ALL, 0);
    refused(outside, Status::BadArgument, "a slot outside the table")?;
    let receiver = calls::capability_copy(event, Selector(251), 0, RIGHT_ALL, 0);
    refused(receiver, Status::BadSelector, "a receiver that is nothing")?;
    works(calls::capability_destroy(event), "destroy the event")?;
    refused(calls::event_signal(Selector(240)), Status::BadSelector, "a copy outlived its object")
}

fn badge_once() -> Verdict {
    let portal = works(calls::portal_create(SELF, 0), "portal_create")?;
    let badged = works(calls::capability_copy(portal, SELF, 0, RIGHT_ALL, 5), "give a badge")?;
    let (_, _, badge) = works(calls::capability_identify(badged), "identify")?;
    equal(badge, 5, "badge")?;
    let again = calls::capability_copy(badged, SELF, 0, RIGHT_ALL, 6);
    ensure(again.is_err(), "a badge was replaced", 0)?;
    let same = works(calls::capability_copy(badged, SELF, 0, RIGHT_ALL, 0), "copy a badged capability")?;
    let (_, _, badge) = works(calls::capability_identify(same), "identify")?;
    equal(badge, 5, "badge of a copy")?;
    works(calls::capability_destroy(portal), "destroy the portal").map(|_| ())
}

fn revoke_derived() -> Verdict {
    let event = works(calls::event_create(Selector(SELECTOR_VCPU_BASE), 203), "event_create")?;
    let copy = works(calls::capability_copy(event, SELF, 0, RIGHT_ALL, 0), "copy")?;
    let grandchild = works(calls::capability_copy(copy, SELF, 0, RIGHT_ALL, 0), "copy a copy")?;
    equal(works(calls::capability_revoke(copy), "revoke below a copy")?, 1, "number revoked")?;
    refused(calls::event_signal(grandchild), Status::BadSelector, "a derived capability survived")?;
    works(calls::event_signal(copy), "the copy itself stays")?;
    works(calls::capability_revoke(event), "revoke below the original")?;
    refused(calls::event_signal(copy), Status::BadSelector, "a copy survived")?;
    works(calls::event_signal(event), "the original stays")?;
    works(calls::capability_destroy(event), "destroy")?;
    refused(calls::event_signal(event), Status::BadSelector, "the original survived")
}

/// What it takes to revoke copies of copies grows with their number and not faster.
fn revoke_long_chain() -> Verdict {
    const SHORT: u64 = 40;
    const LONG: u64 = 160;
    let chain = |length: u64, keeps_first: bool| {
        let first = works(calls::event_create(Selector(SELECTOR_VCPU_BASE), 205), "event_create")?;
        let mut last = first;
        for _ in 0..length {
            last = works(calls::capability_copy(last, SELF, 0, RIGHT_ALL, 0), "copy")?;
        }
        let start = time::tsc();
        let revoked = if keeps_first { calls::capability_revoke(first) } else { calls::capability_destroy(first) };
        let took = time::tsc() - start;
        equal(works(revoked, "revoke")?, length + u64::from(!keeps_first), "number revoked")?;
        let _ = calls::capability_destroy(first);
        Ok(took)
    };
    for keeps_first in [false, true] {
        // An interrupt may come in between.
        let least = |length| (0..3).try_fold(u64::MAX, |least, _| Ok(chain(length, keeps_first)?.min(least)));
        let (short, long) = (least(SHORT)?, least(LONG)?);
        ensure(
            long < short * 2 * (LONG / SHORT),
            "a chain four times as long took more than eight times",
            long / short,
        )?;
    }
    Ok(())
}

fn table_full() -> Verdict {
    let event = works(calls::event_create(Selector(SELECTOR_VCPU_BASE), 204), "event_create")?;
    let mut made = 0;
    let last = loop {
        match calls::capability_copy(event, SELF, 0, RIGHT_ALL, 0) {
            Ok(_) if made < 2 * SELECTOR_COUNT => made += 1,
            other => break other,
        }
    };
    let verdict = match last {
        Err(Status::NoSlot | Status::NoQuota) => Ok(()),
        other => refused(other, Status::NoSlot, "a full table took more"),
    };
    works(calls::capability_destroy(event), "destroy")?;
    verdict?;
    let again = works(calls::event_create(Selector(SELECTOR_VCPU_BASE), 204), "slots came back")?;
    works(calls::capability_destroy(again), "destroy again").map(|_| ())
}

fn console() -> Verdict {
    let write =
        |channel, gpa, length| hypercall::invoke(Hypercall::ConsoleWrite as u64, 0, [channel, gpa, length, 0, 0, 0]);
    let read =
        |channel, gpa, length| hypercall::invoke(Hypercall::ConsoleRead as u64, 0, [channel, gpa, length, 0, 0, 0]);
    check::status(write(7, 0x10_0000, 1), Status::BadArgument, "channel 7")?;
    check::status(write(0, 0x7000_0000, 1), Status::BadAddress, "unmapped memory")?;
    check::status(write(0, 0x10_0fff, 2), Status::BadAddress, "bytes across a page")?;
    check::status(write(0, u64::MAX, 1), Status::BadAddress, "the last address")?;
    ensure(write(0, 0x10_0000, u64::MAX).status != Status::Ok as u64, "endless length", 0)?;
    check::status(write(1, 0x10_0000, 0), Status::Ok, "nothing at all")?;
    check::status(read(7, 0x10_0000, 1), Status::BadArgument, "read channel 7")?;
    check::status(read(0, 0x7000_0000, 1), Status::BadAddress, "read into unmapped memory")
}

fn region() -> Verdict {
    let create = |pages, flags| calls::region_create(SELF, pages, flags);
    refused(create(0, 0), Status::BadArgument, "a region of no pages")?;
    refused(create(1, 1 << 40), Status::BadArgument, "unknown flags")?;
    refused(create(1 << 40, 0), Status::NoQuota, "more than the quota")?;
    refused(create(u64::MAX, 0), Status::NoQuota, "endless pages")?;
    let region = works(create(3, 0), "three pages")?;
    let (pages, hpa) = works(calls::region_info(region), "region_info")?;
    equal(pages, 3, "size")?;
    ensure(hpa != 0, "the owner may know where it is", hpa)?;
    let shy = works(calls::capability_copy(region, SELF, 0, RIGHT_COPY | 1, 0), "copy without DMA")?;
    equal(works(calls::region_info(shy), "region_info")?.1, 0, "HPA without the right")?;
    refused(
        calls::region_map(region, SELF, 1 << 30, 0, 1, 3),
        Status::NoRight,
        "map into a partition without CONTROL",
    )?;
    works(calls::capability_destroy(region), "destroy").map(|_| ())
}

fn event() -> Verdict {
    let create = |bit| calls::event_create(Selector(SELECTOR_VCPU_BASE), bit);
    refused(create(256), Status::BadArgument, "bit 256")?;
    refused(create(u64::MAX), Status::BadArgument, "bit -1")?;
    refused(calls::vcpu_signal(SELF, 1, 256), Status::BadArgument, "signal bit 256")
}

fn vcpu() -> Verdict {
    let running = calls::vcpu_start(Selector(SELECTOR_VCPU_BASE), 0x10_0000, 0, 0, 0);
    refused(running, Status::Busy, "a running vCPU was started")?;
    refused(calls::portal_reply(0, [0; 6]), Status::Stale, "a reply to nobody")
}

/// Root gives no partition so many regions that its own table is full.
fn allocations() -> Verdict {
    let Some(root) = connection::find(ROOT_SERVICE) else { return ensure(false, "there is no connection to root", 0) };
    let allocate = |number: u64| {
        let gpa = (3 << 30) + number * PAGE_SIZE;
        calls::portal_call(Selector(root.portal_selector), [ROOT_REGION_ALLOCATE, 1, gpa, 0, 0, 0])
    };
    for number in 0..ROOT_ALLOCATIONS_MAX {
        check::status(allocate(number), Status::Ok, "one of the regions that root gives")?;
    }
    check::status(allocate(ROOT_ALLOCATIONS_MAX), Status::NoSlot, "one more")
}

/// The suite's own priority is 3; a partition has no memory for an event page yet.
fn priority() -> Verdict {
    let (child, _) = works(calls::partition_create(SELF, [0; 16], 8, 0), "partition_create")?;
    let create = |priority| calls::vcpu_create(child, 0, 0, priority, 0x1000);
    refused(create(8), Status::BadArgument, "priority 8")?;
    refused(create(4), Status::NoRight, "a priority above the suite's own")?;
    refused(create(3), Status::BadAddress, "no event page")?;
    works(calls::partition_destroy(child), "partition_destroy")
}
