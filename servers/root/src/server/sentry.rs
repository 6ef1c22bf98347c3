// SPDX-License-Identifier: MIT OR Apache-2.0
//! Root's vCPUs on the other CPUs: they call servers there, since a call goes to the server's vCPU on the caller's CPU.
//!
//! A sentry and root's first vCPU share one word for each partition: root asks,
//! the sentry calls and notes the answer, root reads it at its next look.
//!
//! For the same reason, calls of root from those CPUs arrive at a sentry: it hands them to the first vCPU, and waits.

use core::sync::atomic::{AtomicU64, Ordering};

use sawmill_abi::PAGE_SIZE;
use sawmill_abi::event::EVENT_FIRST_FREE;
use sawmill_abi::fault::FAULT_PARK;
use sawmill_abi::info::EVENT_PAGE_GPA;
use sawmill_abi::object::{RIGHT_ALL, SELECTOR_VCPU_BASE, VCPUS_MAX};
use sawmill_abi::status::{REPLY_NONE, Status};
use sawmill_proto::system::PARTITIONS_MAX;
use sawmill_root::failure::Failure;
use sawmill_root::hang::Look;
use sawmill_rt::calls::{self, Message, SELF, Selector};
use sawmill_rt::event::Events;
use sawmill_rt::vcpu;

use super::hang;
use super::state::Root;

/// Root's own, so that a sentry gets its turn.
const PRIORITY: u64 = 7;
/// Event by which root wakes a sentry.
const ASKED: u64 = EVENT_FIRST_FREE;
/// Event by which a sentry tells root of a call, and root the sentry of its answer.
const HANDED_OVER: u64 = EVENT_FIRST_FREE + 1;

/// Nothing was asked. Other words are the selector of the portal to be called, or one of the next two.
const IDLE: u64 = 0;
const ANSWERED: u64 = u64::MAX;
const SILENT: u64 = u64::MAX - 1;

type Words = [AtomicU64; PARTITIONS_MAX];

/// By CPU, which is also the number of the sentry's vCPU.
static WORDS: [Words; VCPUS_MAX as usize] =
    [const { [const { AtomicU64::new(IDLE) }; PARTITIONS_MAX] }; VCPUS_MAX as usize];

/// A call that a sentry has taken, then its answer: badge or status, and words.
struct Call {
    turn: AtomicU64,
    first: AtomicU64,
    words: [AtomicU64; 6],
}

/// Whose turn it is with a call.
const NOBODYS: u64 = 0;
const ROOTS: u64 = 1;
const SENTRYS: u64 = 2;

/// By CPU.
static CALLS: [Call; VCPUS_MAX as usize] = [const {
    Call { turn: AtomicU64::new(NOBODYS), first: AtomicU64::new(0), words: [const { AtomicU64::new(0) }; 6] }
}; VCPUS_MAX as usize];

impl Call {
    fn write(&self, first: u64, words: [u64; 6], turn: u64) {
        self.first.store(first, Ordering::SeqCst);
        for (to, from) in self.words.iter().zip(words) {
            to.store(from, Ordering::SeqCst);
        }
        self.turn.store(turn, Ordering::SeqCst);
    }

    fn read(&self) -> (u64, [u64; 6]) {
        let mut words = [0; 6];
        for (to, from) in words.iter_mut().zip(&self.words) {
            *to = from.load(Ordering::SeqCst);
        }
        (self.first.load(Ordering::SeqCst), words)
    }
}

/// Answers the calls that sentries have taken.
pub fn answer_calls(mut answer: impl FnMut(Message) -> (u64, [u64; 6])) {
    for (cpu, call) in CALLS.iter().enumerate() {
        if call.turn.load(Ordering::SeqCst) != ROOTS {
            continue;
        }
        let (badge, words) = call.read();
        let (status, words) = answer(Message { badge, words });
        call.write(status, words, SENTRYS);
        // It exists as long as root does.
        let _ = calls::vcpu_signal(SELF, 1 << cpu, HANDED_OVER);
    }
}

/// Hands a call to root's first vCPU; status and words of its answer.
fn hand_over(cpu: u64, events: Events, message: Message) -> (u64, [u64; 6]) {
    let Some(call) = usize::try_from(cpu).ok().and_then(|cpu| CALLS.get(cpu)) else { return (REPLY_NONE, [0; 6]) };
    call.write(message.badge, message.words, ROOTS);
    let _ = calls::vcpu_signal(SELF, 1, HANDED_OVER);
    while call.turn.load(Ordering::SeqCst) != SENTRYS {
        let _ = calls::vcpu_wait();
        events.take();
    }
    call.turn.store(NOBODYS, Ordering::SeqCst);
    call.read()
}

fn word(cpu: u64, partition: usize) -> Option<&'static AtomicU64> {
    WORDS.get(usize::try_from(cpu).ok()?)?.get(partition)
}

/// Makes and starts the sentries, if there is somebody to watch.
///
/// # Errors
/// A text for people.
pub fn begin(root: &Root) -> Result<(), Failure> {
    if root.system.partitions.iter().all(|it| it.hang_after_ns == 0) {
        return Ok(());
    }
    for cpu in 1..root.info.cpu_count.min(VCPUS_MAX) {
        calls::vcpu_create(SELF, cpu, cpu, PRIORITY, EVENT_PAGE_GPA + cpu * PAGE_SIZE)
            .and_then(|sentry| calls::capability_copy(sentry, SELF, SELECTOR_VCPU_BASE + cpu, RIGHT_ALL, 0))
            .and_then(|_| vcpu::start(cpu, keep, cpu))
            .map_err(|status| sawmill_root::failure!("root's vCPU on CPU {cpu}: {status:?}"))?;
    }
    Ok(())
}

/// Returns what came of the last question, if one is answered, and asks the next; none while the sentry is at it.
pub fn look(cpu: u64, partition: usize, portal: Selector) -> Option<Look> {
    let word = word(cpu, partition)?;
    let seen = word.load(Ordering::SeqCst);
    if !matches!(seen, IDLE | ANSWERED | SILENT) {
        return None;
    }
    word.store(portal.0, Ordering::SeqCst);
    // It exists as long as root does.
    let _ = calls::vcpu_signal(SELF, 1 << cpu, ASKED);
    match seen {
        ANSWERED => Some(Look::Answered),
        SILENT => Some(Look::Silent),
        _ => None,
    }
}

/// Forgets what was asked about a partition that is gone.
pub fn forget(partition: usize) {
    WORDS.iter().filter_map(|words| words.get(partition)).for_each(|word| word.store(IDLE, Ordering::SeqCst));
}

extern "C" fn keep(cpu: u64) -> ! {
    let events = Events::of_vcpu(cpu);
    loop {
        events.take();
        for word in (0..PARTITIONS_MAX).filter_map(|partition| word(cpu, partition)) {
            let portal = word.load(Ordering::SeqCst);
            if !matches!(portal, IDLE | ANSWERED | SILENT) {
                let answer = if hang::ping(Selector(portal)) == Look::Silent { SILENT } else { ANSWERED };
                // Root may have forgotten the question meanwhile.
                let _ = word.compare_exchange(portal, answer, Ordering::SeqCst, Ordering::SeqCst);
            }
        }
        if let Ok(message) = calls::portal_reply_wait(REPLY_NONE, [0; 6]) {
            let (status, words) = match hand_over(cpu, events, message) {
                // A fault, which root's first vCPU cannot answer in this one's place; the vCPU may be gone already.
                (REPLY_NONE, _) => (Status::Ok as u64, [FAULT_PARK, 0, 0, 0, 0, 0]),
                answer => answer,
            };
            // What it was asked meanwhile is done before the next wait.
            let _ = calls::portal_reply(status, words);
        }
    }
}
