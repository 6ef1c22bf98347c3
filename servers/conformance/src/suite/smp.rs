// SPDX-License-Identifier: MIT OR Apache-2.0
//! Several CPUs at once. On a machine with one CPU these tests have nothing to do.

use core::sync::atomic::{AtomicU64, Ordering};

use sawmill_abi::status::Status;
use sawmill_conformance::check::{self, Verdict, ensure, equal, works};
use sawmill_conformance::{command, connection};
use sawmill_proto::root::{ROOT_LOOKUP_NAME, ROOT_SERVICE};
use sawmill_rt::calls::{self, SELF, Selector};
use sawmill_rt::event::Events;
use sawmill_rt::vcpu;

use super::run::{Context, Test};

/// The tests.
pub const TESTS: &[Test] = &[
    ("smp-calls-on-two-cpus", calls_on_two),
    ("smp-signal-other-cpu", signal_other),
    ("smp-root-answers-other-cpu", root_answers),
    ("smp-server-hangs-on-other-cpu", server_hangs),
];

/// Calls that each CPU makes.
const ROUNDS: u64 = 2000;
/// Event bits between the two vCPUs.
const PING: u64 = 110;
const PONG: u64 = 111;
/// Tells vCPU 1 to ask root.
const ASK_ROOT: u64 = 113;
/// Tells vCPU 1 to let the server hang there.
const HANG: u64 = 112;

static GOOD: AtomicU64 = AtomicU64::new(0);
static BAD: AtomicU64 = AtomicU64::new(0);
static WRONG_VCPU: AtomicU64 = AtomicU64::new(0);
static IS_DONE: AtomicU64 = AtomicU64::new(0);
/// What root told vCPU 1.
static ANSWERS: [AtomicU64; 3] = [const { AtomicU64::new(u64::MAX) }; 3];
/// Status of the call that let the server hang, plus 1.
static HUNG: AtomicU64 = AtomicU64::new(0);
static IS_REVIVED: AtomicU64 = AtomicU64::new(0);

fn is_alone(context: &Context) -> bool {
    context.info.vcpu_count < 2
}

extern "C" fn second(portal: u64) -> ! {
    let events = Events::of_vcpu(1);
    for round in 0..ROUNDS {
        let words = [command::ECHO, round, 2, 3, 4, 5];
        let outcome = calls::portal_call(Selector(portal), words);
        let is_good = outcome.status == Status::Ok as u64 && outcome.words == words;
        if is_good { &GOOD } else { &BAD }.fetch_add(1, Ordering::SeqCst);
    }
    let outcome = calls::portal_call(Selector(portal), [command::ASK, 0, 0, 0, 0, 0]);
    WRONG_VCPU.store(u64::from(outcome.words[1] != 1), Ordering::SeqCst);
    IS_DONE.store(1, Ordering::SeqCst);
    loop {
        // Errors show as a ping without a pong.
        let _ = calls::vcpu_wait();
        if events.take_bit(PING) {
            let _ = calls::vcpu_signal(SELF, 1, PONG);
        }
        if events.take_bit(ASK_ROOT) {
            let answers = ask_root();
            for (place, answer) in ANSWERS.iter().zip(answers) {
                place.store(answer, Ordering::SeqCst);
            }
            let _ = calls::vcpu_signal(SELF, 1, PONG);
        }
        if events.take_bit(HANG) {
            let outcome = calls::portal_call(Selector(portal), [command::STALL, u64::MAX >> 1, 0, 0, 0, 0]);
            HUNG.store(outcome.status + 1, Ordering::SeqCst);
            let words = [command::ECHO, 1, 2, 3, 4, 5];
            while calls::portal_call(Selector(portal), words).status != Status::Ok as u64 {
                core::hint::spin_loop();
            }
            IS_REVIVED.store(1, Ordering::SeqCst);
        }
    }
}

fn calls_on_two(context: &Context) -> Verdict {
    if is_alone(context) {
        return Ok(());
    }
    works(vcpu::start(1, second, context.assistant.portal_selector), "start vCPU 1")?;
    for round in 0..ROUNDS {
        let words = [command::ECHO, round, 5, 4, 3, 2];
        let outcome = calls::portal_call(context.portal(), words);
        check::status(outcome, Status::Ok, "call on CPU 0")?;
        ensure(outcome.words == words, "words on CPU 0", round)?;
    }
    let end = sawmill_rt::time::tsc() + context.microseconds(2_000_000);
    while IS_DONE.load(Ordering::SeqCst) == 0 && sawmill_rt::time::tsc() < end {
        core::hint::spin_loop();
    }
    equal(IS_DONE.load(Ordering::SeqCst), 1, "vCPU 1 did not finish")?;
    equal(BAD.load(Ordering::SeqCst), 0, "calls on CPU 1 went wrong")?;
    equal(GOOD.load(Ordering::SeqCst), ROUNDS, "calls on CPU 1")?;
    equal(WRONG_VCPU.load(Ordering::SeqCst), 0, "a call on CPU 1 was served elsewhere")
}

fn signal_other(context: &Context) -> Verdict {
    if is_alone(context) {
        return Ok(());
    }
    for round in 0..100 {
        context.events.take();
        works(calls::vcpu_signal(SELF, 2, PING), "signal vCPU 1")?;
        let end = sawmill_rt::time::tsc() + context.microseconds(1_000_000);
        while !context.events.take_bit(PONG) {
            ensure(sawmill_rt::time::tsc() < end, "no answer", round)?;
            core::hint::spin_loop();
        }
    }
    Ok(())
}

/// Looks a name up that is there, and one that is not: two statuses, and the place of the first.
fn ask_root() -> [u64; 3] {
    let Some(root) = connection::find(ROOT_SERVICE) else { return [u64::MAX; 3] };
    let look_up = |name: [u8; 16]| {
        let [low, high] =
            [0, 8].map(|at| name[at..].iter().take(8).rev().fold(0, |word, byte| word << 8 | u64::from(*byte)));
        calls::portal_call(Selector(root.portal_selector), [ROOT_LOOKUP_NAME, low, high, 0, 0, 0])
    };
    let (there, missing) = (look_up(*b"assistant\0\0\0\0\0\0\0"), look_up(*b"nobody\0\0\0\0\0\0\0\0\0\0"));
    [there.status, there.words[0], missing.status]
}

/// A call to root from CPU 1, where another of its vCPUs takes it, has the answer that CPU 0 gets.
fn root_answers(context: &Context) -> Verdict {
    if is_alone(context) {
        return Ok(());
    }
    let expected = ask_root();
    equal(expected[0], Status::Ok as u64, "root does not know the assistant")?;
    ensure(expected[2] != Status::Ok as u64, "root knows what is not there", expected[2])?;
    for round in 0..20 {
        ANSWERS.iter().for_each(|answer| answer.store(u64::MAX, Ordering::SeqCst));
        context.events.take();
        works(calls::vcpu_signal(SELF, 2, ASK_ROOT), "signal vCPU 1")?;
        let end = sawmill_rt::time::tsc() + context.microseconds(2_000_000);
        while !context.events.take_bit(PONG) {
            ensure(sawmill_rt::time::tsc() < end, "root does not answer on CPU 1", round)?;
            core::hint::spin_loop();
        }
        for (answer, expected) in ANSWERS.iter().zip(expected) {
            equal(answer.load(Ordering::SeqCst), expected, "root's answer on CPU 1")?;
        }
    }
    Ok(())
}

/// Root notices that the server does not answer on one of its CPUs, although it does on the other.
fn server_hangs(context: &Context) -> Verdict {
    if is_alone(context) {
        return Ok(());
    }
    works(calls::vcpu_signal(SELF, 2, HANG), "signal vCPU 1")?;
    let end = sawmill_rt::time::tsc() + context.microseconds(5_000_000);
    while IS_REVIVED.load(Ordering::SeqCst) == 0 && sawmill_rt::time::tsc() < end {
        context.sleep(10_000);
    }
    equal(HUNG.load(Ordering::SeqCst), Status::Timeout as u64 + 1, "a server that hangs")?;
    equal(IS_REVIVED.load(Ordering::SeqCst), 1, "the server does not come back on that CPU")?;
    context.revive()
}
