// SPDX-License-Identifier: MIT OR Apache-2.0
//! Waits for the suite, runs the runner's own tests, prints the sum.

use sawmill_abi::fault::ExitKind;
use sawmill_abi::info::PartitionInfo;
use sawmill_abi::status::{REPLY_NONE, Status};
use sawmill_conformance::check::{Tally, Verdict};
use sawmill_conformance::{command, connection};
use sawmill_proto::system::SELECTOR_OWN_CONTROL;
use sawmill_rt::calls::{self, SELF, Selector};
use sawmill_rt::event::Events;
use sawmill_rt::memory::Place;
use sawmill_rt::{println, time};

sawmill_rt::entry!(start);

/// What tests need.
pub struct Context {
    /// The information page.
    pub info: PartitionInfo,
    /// Portal that gets the children's fault messages and calls.
    pub portal: Selector,
    /// Events of vCPU 0.
    pub events: Events,
    /// Address space for looking at children.
    pub place: Place,
    /// Address space for tests of mappings.
    pub second_place: Place,
    badge: u64,
}

impl Context {
    /// Ticks in so many microseconds.
    pub fn microseconds(&self, count: u64) -> u64 {
        time::ticks(count * 1000, self.info.tsc_khz)
    }

    /// Returns a badge that was not used before.
    pub fn next_badge(&mut self) -> u64 {
        self.badge += 1;
        self.badge
    }
}

/// A named test.
pub type Test = (&'static str, fn(&mut Context) -> Verdict);

/// The partition's own capability with all rights.
pub const OWN: Selector = Selector(SELECTOR_OWN_CONTROL);

#[expect(unsafe_code, reason = "the two address ranges of the runner's windows are named here, once")]
fn places() -> (Place, Place) {
    // SAFETY: (1) the image ends below 1 GiB, the ranges do not overlap, and this function is called once.
    let first = unsafe { Place::new(OWN, 1 << 30, 1 << 16) };
    // SAFETY: (1) as above.
    let second = unsafe { Place::new(OWN, 2 << 30, 1 << 16) };
    (first, second)
}

fn start(_info: u64) -> ! {
    let events = Events::of_vcpu(0);
    let (Some(info), Ok(portal)) = (connection::info(), calls::portal_create(SELF, 0)) else {
        println!("FAILED runner: no information page, or no portal");
        calls::partition_exit(ExitKind::Panic, 1);
    };
    let suite = wait_for_suite(events);
    let (place, second_place) = places();
    let mut context = Context { info, portal, events, place, second_place, badge: 1000 };
    let mut tally = Tally::default();
    let (regions, vcpus, sharing) = (super::regions::TESTS, super::vcpus::TESTS, super::sharing::TESTS);
    for tests in [regions, vcpus, sharing, super::faults::TESTS, super::quotas::TESTS] {
        for (name, test) in tests {
            let verdict = test(&mut context);
            tally.note(name, verdict);
        }
    }
    let (passed, failed) = (tally.passed + suite.passed, tally.failed + suite.failed);
    println!("{passed} passed, {failed} failed");
    calls::partition_exit(ExitKind::PowerOff, u64::from(failed != 0))
}

fn wait_for_suite(events: Events) -> Tally {
    loop {
        match calls::portal_reply_wait(REPLY_NONE, [0; 6]) {
            Ok(message) if message.words[0] == command::RESULTS => {
                let [_, passed, failed, ..] = message.words;
                // If the suite is gone already, its numbers are here all the same.
                let _ = calls::portal_reply(Status::Ok as u64, [0; 6]);
                return Tally { passed, failed };
            }
            Ok(message) => {
                println!("FAILED runner: unexpected call {:#x}", message.words[0]);
                let _ = calls::portal_reply(Status::Unsupported as u64, [0; 6]);
            }
            Err(Status::Interrupted) => {
                events.take();
            }
            Err(other) => {
                println!("FAILED runner: waiting for the suite: {other:?}");
                calls::partition_exit(ExitKind::Panic, 1);
            }
        }
    }
}
