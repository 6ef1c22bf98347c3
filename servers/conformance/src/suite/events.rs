// SPDX-License-Identifier: MIT OR Apache-2.0
//! Events, their suppression, waiting, and the timer.

use sawmill_abi::event::EVENT_TIMER;
use sawmill_abi::object::SELECTOR_VCPU_BASE;
use sawmill_abi::status::{REPLY_NONE, Status};
use sawmill_conformance::check::{self, Verdict, ensure, equal, refused, works};
use sawmill_rt::calls::{self, SELF, Selector};
use sawmill_rt::time;

use super::run::{Context, Test};

/// The tests.
pub const TESTS: &[Test] = &[
    ("event-signal", signal),
    ("event-upcall-flag", upcall_flag),
    ("event-vcpu-signal", vcpu_signal),
    ("event-wait-returns-at-once", wait_returns),
    ("event-interrupts-reply-wait", interrupts_wait),
    ("event-signalled-by-reply-wait", signalled_by_wait),
    ("timer-fires", timer_fires),
    ("timer-past-deadline", timer_past),
    ("timer-off", timer_off),
];

fn is_set(bits: [u64; 4], bit: u64) -> bool {
    usize::try_from(bit / 64).ok().and_then(|word| bits.get(word)).is_some_and(|word| word >> (bit % 64) & 1 == 1)
}

fn signal(context: &Context) -> Verdict {
    for bit in [8, 63, 64, 127, 255] {
        let event = works(calls::event_create(Selector(SELECTOR_VCPU_BASE), bit), "event_create")?;
        context.events.take();
        works(calls::event_signal(event), "event_signal")?;
        ensure(is_set(context.events.take(), bit), "the bit is not set", bit)?;
        works(calls::capability_destroy(event), "destroy")?;
        refused(calls::event_signal(event), Status::BadSelector, "a destroyed event was signalled")?;
    }
    Ok(())
}

/// The flag tells of new bits, injected or not.
fn upcall_flag(context: &Context) -> Verdict {
    for looking in [1, 0] {
        context.events.set_looking(looking);
        context.events.take();
        works(calls::vcpu_signal(SELF, 1, 100), "vcpu_signal")?;
        let is_announced = context.events.is_announced();
        let bits = context.events.take();
        context.events.set_looking(1);
        ensure(is_announced, "upcall_pending is not set", looking)?;
        ensure(is_set(bits, 100), "the bit is not set", looking)?;
    }
    Ok(())
}

fn vcpu_signal(context: &Context) -> Verdict {
    context.events.take();
    works(calls::vcpu_signal(SELF, 0, 101), "nobody is a valid mask")?;
    ensure(!is_set(context.events.take(), 101), "an empty mask signalled", 101)?;
    works(calls::vcpu_signal(SELF, 1, 101), "vcpu_signal")?;
    ensure(is_set(context.events.take(), 101), "the bit is not set", 101)
}

fn wait_returns(context: &Context) -> Verdict {
    context.events.take();
    works(calls::vcpu_signal(SELF, 1, 102), "vcpu_signal")?;
    works(calls::vcpu_wait(), "vcpu_wait")?;
    ensure(is_set(context.events.take(), 102), "the bit is gone", 102)
}

fn interrupts_wait(context: &Context) -> Verdict {
    context.events.take();
    works(calls::vcpu_signal(SELF, 1, 103), "vcpu_signal")?;
    let outcome = calls::portal_reply_wait(REPLY_NONE, [0; 6]);
    context.events.take();
    refused(outcome, Status::Interrupted, "an event does not interrupt the wait for calls")
}

/// The wait signals first, and what cannot be signalled, or is no Irq, is passed over.
fn signalled_by_wait(context: &Context) -> Verdict {
    let event = works(calls::event_create(Selector(SELECTOR_VCPU_BASE), 104), "event_create")?;
    for (irq, signalled, is_expected) in [(0, event.0, true), (event.0, event.0, true), (event.0, u64::MAX, false)] {
        context.events.take();
        if !is_expected {
            // Something has to end the wait.
            works(calls::vcpu_signal(SELF, 1, 103), "vcpu_signal")?;
        }
        let outcome = calls::portal_reply_wait(REPLY_NONE, [irq, signalled, 0, 0, 0, 0]);
        refused(outcome, Status::Interrupted, "the event does not interrupt the wait")?;
        equal(u64::from(is_set(context.events.take(), 104)), u64::from(is_expected), "the event's bit")?;
    }
    works(calls::capability_destroy(event), "destroy").map(|_| ())
}

fn timer_fires(context: &Context) -> Verdict {
    for microseconds in [50, 1000, 20_000] {
        context.events.take();
        let deadline = time::tsc() + context.microseconds(microseconds);
        works(calls::timer_set(deadline), "timer_set")?;
        let mut bits = [0; 4];
        while !is_set(bits, EVENT_TIMER) {
            works(calls::vcpu_wait(), "vcpu_wait")?;
            bits = context.events.take();
        }
        let now = time::tsc();
        ensure(now >= deadline, "it fired too early", deadline - now.min(deadline))?;
        ensure(now < deadline + context.microseconds(5000), "it fired too late", now - deadline)?;
    }
    Ok(())
}

fn timer_past(context: &Context) -> Verdict {
    context.events.take();
    works(calls::timer_set(1), "timer_set")?;
    works(calls::vcpu_wait(), "vcpu_wait")?;
    ensure(is_set(context.events.take(), EVENT_TIMER), "a deadline in the past does not fire", 1)
}

fn timer_off(context: &Context) -> Verdict {
    works(calls::timer_set(time::tsc() + context.microseconds(500)), "timer_set")?;
    works(calls::timer_set(0), "timer off")?;
    context.events.take();
    let end = time::tsc() + context.microseconds(2000);
    while time::tsc() < end {
        core::hint::spin_loop();
    }
    equal(u64::from(is_set(context.events.take(), EVENT_TIMER)), 0, "a timer that is off fired")?;
    check::ensure(true, "", 0)
}
