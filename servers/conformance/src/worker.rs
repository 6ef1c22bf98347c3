// SPDX-License-Identifier: MIT OR Apache-2.0
//! The worker: goes on with its work beside a fuzzing partition, and checks every answer.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod worker {
    use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

    use sawmill_abi::event::{EVENT_PORTAL, EVENT_TIMER};
    use sawmill_abi::fault::ExitKind;
    use sawmill_abi::info::PartitionInfo;
    use sawmill_abi::object::{Kind, RIGHT_COPY, SELECTOR_VCPU_BASE};
    use sawmill_abi::status::{REPLY_NONE, Status};
    use sawmill_conformance::check::{self, Verdict, ensure, equal, refused, works};
    use sawmill_conformance::{command, connection};
    use sawmill_rt::calls::{self, SELF, Selector};
    use sawmill_rt::event::Events;
    use sawmill_rt::{println, time, vcpu};

    sawmill_rt::entry!(start);

    /// Pause between two rounds.
    const PAUSE_NS: u64 = 2_000_000;
    /// Selectors of the vCPUs' own.
    const PLACE: u64 = 240;
    /// Words that nobody else may change.
    const KEPT: usize = 2048;
    /// Failed checks of which the text is printed.
    const PRINTED: u64 = 10;

    /// Event bit that it signals to itself.
    const BIT: u64 = 200;

    static ROUNDS: AtomicU64 = AtomicU64::new(0);
    static FAILURES: AtomicU64 = AtomicU64::new(0);
    static IS_STOPPED: AtomicBool = AtomicBool::new(false);
    static MEMORY: [AtomicU64; KEPT] = [const { AtomicU64::new(0) }; KEPT];

    fn start(_info: u64) -> ! {
        for (index, word) in (0..).zip(&MEMORY) {
            word.store(pattern(index), SeqCst);
        }
        let count = connection::info().map_or(1, |info| info.vcpu_count);
        for index in 1..count {
            if let Err(status) = vcpu::start(index, work, index) {
                println!("FAILED worker: vCPU {index} cannot be started: {status:?}");
            }
        }
        work(0)
    }

    fn pattern(index: u64) -> u64 {
        index.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5157
    }

    extern "C" fn work(index: u64) -> ! {
        let events = Events::of_vcpu(index);
        let (Some(info), Some(echo)) = (connection::info(), connection::find("echo")) else {
            println!("FAILED worker: no information page, or no connection");
            calls::partition_exit(ExitKind::Panic, 1);
        };
        let echo = Selector(echo.portal_selector);
        loop {
            if index == 0 && events.take_bit(EVENT_PORTAL) {
                answer();
            }
            if IS_STOPPED.load(SeqCst) {
                pause(events, &info, 1_000 * PAUSE_NS);
                continue;
            }
            let round = ROUNDS.fetch_add(1, SeqCst);
            if let Err(why) = check_all(echo, index, round)
                && FAILURES.fetch_add(1, SeqCst) < PRINTED
            {
                println!("FAILED worker: round {round}: {} (saw {:#x})", why.text, why.seen);
            }
            pause(events, &info, PAUSE_NS);
        }
    }

    /// One round: a call, memory, events, capabilities.
    fn check_all(echo: Selector, index: u64, round: u64) -> Verdict {
        let words = [command::ECHO, round, !round, index, round << 32, 7];
        let outcome = calls::portal_call(echo, words);
        check::status(outcome, Status::Ok, "call")?;
        ensure(outcome.words == words, "words of an echo", outcome.words[1])?;
        let place = round % KEPT as u64;
        let kept = usize::try_from(place).ok().and_then(|place| MEMORY.get(place));
        equal(kept.map_or(0, |word| word.load(SeqCst)), pattern(place), "memory")?;
        let event = works(calls::event_create(Selector(SELECTOR_VCPU_BASE + index), BIT), "event_create")?;
        works(calls::event_signal(event), "event_signal")?;
        // A place of this vCPU's own: the other ones of this partition take whatever is free.
        let copy = works(calls::capability_copy(event, SELF, PLACE + index, RIGHT_COPY, 0), "capability_copy")?;
        let (kind, rights, _) = works(calls::capability_identify(copy), "identify")?;
        equal(kind, Kind::Event as u64, "kind")?;
        equal(rights, RIGHT_COPY, "rights")?;
        refused(calls::event_signal(copy), Status::NoRight, "a signal without the right")?;
        equal(works(calls::capability_destroy(event), "destroy")?, 2, "number removed")?;
        refused(calls::event_signal(copy), Status::BadSelector, "a destroyed event")?;
        ensure(Events::of_vcpu(index).take_bit(BIT), "the bit is not set", BIT)
    }

    fn pause(events: Events, info: &PartitionInfo, ns: u64) {
        let end = time::tsc() + time::ticks(ns, info.tsc_khz);
        // A call ends the pause, too: its bit stays for the loop.
        let _ = calls::timer_set(end);
        let _ = calls::vcpu_wait();
        events.take_bit(EVENT_TIMER);
    }

    fn answer() {
        // Bits that come meanwhile interrupt the wait; the call stays queued, and its bit is set again.
        loop {
            match calls::portal_reply_wait(REPLY_NONE, [0; 6]) {
                Ok(message) => {
                    if message.words[0] == command::STOP {
                        IS_STOPPED.store(true, SeqCst);
                    }
                    let words = [ROUNDS.load(SeqCst), FAILURES.load(SeqCst), 0, 0, 0, 0];
                    // The caller may be gone.
                    let _ = calls::portal_reply(Status::Ok as u64, words);
                    return;
                }
                Err(Status::Interrupted) => {
                    Events::of_vcpu(0).take();
                }
                Err(_) => return,
            }
        }
    }
}

sawmill_rt::partition_only!();
