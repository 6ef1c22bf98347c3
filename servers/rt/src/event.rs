// SPDX-License-Identifier: MIT OR Apache-2.0
//! The event page of a vCPU, looked at without interrupts.

use core::sync::atomic::{AtomicU64, Ordering};

use sawmill_abi::event::{EVENT_PAGE_LOOKING, EVENT_PAGE_UPCALL_PENDING, EVENT_WORDS};
use sawmill_abi::info::EVENT_PAGE_GPA;
use sawmill_abi::{PAGE_SIZE, object};

/// The event page of one vCPU of this partition.
#[derive(Clone, Copy)]
pub struct Events {
    page: u64,
}

impl Events {
    /// Takes the event page of vCPU `index` into use: bits are set, nothing is injected.
    pub fn of_vcpu(index: u64) -> Events {
        let index = index.min(object::VCPUS_MAX - 1);
        let events = Events { page: EVENT_PAGE_GPA + index * PAGE_SIZE };
        events.word(EVENT_PAGE_LOOKING).store(1, Ordering::SeqCst);
        events
    }

    /// Asks for injections (or not): what `looking` says.
    pub fn set_looking(&self, looking: u64) {
        self.word(EVENT_PAGE_LOOKING).store(looking, Ordering::SeqCst);
    }

    /// Returns whether the hypervisor has announced bits since they were last taken.
    pub fn is_announced(&self) -> bool {
        self.word(EVENT_PAGE_UPCALL_PENDING).load(Ordering::SeqCst) != 0
    }

    /// Takes all pending bits.
    pub fn take(&self) -> [u64; EVENT_WORDS] {
        self.word(EVENT_PAGE_UPCALL_PENDING).store(0, Ordering::SeqCst);
        let mut bits = [0; EVENT_WORDS];
        for (index, bits) in bits.iter_mut().enumerate() {
            *bits = self.word(index as u64 * 8).swap(0, Ordering::SeqCst);
        }
        bits
    }

    /// Takes one bit; returns whether it was pending. Other bits stay.
    pub fn take_bit(&self, bit: u64) -> bool {
        let mask = 1 << (bit % 64);
        self.word(EVENT_PAGE_UPCALL_PENDING).store(0, Ordering::SeqCst);
        self.word(bit / 64 * 8).fetch_and(!mask, Ordering::SeqCst) & mask != 0
    }

    fn word(&self, offset: u64) -> &'static AtomicU64 {
        // SAFETY: the fixed page of shared memory below 1 MiB, mapped as long as the partition lives, aligned, and
        // accessed atomically by everybody.
        unsafe { &*((self.page + offset) as *const AtomicU64) }
    }
}
