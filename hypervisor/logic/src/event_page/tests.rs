// SPDX-License-Identifier: MIT OR Apache-2.0
//! Orders of the steps of senders and of a vCPU, by loom: no event is lost.

use super::{pending, post, wants_upcall};
use crate::platform::{Hpa, PhysicalMemory};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering, fence};
use loom::thread;
use sawmill_abi::event::{EVENT_PAGE_LOOKING, EVENT_PAGE_UPCALL_PENDING};

const PAGE: Hpa = Hpa(0);

/// An event page: the words that the protocol uses, with the ordering of x86: a locked instruction is a full barrier.
struct Page([AtomicU64; 6]);

impl Page {
    fn new(looking: u64) -> Page {
        Page([0, 0, 0, 0, 0, looking].map(AtomicU64::new))
    }

    fn word(&self, at: Hpa) -> &AtomicU64 {
        &self.0[(at.0 / 8) as usize]
    }
}

impl PhysicalMemory for Page {
    fn read_u64(&self, at: Hpa) -> u64 {
        self.word(at).load(Ordering::Acquire)
    }
    fn write_u64(&self, at: Hpa, value: u64) {
        self.word(at).store(value, Ordering::Release);
    }
    fn fetch_or_u64(&self, at: Hpa, bits: u64) -> u64 {
        let old = self.word(at).fetch_or(bits, Ordering::AcqRel);
        fence(Ordering::SeqCst);
        old
    }
    fn swap_u64(&self, at: Hpa, value: u64) -> u64 {
        let old = self.word(at).swap(value, Ordering::AcqRel);
        fence(Ordering::SeqCst);
        old
    }
    fn zero_page(&self, _: Hpa) {}
    fn copy_in(&self, _: Hpa, _: &mut [u8]) {}
    fn copy_out(&self, _: Hpa, _: &[u8]) {}
}

/// What the handler of the upcall does: the flag goes down before bits are taken.
fn take(page: &Page) -> u64 {
    let mut taken = 0;
    loop {
        page.swap_u64(Hpa(EVENT_PAGE_UPCALL_PENDING), 0);
        if page.read_u64(PAGE) != 0 {
            taken |= page.swap_u64(PAGE, 0);
        }
        if page.read_u64(Hpa(EVENT_PAGE_UPCALL_PENDING)) == 0 {
            return taken;
        }
    }
}

/// Runs a vCPU against two senders, each of a bit of its own; what was not taken must still bring an upcall.
fn no_event_is_lost(looking: u64, vcpu: fn(&Page) -> u64) {
    let mut model = loom::model::Builder::new();
    // More changes between threads at will than a defect of two words needs; without a bound it takes a minute.
    model.preemption_bound = Some(3);
    model.check(move || {
        let page = Arc::new(Page::new(looking));
        let senders = [1, 2].map(|bit| {
            let page = page.clone();
            thread::spawn(move || post(&*page, PAGE, bit))
        });
        let taken = vcpu(&page);
        let needs_upcall = senders.map(|sender| sender.join().unwrap()).contains(&true);
        let [left, ..] = pending(&*page, PAGE);
        assert_eq!(taken | left, 0b110, "an event has vanished");
        assert!(left == 0 || needs_upcall && wants_upcall(&*page, PAGE), "nobody tells of {left:#b}");
    });
}

#[test]
fn handler_and_senders() {
    no_event_is_lost(0, take);
}

#[test]
fn looking_ends_while_events_come() {
    no_event_is_lost(1, |page| {
        page.write_u64(Hpa(EVENT_PAGE_LOOKING), 0);
        fence(Ordering::SeqCst);
        if page.read_u64(Hpa(EVENT_PAGE_UPCALL_PENDING)) != 0 { take(page) } else { 0 }
    });
}
