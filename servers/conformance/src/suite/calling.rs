// SPDX-License-Identifier: MIT OR Apache-2.0
//! Portal calls: round trip, badge, PENDING, budget, death of the server, queueing.

use sawmill_abi::status::Status;
use sawmill_conformance::check::{self, Verdict, ensure, equal};
use sawmill_conformance::command;
use sawmill_rt::calls;

use super::run::{Context, Test};

/// The tests.
pub const TESTS: &[Test] = &[
    ("call-echo-many", echo_many),
    ("call-badge", badge),
    ("call-status-of-server", server_status),
    ("call-pending", pending),
    ("call-reply-twice-is-stale", reply_twice),
    ("call-timeout", timeout),
    ("call-queued", queued),
    ("call-server-exits", server_exits),
    ("call-server-faults", server_faults),
    ("call-server-hangs", server_hangs),
    ("call-after-restart", |context| context.revive()),
];

fn echo_many(context: &Context) -> Verdict {
    for round in 0..1000 {
        let words = [command::ECHO, round, round << 32, !round, round * 3, 7];
        let outcome = calls::portal_call(context.portal(), words);
        check::status(outcome, Status::Ok, "echo")?;
        ensure(outcome.words == words, "words", round)?;
    }
    Ok(())
}

fn badge(context: &Context) -> Verdict {
    let outcome = calls::portal_call(context.portal(), [command::ASK, 0, 0, 0, 0, 0]);
    check::status(outcome, Status::Ok, "ask")?;
    equal(outcome.words[0], 77, "badge")?;
    equal(outcome.words[1], 0, "vCPU that served")
}

fn server_status(context: &Context) -> Verdict {
    for wanted in [Status::Ok, Status::Pending, Status::BadArgument, Status::NoQuota, Status::Unsupported] {
        let outcome = calls::portal_call(context.portal(), [command::STATUS, wanted as u64, 3, 4, 5, 6]);
        check::status(outcome, wanted, "status chosen by the server")?;
        equal(outcome.words[5], 6, "words beside a status")?;
    }
    Ok(())
}

fn pending(context: &Context) -> Verdict {
    let bit = context.assistant.event_bit;
    context.events.take();
    let outcome = calls::portal_call(context.portal(), [command::PENDING, 42, 0, 0, 0, 0]);
    check::status(outcome, Status::Pending, "pending")?;
    equal(outcome.words[1], 42, "token")?;
    for _ in 0..1000 {
        if context.events.take_bit(bit) {
            return Ok(());
        }
        context.sleep_keeping(100);
    }
    ensure(false, "the event never came", bit)
}

fn stale_replies(context: &Context) -> u64 {
    calls::portal_call(context.portal(), [command::ASK, 0, 0, 0, 0, 0]).words[2]
}

fn reply_twice(context: &Context) -> Verdict {
    let before = stale_replies(context);
    check::status(calls::portal_call(context.portal(), [command::TWICE, 0, 0, 0, 0, 0]), Status::Ok, "first reply")?;
    context.revive()?;
    equal(stale_replies(context) - before, 1, "stale replies")
}

fn timeout(context: &Context) -> Verdict {
    let before = stale_replies(context);
    let (start, long) = (sawmill_rt::time::tsc(), context.microseconds(40_000));
    let outcome = calls::portal_call(context.portal(), [command::STALL, long, 0, 0, 0, 0]);
    let took = sawmill_rt::time::tsc() - start;
    check::status(outcome, Status::Timeout, "a server that stalls")?;
    ensure(took >= context.microseconds(19_000), "it ended before the budget", took)?;
    ensure(took < context.microseconds(39_000), "it ended long after the budget", took)?;
    context.sleep(60_000);
    context.revive()?;
    equal(stale_replies(context) - before, 1, "the late reply is stale")
}

fn queued(context: &Context) -> Verdict {
    let long = context.microseconds(30_000);
    let outcome = calls::portal_call(context.portal(), [command::STALL, long, 0, 0, 0, 0]);
    check::status(outcome, Status::Timeout, "a server that stalls")?;
    let outcome = calls::portal_call(context.portal(), [command::ECHO, 9, 8, 7, 6, 5]);
    check::status(outcome, Status::Ok, "a call while the server is busy")?;
    ensure(outcome.words == [command::ECHO, 9, 8, 7, 6, 5], "its words", outcome.words[1])
}

fn server_exits(context: &Context) -> Verdict {
    let outcome = calls::portal_call(context.portal(), [command::EXIT, 0, 0, 0, 0, 0]);
    check::status(outcome, Status::PeerDead, "a server that ends itself")?;
    context.revive()
}

fn server_faults(context: &Context) -> Verdict {
    let outcome = calls::portal_call(context.portal(), [command::FAULT, 0, 0, 0, 0, 0]);
    check::status(outcome, Status::PeerDead, "a server that faults")?;
    context.revive()
}

/// Root notices that the server does not answer it either, and starts it again.
fn server_hangs(context: &Context) -> Verdict {
    let outcome = calls::portal_call(context.portal(), [command::STALL, u64::MAX >> 1, 0, 0, 0, 0]);
    check::status(outcome, Status::Timeout, "a server that hangs")?;
    context.revive()
}

impl Context {
    /// Lets others run for a while without taking event bits.
    fn sleep_keeping(&self, microseconds: u64) {
        let end = sawmill_rt::time::tsc() + self.microseconds(microseconds);
        while sawmill_rt::time::tsc() < end {
            core::hint::spin_loop();
        }
    }
}
