// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs all tests of the suite and hands the result to the runner.

use sawmill_abi::fault::ExitKind;
use sawmill_abi::info::{Connection, PartitionInfo};
use sawmill_abi::status::Status;
use sawmill_conformance::check::{Tally, Verdict, Why};
use sawmill_conformance::{command, connection};
use sawmill_rt::calls::{self, Selector};
use sawmill_rt::event::Events;
use sawmill_rt::println;

sawmill_rt::entry!(start);

/// What tests need.
pub struct Context {
    /// The information page.
    pub info: PartitionInfo,
    /// The way to the assistant.
    pub assistant: Connection,
    /// Events of vCPU 0.
    pub events: Events,
}

impl Context {
    /// Portal of the assistant.
    pub fn portal(&self) -> Selector {
        Selector(self.assistant.portal_selector)
    }

    /// Ticks in so many microseconds.
    pub fn microseconds(&self, count: u64) -> u64 {
        sawmill_rt::time::ticks(count * 1000, self.info.tsc_khz)
    }

    /// Waits until the assistant, which root starts again, answers.
    ///
    /// # Errors
    /// It does not come back within two seconds.
    pub fn revive(&self) -> Verdict {
        let end = sawmill_rt::time::tsc() + self.microseconds(2_000_000);
        let mut last = 0;
        while sawmill_rt::time::tsc() < end {
            let outcome = calls::portal_call(self.portal(), [command::ECHO, 1, 2, 3, 4, 5]);
            if outcome.status == Status::Ok as u64 && outcome.words == [command::ECHO, 1, 2, 3, 4, 5] {
                return Ok(());
            }
            last = outcome.status;
            self.sleep(1000);
        }
        Err(Why { text: "the assistant does not come back", seen: last })
    }

    /// Waits by the timer.
    pub fn sleep(&self, microseconds: u64) {
        let end = sawmill_rt::time::tsc() + self.microseconds(microseconds);
        while sawmill_rt::time::tsc() < end {
            // The tests of the timer tell if these fail.
            let _ = calls::timer_set(end);
            let _ = calls::vcpu_wait();
            self.events.take();
        }
        let _ = calls::timer_set(0);
    }
}

/// A named test.
pub type Test = (&'static str, fn(&Context) -> Verdict);

fn start(_info: u64) -> ! {
    let (info, assistant, results) = (connection::info(), connection::find("assistant"), connection::find("results"));
    let (Some(info), Some(assistant), Some(results)) = (info, assistant, results) else {
        println!("FAILED suite: the information page does not describe the connections");
        calls::partition_exit(ExitKind::Panic, 1);
    };
    let context = Context { info, assistant, events: Events::of_vcpu(0) };
    let mut tally = Tally::default();
    tally.note("assistant-answers", context.revive());
    super::arguments::run(&context, &mut tally);
    for tests in [super::calling::TESTS, super::events::TESTS, super::cost::TESTS, super::smp::TESTS] {
        for (name, test) in tests {
            tally.note(name, test(&context));
        }
    }
    let words = [command::RESULTS, tally.passed, tally.failed, 0, 0, 0];
    let outcome = calls::portal_call(Selector(results.portal_selector), words);
    if outcome.status != Status::Ok as u64 {
        println!("FAILED suite: the runner does not take the results (status {})", outcome.status);
    }
    calls::partition_exit(ExitKind::PowerOff, tally.failed)
}
