// SPDX-License-Identifier: MIT OR Apache-2.0
//! Small partitions that make the hypercalls they are told to make, with power over each other.
//!
//! Memory of a puppet belongs to the fuzzer and stays mapped in it, whatever becomes of the puppet's partition.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use fastrand::Rng;
use sawmill_abi::PAGE_SIZE;
use sawmill_abi::object::{
    RIGHT_ALL, RIGHT_REGION_EXECUTE, RIGHT_REGION_READ, RIGHT_REGION_WRITE, SELECTOR_MACHINE, SELECTOR_VCPU_BASE,
};
use sawmill_abi::status::Status;
use sawmill_conformance::tables;
use sawmill_proto::system::SELECTOR_OWN_CONTROL;
use sawmill_rt::calls::{self, MACHINE, SELF, Selector};
use sawmill_rt::memory::{Place, Window};

/// Puppets of all CPUs together, at most.
pub const PUPPETS_MAX: usize = 16;
/// Pages of a puppet's memory.
pub const PAGES: u64 = 32;
/// Entries of a batch.
pub const BATCH: usize = 64;
/// Where the event page of vCPU 0 is.
pub const EVENT_PAGE: u64 = 0x1_0000;
/// Where the program begins.
pub const CODE: u64 = 0x4000;
/// Root of the page tables.
pub const TABLES: u64 = 0x1000;
/// Tells a call of the fuzzer from one of another puppet.
pub const ALL_OF_IT: u64 = 0x5055_5050;

const ENTRIES: u64 = 0x8000;
const RESULTS: u64 = 0x9000;
const COUNTS: u64 = 0xa000;
const ENTRY_BYTES: u64 = 64;
/// What a puppet may cost. The puppets' own children are paid out of it.
const QUOTA_FRAMES: u64 = 180;
const QUOTA_PAGES: u64 = 256;
/// Longest time of a batch, and of a call from puppet to puppet.
const BATCH_BUDGET_NS: u64 = 3_000_000;
const PEER_BUDGET_NS: u64 = 300_000;
const PRIORITY: u64 = 2;
const NULL: Selector = Selector(0);

/// What a hypercall is made with: number, RBX, w0 to w5.
pub type Entry = [u64; 8];

/// What the puppets give each other: partition, vCPU, portal, memory.
static SHARED: [[AtomicU64; 4]; PUPPETS_MAX] = [const { [const { AtomicU64::new(0) }; 4] }; PUPPETS_MAX];

/// A partition under the fuzzer's eyes.
pub struct Puppet<'a> {
    /// Its capability.
    pub partition: Selector,
    /// The way to it.
    pub portal: Selector,
    index: usize,
    cpu: u64,
    program: &'static [u8],
    memory: Selector,
    window: Window<'a>,
}

impl<'a> Puppet<'a> {
    /// Makes memory for a puppet; [`Self::build`] makes the rest.
    ///
    /// # Errors
    /// What `region_create` and `region_map` say.
    pub fn new(place: &'a mut Place, index: usize, cpu: u64, program: &'static [u8]) -> Result<Self, Status> {
        let memory = calls::region_create(SELF, PAGES, 0)?;
        let window = place.map(memory, 0, PAGES, RIGHT_REGION_READ | RIGHT_REGION_WRITE)?;
        Ok(Self { partition: NULL, portal: NULL, index, cpu, program, memory, window })
    }

    /// Makes the partition anew, and lets it wait for calls.
    ///
    /// # Errors
    /// The status of the step that failed; a puppet may spoil it at any moment.
    pub fn build(&mut self, rng: &mut Rng, warden: Option<Selector>) -> Result<(), Status> {
        self.take_down();
        let name = *b"puppet\0\0\0\0\0\0\0\0\0\0";
        let (partition, _) = calls::partition_create(SELF, name, QUOTA_FRAMES, QUOTA_PAGES)?;
        self.partition = partition;
        self.fill(rng);
        let rights = RIGHT_REGION_READ | RIGHT_REGION_WRITE | RIGHT_REGION_EXECUTE;
        calls::region_map(self.memory, partition, 0, 0, PAGES, rights)?;
        let vcpu = calls::vcpu_create(partition, 0, self.cpu, PRIORITY, EVENT_PAGE)?;
        self.portal = calls::portal_create(partition, if warden.is_some() { BATCH_BUDGET_NS } else { 0 })?;
        if let Some(warden) = warden {
            calls::partition_set_handler(partition, warden)?;
            self.equip(rng, warden, vcpu)?;
        }
        calls::vcpu_start(vcpu, CODE, 0, TABLES, 0)
    }

    /// Gives it the machine, itself, and what the other puppets left for it.
    fn equip(&mut self, rng: &mut Rng, warden: Selector, vcpu: Selector) -> Result<(), Status> {
        let peer = calls::portal_create(self.partition, PEER_BUDGET_NS)?;
        let give = |from, slot, rights| calls::capability_copy(from, self.partition, slot, rights, 0).map(|_| ());
        give(MACHINE, SELECTOR_MACHINE, RIGHT_ALL)?;
        give(self.partition, SELECTOR_OWN_CONTROL, RIGHT_ALL)?;
        give(vcpu, SELECTOR_VCPU_BASE, RIGHT_ALL)?;
        give(warden, 0, RIGHT_ALL)?;
        let own = [self.partition, vcpu, peer, self.memory];
        if let Some(shared) = SHARED.get(self.index) {
            for (place, selector) in shared.iter().zip(&own) {
                place.store(selector.0, SeqCst);
            }
        }
        for shared in &SHARED {
            for place in shared {
                let selector = Selector(place.load(SeqCst));
                let rights = if rng.u8(..4) == 0 { rng.u64(..=RIGHT_ALL) } else { RIGHT_ALL };
                if selector != NULL && rng.bool() {
                    // It may be gone, or be another puppet's by now: any will do.
                    let _ = give(selector, 0, rights);
                }
            }
        }
        Ok(())
    }

    /// Destroys the partition and takes its memory out of all others.
    pub fn take_down(&mut self) {
        let shared = SHARED.get(self.index).into_iter().flatten().map(|place| Selector(place.swap(0, SeqCst)));
        let others = shared.filter(|selector| *selector != self.memory && *selector != self.partition);
        for selector in others.chain([self.portal, self.partition]).filter(|selector| *selector != NULL) {
            // A puppet may have been quicker.
            let _ = calls::capability_destroy(selector);
        }
        (self.portal, self.partition) = (NULL, NULL);
        let _ = calls::capability_revoke(self.memory);
    }

    /// Writes page tables, program, and random bytes to play with.
    fn fill(&mut self, rng: &mut Rng) {
        tables::map_first_gib(&mut self.window, TABLES, tables::KERNEL);
        let _ = self.window.write(CODE, self.program);
        for offset in (0..PAGE_SIZE).step_by(8) {
            self.put(EVENT_PAGE + offset, 0);
        }
        for _ in 0..64 {
            self.put(0x1_8000 + rng.u64(..0x1000) * 8, rng.u64(..));
        }
    }

    fn put(&mut self, at: u64, word: u64) {
        // All addresses here lie in the window.
        let _ = self.window.write_record(at, &word);
    }

    fn get(&self, at: u64) -> u64 {
        self.window.read_record(at).unwrap_or(0)
    }

    /// Writes what is to be done.
    pub fn prepare(&mut self, batch: &[Entry]) {
        for (number, entry) in (0..).zip(batch.iter().take(BATCH)) {
            // As in `put`: it lies in the window.
            let _ = self.window.write_record(ENTRIES + number * ENTRY_BYTES, entry);
            self.put(COUNTS + number * ENTRY_BYTES, 0);
        }
    }

    /// How often an entry was done.
    pub fn count(&self, number: usize) -> u64 {
        self.get(COUNTS + number as u64 * ENTRY_BYTES)
    }

    /// Status and value of an entry; none if a puppet wrote over them.
    pub fn result(&self, number: usize, call: u64) -> Option<(u64, u64)> {
        let at = RESULTS + number as u64 * ENTRY_BYTES;
        let status = self.get(at);
        (self.get(at + 56) == status ^ call).then(|| (status, self.get(at + 8)))
    }

    /// W0 and w2 of the result of an entry.
    pub fn result_words(&self, number: usize) -> (u64, u64) {
        let at = RESULTS + number as u64 * ENTRY_BYTES;
        (self.get(at + 16), self.get(at + 32))
    }
}
