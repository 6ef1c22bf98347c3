// SPDX-License-Identifier: MIT OR Apache-2.0
//! The hypervisor's half of the protocol of event pages (`sawmill_abi::event`).
//!
//! No lock: the vCPU's half may run at the same time on another CPU, and may
//! write anything. `tests.rs` tries the orders of the steps of both.

use crate::platform::{Hpa, PhysicalMemory};
use sawmill_abi::event::{EVENT_PAGE_LOOKING, EVENT_PAGE_UPCALL_PENDING, EVENT_WORDS};

/// Sets a bit; returns whether the vCPU has to be told by an upcall.
pub fn post(memory: &impl PhysicalMemory, page: Hpa, bit: u64) -> bool {
    memory.fetch_or_u64(Hpa(page.0 + bit / 64 % EVENT_WORDS as u64 * 8), 1 << (bit % 64));
    let was_pending = memory.swap_u64(Hpa(page.0 + EVENT_PAGE_UPCALL_PENDING), 1) != 0;
    !was_pending && memory.read_u64(Hpa(page.0 + EVENT_PAGE_LOOKING)) == 0
}

/// Whether an upcall that [`post`] asked for is still wanted.
pub fn wants_upcall(memory: &impl PhysicalMemory, page: Hpa) -> bool {
    memory.read_u64(Hpa(page.0 + EVENT_PAGE_UPCALL_PENDING)) != 0
        && memory.read_u64(Hpa(page.0 + EVENT_PAGE_LOOKING)) == 0
}

/// The bits that the vCPU has not taken yet.
pub fn pending(memory: &impl PhysicalMemory, page: Hpa) -> [u64; EVENT_WORDS] {
    core::array::from_fn(|index| memory.read_u64(Hpa(page.0 + index as u64 * 8)))
}

#[cfg(test)]
mod tests;
