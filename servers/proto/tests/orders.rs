// SPDX-License-Identifier: MIT OR Apache-2.0
//! Orders of the steps of both ends of a file connection, by loom: the completion ring, recalls of leases, and the
//! counters that vouch for what is cached.
//!
//! Both ends are C (`linux-glue/file`); each model names the function that it follows, step by step. Where a barrier
//! or an order matters, the model without it has to fail.

use loom::sync::atomic::{AtomicU32, Ordering, fence};
use loom::sync::{Arc, Mutex};
use loom::thread;

/// Whether the model has the barrier, or the order, of the code.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Code {
    AsItIs,
    Without,
}

/// `smp_mb`, or nothing.
fn barrier(code: Code) {
    if code == Code::AsItIs {
        fence(Ordering::SeqCst);
    }
}

/// What the completion ring of a header needs: fewer places, as there are fewer requests.
struct Ring {
    head: AtomicU32,
    wants_event: AtomicU32,
    /// Slot and error.
    entries: [[AtomicU32; 2]; 2],
    /// `ring_lock` and `ring_head` of the server.
    next: Mutex<u32>,
}

/// `write_completion` of `server/service.c`; returns whether the client is signalled.
fn write_completion(ring: &Ring, slot: u32, code: Code) -> bool {
    let mut next = ring.next.lock().unwrap();
    let [at, error] = &ring.entries[*next as usize % ring.entries.len()];
    at.store(slot, Ordering::Relaxed);
    error.store(100 + slot, Ordering::Relaxed);
    *next += 1;
    ring.head.store(*next, Ordering::Release);
    drop(next);
    barrier(code);
    ring.wants_event.load(Ordering::Relaxed) != 0
}

/// `take_completions` of `client/slots.c`.
fn take_completions(ring: &Ring, taken: &mut u32, answers: &mut [u32; 2]) {
    let head = ring.head.load(Ordering::Acquire);
    while *taken != head {
        let [slot, error] = &ring.entries[*taken as usize % ring.entries.len()];
        answers[slot.load(Ordering::Relaxed) as usize] = error.load(Ordering::Relaxed);
        *taken += 1;
    }
}

/// `wait_for_answer` of slot 0 against two threads of the server.
fn completion_ring(code: Code) {
    loom::model(move || {
        let ring = Arc::new(Ring {
            head: AtomicU32::new(0),
            wants_event: AtomicU32::new(0),
            entries: [0, 0].map(|_| [0, 0].map(AtomicU32::new)),
            next: Mutex::new(0),
        });
        let servers = [0, 1].map(|slot| {
            let ring = ring.clone();
            thread::spawn(move || write_completion(&ring, slot, code))
        });
        let (mut taken, mut answers) = (0, [0; 2]);
        take_completions(&ring, &mut taken, &mut answers);
        if answers[0] == 0 {
            ring.wants_event.store(1, Ordering::Relaxed);
            barrier(code);
            take_completions(&ring, &mut taken, &mut answers);
        }
        let sleeps = answers[0] == 0;
        let [is_signalled, _] = servers.map(|server| server.join().unwrap());
        assert!(!sleeps || is_signalled, "the client sleeps, and nobody wakes it");
        take_completions(&ring, &mut taken, &mut answers);
        assert_eq!(answers, [100, 101]);
    });
}

#[test]
fn no_answer_is_slept_through() {
    completion_ring(Code::AsItIs);
}

#[test]
#[should_panic = "nobody wakes it"]
fn barriers_of_the_completion_ring_are_needed() {
    completion_ring(Code::Without);
}

/// `announce` of `server/lease.c` against `look_at_header` of `client/lease.c`, which an earlier event has started.
fn recalls(code: Code) {
    loom::model(move || {
        let places = Arc::new([0, 0].map(AtomicU32::new));
        let count = Arc::new(AtomicU32::new(0));
        let server = {
            let (places, count) = (places.clone(), count.clone());
            thread::spawn(move || {
                for id in [7, 8] {
                    let is_free =
                        |place: &AtomicU32| place.compare_exchange(0, id, Ordering::SeqCst, Ordering::SeqCst).is_ok();
                    assert!(places.iter().any(is_free));
                    count.fetch_add(1, Ordering::SeqCst);
                }
            })
        };
        let take = || places.iter().map(|place| place.swap(0, Ordering::SeqCst)).sum::<u32>();
        // Without: what is there is taken before the count is read.
        let early = if code == Code::Without { take() } else { 0 };
        let seen = count.load(Ordering::Relaxed);
        barrier(code);
        let taken = early + if code == Code::AsItIs { take() } else { 0 };
        server.join().unwrap();
        // The event that follows each announcement: is there something new?
        let looks_again = seen != count.load(Ordering::Relaxed);
        let left = take();
        assert_eq!(taken + left, 7 + 8, "a recall has vanished");
        assert!(left == 0 || looks_again, "a recall lies there and nobody looks");
    });
}

#[test]
fn no_recall_is_overlooked() {
    recalls(Code::AsItIs);
}

#[test]
#[should_panic = "nobody looks"]
fn the_count_of_recalls_has_to_be_read_first() {
    recalls(Code::Without);
}

/// `lease_raise` of `server/lease.c` against `ask` and `sawmill_file_is_fresh` of `client/lease.c`.
fn counters(code: Code) {
    loom::model(move || {
        let (data, counter) = (Arc::new(AtomicU32::new(1)), Arc::new(AtomicU32::new(0)));
        let changer = {
            let (data, counter) = (data.clone(), counter.clone());
            thread::spawn(move || {
                data.store(2, Ordering::Relaxed);
                fence(Ordering::SeqCst);
                counter.fetch_add(1, Ordering::SeqCst);
            })
        };
        // Without: the counter is read after what it vouches for.
        let early = data.load(Ordering::Relaxed);
        let seen = counter.load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        let cached = if code == Code::AsItIs { data.load(Ordering::Relaxed) } else { early };
        // The change is answered.
        changer.join().unwrap();
        let is_fresh = counter.load(Ordering::Relaxed) == seen;
        assert!(!is_fresh || cached == 2, "what is stale counts as fresh");
    });
}

#[test]
fn what_is_stale_is_known_to_be() {
    counters(Code::AsItIs);
}

#[test]
#[should_panic = "stale counts as fresh"]
fn the_counter_has_to_be_read_first() {
    counters(Code::Without);
}
