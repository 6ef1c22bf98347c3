// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an empty call costs: exits by the counters, instructions by the time stamp counter (exact in Bochs).

use sawmill_abi::object::SELECTOR_SELF;
use sawmill_abi::statistics::ExitClass;
use sawmill_abi::status::Status;
use sawmill_conformance::check::{self, Verdict, Why, ensure, equal};
use sawmill_conformance::{account, command};
use sawmill_rt::calls::{self, Selector};
use sawmill_rt::{bare, println};

use super::run::{Context, Test};

/// The tests.
pub const TESTS: &[Test] = &[("cost-of-empty-call", cost)];

/// Calls of one batch, and batches: the timer breaks into some.
const ROUNDS: u64 = 100;
const BATCHES: u64 = 20;

/// Exits for calls of vCPU 0, for replies of the assistant, and calls that it took: root calls it, too, now and then.
fn exits(context: &Context) -> Result<[u64; 3], Why> {
    let page = account::of(Selector(SELECTOR_SELF))?;
    let own = page.vcpus[0].exits[ExitClass::PortalCall as usize];
    let words = [command::EXITS, ExitClass::PortalReply as u64, 0, 0, 0, 0];
    let outcome = calls::portal_call(context.portal(), words);
    check::status(outcome, Status::Ok, "exits of the assistant")?;
    Ok([own, outcome.words[0], outcome.words[1]])
}

/// Ticks of a batch of calls to an assistant that does nothing but reply.
fn batch(context: &Context) -> Result<u64, Why> {
    // This call is the one that the assistant's bare loop begins by answering.
    let begun = calls::portal_call(context.portal(), [command::BARE, ROUNDS, 0, 0, 0, 0]);
    check::status(begun, Status::Ok, "begin of the bare loop")?;
    let (ticks, statuses) = bare::call(context.portal(), command::ECHO, ROUNDS);
    equal(statuses, Status::Ok as u64, "statuses of empty calls")?;
    Ok(ticks)
}

fn cost(context: &Context) -> Verdict {
    let before = exits(context)?;
    let mut least = u64::MAX;
    for _ in 0..BATCHES {
        least = least.min(batch(context)?);
    }
    let after = exits(context)?;
    let rounds = BATCHES * (ROUNDS + 1);
    // One call and one reply in each pair of counts belong to the asking itself.
    let [called, replied, served] = core::array::from_fn(|index| after[index] - before[index] - 1);
    let each = (called + replied) / rounds;
    let root_mode = (least / ROUNDS).saturating_sub(bare::GUEST_INSTRUCTIONS);
    println!(
        "empty call: {root_mode} instructions in root mode, {each} exits ({} with the guests' own)",
        least / ROUNDS
    );
    equal(called, rounds, "exits for calls")?;
    ensure(served >= rounds, "calls taken", served)?;
    equal(replied, served, "exits for replies")
}
