// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an empty call costs: exits by the counters, instructions by the time stamp counter (exact in Bochs).

use sawmill_abi::object::SELECTOR_SELF;
use sawmill_abi::statistics::{ExitClass, PartitionStatistics, VcpuStatistics};
use sawmill_abi::status::Status;
use sawmill_conformance::check::{self, Verdict, Why, equal, works};
use sawmill_conformance::command;
use sawmill_rt::calls::{self, Selector};
use sawmill_rt::memory::Shared;
use sawmill_rt::{println, time};

use super::run::{Context, Test};

/// The tests.
pub const TESTS: &[Test] = &[("cost-of-empty-call", cost)];

/// Calls measured.
const ROUNDS: u64 = 1000;

static STATISTICS: Shared<PartitionStatistics> = Shared::new(PartitionStatistics {
    state: 0,
    region_pages: 0,
    kernel_frames: 0,
    region_quota_pages: 0,
    kernel_quota_frames: 0,
    vcpu_count: 0,
    vcpus: [const { VcpuStatistics { exits: [0; _], run_tsc: 0, calls: 0, served: 0, injections: 0 } }; _],
});

/// Exits for calls of vCPU 0, and for replies of the assistant.
fn exits(context: &Context) -> Result<(u64, u64), Why> {
    let page = works(calls::partition_statistics(Selector(SELECTOR_SELF), &STATISTICS), "partition_statistics")?;
    let own = page.vcpus[0].exits[ExitClass::PortalCall as usize];
    let words = [command::EXITS, ExitClass::PortalReply as u64, 0, 0, 0, 0];
    let outcome = calls::portal_call(context.portal(), words);
    check::status(outcome, Status::Ok, "exits of the assistant")?;
    Ok((own, outcome.words[0]))
}

fn cost(context: &Context) -> Verdict {
    let before = exits(context)?;
    let (mut least_there, mut least_back) = (u64::MAX, u64::MAX);
    for _ in 0..ROUNDS {
        let start = time::tsc();
        let outcome = calls::portal_call(context.portal(), [command::CLOCK, 0, 0, 0, 0, 0]);
        let end = time::tsc();
        check::status(outcome, Status::Ok, "empty call")?;
        let [_, seen, replied, ..] = outcome.words;
        least_there = least_there.min(seen - start);
        least_back = least_back.min(end - replied);
    }
    // Between the time stamps is the way through root mode, and a dozen instructions of stubs at both ends.
    let least = least_there + least_back;
    let after = exits(context)?;
    // One call and one reply in each pair of counts belong to the asking itself.
    let (called, replied) = (after.0 - before.0 - 1, after.1 - before.1 - 1);
    let each = (called + replied) / ROUNDS;
    println!("empty call: {least} instructions, {each} exits ({least_there} there, {least_back} back)");
    equal(called, ROUNDS, "exits for calls")?;
    equal(replied, ROUNDS, "exits for replies")
}
