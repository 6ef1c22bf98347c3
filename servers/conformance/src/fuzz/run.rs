// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sets up, fuzzes on all CPUs, takes everything down, and compares with what was before.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use fastrand::Rng;
use sawmill_abi::fault::ExitKind;
use sawmill_abi::object::{SELECTOR_COUNT, VCPUS_MAX};
use sawmill_abi::statistics::PartitionStatistics;
use sawmill_abi::status::{REPLY_NONE, Status};
use sawmill_conformance::check::{self, Verdict, Why, ensure, equal, works};
use sawmill_conformance::{account, command, connection};
use sawmill_proto::root::{ROOT_NUMBER_OPTION, ROOT_REPORT_READY, ROOT_SERVICE};
use sawmill_proto::system::SELECTOR_OWN_CONTROL;
use sawmill_rt::calls::{self, Selector};
use sawmill_rt::event::Events;
use sawmill_rt::memory::Place;
use sawmill_rt::{println, time, vcpu};

use super::driver::{Driver, Worked};
use super::puppet::{PAGES, Puppet};
use super::{code, coverage, exhaust};

sawmill_rt::entry!(start);

/// Calls that are made, unless the boot option `calls=` gives another number.
const CALLS: u64 = 1_000_000;
/// Seed of all decisions, unless the boot option `seed=` gives another one.
const SEED: u64 = 20_261_123;
/// Puppets of one CPU.
const PUPPETS: usize = 4;
/// Calls between two looks at the worker.
const LOOK: u64 = 100_000;
/// The partition's own capability with all rights.
pub const OWN: Selector = Selector(SELECTOR_OWN_CONTROL);

static TARGET: AtomicU64 = AtomicU64::new(0);
static SEED_NOW: AtomicU64 = AtomicU64::new(0);
static WARDEN: AtomicU64 = AtomicU64::new(0);
/// Drivers that still make calls.
static RUNNING: AtomicU64 = AtomicU64::new(0);
/// Drivers that have not yet taken their puppets down.
static LEFT: AtomicU64 = AtomicU64::new(0);
static BUILT: AtomicU64 = AtomicU64::new(0);

/// What every selector names: kind and rights; zeros for nothing.
type Table = [(u64, u64); SELECTOR_COUNT as usize];

fn start(_info: u64) -> ! {
    let events = Events::of_vcpu(0);
    if let Err(Why { text, seen }) = fuzz(events) {
        println!("FAILED fuzz: {text} (saw {seen:#x})");
    }
    let Some(root) = connection::find(ROOT_SERVICE) else { calls::partition_exit(ExitKind::Panic, 1) };
    // The suite starts now.
    calls::portal_call(Selector(root.portal_selector), [ROOT_REPORT_READY, 0, 0, 0, 0, 0]);
    loop {
        match calls::portal_reply_wait(REPLY_NONE, [0; 6]) {
            // Nobody has anything to ask.
            Ok(_) => drop(calls::portal_reply(Status::Unsupported as u64, [0; 6])),
            Err(_) => drop(events.take()),
        }
    }
}

/// A number that stands on the hypervisor's command line.
fn option(name: [u8; 8], default: u64) -> u64 {
    let Some(root) = connection::find(ROOT_SERVICE) else { return default };
    let words = [ROOT_NUMBER_OPTION, u64::from_le_bytes(name), 0, 0, 0, 0];
    let outcome = calls::portal_call(Selector(root.portal_selector), words);
    if outcome.status == Status::Ok as u64 { outcome.words[0] } else { default }
}

fn fuzz(events: Events) -> Verdict {
    let info = connection::info().ok_or(Why { text: "no information page", seen: 0 })?;
    let worker = connection::find("work").ok_or(Why { text: "no worker", seen: 0 })?;
    let worker = Selector(worker.portal_selector);
    let (seed, calls) = (option(*b"seed\0\0\0\0", SEED), option(*b"calls\0\0\0", CALLS));
    println!("fuzzing: seed {seed}, {calls} calls, {} CPU(s)", info.vcpu_count);
    let (before, table) = (account::of(OWN)?, table());
    let begun = time::tsc();
    {
        let (mut place, _) = places(VCPUS_MAX);
        let mut warden = works(Puppet::new(&mut place[0], usize::MAX, 0, code::warden()), "memory of the warden")?;
        works(warden.build(&mut Rng::with_seed(seed), None), "the warden")?;
        SEED_NOW.store(seed, SeqCst);
        TARGET.store(calls, SeqCst);
        WARDEN.store(warden.portal.0, SeqCst);
        RUNNING.store(info.vcpu_count, SeqCst);
        LEFT.store(info.vcpu_count - 1, SeqCst);
        for index in 1..info.vcpu_count {
            works(vcpu::start(index, second, index), "start a vCPU")?;
        }
        drive(0, events, |done, last| look(worker, done, last))?;
        let end = time::tsc() + time::ticks(10_000_000_000, info.tsc_khz);
        while LEFT.load(SeqCst) != 0 {
            ensure(time::tsc() < end, "a vCPU does not come to its end", LEFT.load(SeqCst))?;
            core::hint::spin_loop();
        }
        warden.take_down();
    }
    let milliseconds = (time::tsc() - begun) / info.tsc_khz.max(1);
    let (made, built) = (coverage::total(), BUILT.load(SeqCst));
    println!("fuzzed: seed {seed}, {made} calls by {built} partitions in {milliseconds} ms");
    let missing = coverage::report();
    ensure(made >= calls, "fewer calls than asked for", made)?;
    let words = calls::portal_call(worker, [command::STOP, 0, 0, 0, 0, 0]).words;
    println!("worker: {} rounds, {} failures", words[0], words[1]);
    equal(words[1], 0, "the worker was disturbed")?;
    release(&table, &before)?;
    exhaust::exhaust()?;
    equal(missing, 0, "rows that were not reached")
}

fn look(worker: Selector, done: u64, last: &mut u64) -> Verdict {
    let outcome = calls::portal_call(worker, [command::PROGRESS, 0, 0, 0, 0, 0]);
    check::status(outcome, Status::Ok, "the worker does not answer")?;
    let [rounds, failures, ..] = outcome.words;
    println!("{done} calls; the worker is in round {rounds}, {failures} failures");
    ensure(rounds > *last, "the worker does not get on", rounds)?;
    *last = rounds;
    Ok(())
}

extern "C" fn second(index: u64) -> ! {
    if let Err(Why { text, seen }) = drive(index, Events::of_vcpu(index), |_, _| Ok(())) {
        println!("FAILED fuzz: vCPU {index}: {text} (saw {seen:#x})");
    }
    LEFT.fetch_sub(1, SeqCst);
    loop {
        let _ = calls::vcpu_wait();
    }
}

#[expect(unsafe_code, reason = "the address ranges of the puppets' windows are named here, once for each CPU")]
fn places(index: u64) -> ([Place; PUPPETS], u64) {
    let stride = PAGES * sawmill_abi::PAGE_SIZE;
    let base = (1 << 30) + index * PUPPETS as u64 * stride;
    let place = |number: u64| {
        // SAFETY: (1) the image ends below 1 GiB, the ranges do not overlap, and each index is asked for once.
        unsafe { Place::new(OWN, base + number * stride, PAGES) }
    };
    ([place(0), place(1), place(2), place(3)], base)
}

/// Fuzzes with the puppets of one CPU.
fn drive(index: u64, events: Events, mut at_times: impl FnMut(u64, &mut u64) -> Verdict) -> Verdict {
    let (seed, target) = (SEED_NOW.load(SeqCst), TARGET.load(SeqCst));
    let cpus = connection::info().map_or(1, |info| info.vcpu_count);
    let mut driver = Driver {
        rng: Rng::with_seed(seed.wrapping_add(index)),
        events,
        cpus,
        warden: Selector(WARDEN.load(SeqCst)),
        built: 0,
    };
    let (places, _) = &mut places(index);
    let mut number = index as usize * PUPPETS;
    let mut made = places.each_mut().map(|place| {
        number += 1;
        Puppet::new(place, number - 1, index % cpus, code::puppet()).map(Worked::new)
    });
    let (mut next, mut rounds) = (LOOK, 0);
    let mut verdict = Ok(());
    'work: loop {
        for worked in &mut made {
            match worked {
                Ok(worked) => driver.step(worked),
                Err(status) => {
                    verdict = Err(Why { text: "memory of a puppet", seen: *status as u64 });
                    break 'work;
                }
            }
        }
        let done = coverage::total();
        if done >= next {
            next += LOOK;
            verdict = at_times(done, &mut rounds);
        }
        if done >= target || verdict.is_err() {
            break;
        }
    }
    BUILT.fetch_add(driver.built, SeqCst);
    RUNNING.fetch_sub(1, SeqCst);
    // Puppets of this CPU may be at work for those of others: all go at the end.
    while RUNNING.load(SeqCst) != 0 {
        core::hint::spin_loop();
    }
    for worked in made.iter_mut().flatten() {
        worked.puppet.take_down();
    }
    verdict
}

fn table() -> Table {
    let mut table = [(0, 0); SELECTOR_COUNT as usize];
    for (selector, place) in (0..).zip(&mut table) {
        *place = calls::capability_identify(Selector(selector)).map_or((0, 0), |(kind, rights, _)| (kind, rights));
    }
    table
}

/// Destroys what was made, and checks that everything is as it was.
fn release(before: &Table, was: &PartitionStatistics) -> Verdict {
    // Nothing that the puppets did to the machine stays.
    let _ = calls::trace_control(0);
    for (selector, place) in (0..).zip(before) {
        if *place == (0, 0) {
            let _ = calls::capability_destroy(Selector(selector));
        }
    }
    let now = account::of(OWN)?;
    equal(now.kernel_frames, was.kernel_frames, "kernel frames after everything was released")?;
    equal(now.region_pages, was.region_pages, "region pages after everything was released")?;
    equal(now.vcpu_count, was.vcpu_count, "vCPUs")?;
    for ((selector, was), now) in (0..).zip(before).zip(table()) {
        ensure(*was == now, "a selector names something else than before", selector)?;
    }
    println!(
        "released: {} kernel frames and {} region pages are charged, as before",
        now.kernel_frames, now.region_pages
    );
    Ok(())
}
