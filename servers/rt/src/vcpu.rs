// SPDX-License-Identifier: MIT OR Apache-2.0
//! Starting further vCPUs of this partition.

use core::sync::atomic::{AtomicU64, Ordering};

use sawmill_abi::object::{SELECTOR_VCPU_BASE, VCPUS_MAX};

use crate::calls::{self, Result, Selector};

/// Bytes of a further vCPU's stack.
const STACK_BYTES: usize = 0x8000;

#[repr(C, align(4096))]
struct Stack {
    /// Function and argument, read by `flat_secondary_entry`.
    start: [AtomicU64; 2],
    room: core::cell::UnsafeCell<[u8; STACK_BYTES]>,
}

// SAFETY: `start` is atomic; `room` is used only by the vCPU to which the stack belongs.
unsafe impl Sync for Stack {}

static STACKS: [Stack; VCPUS_MAX as usize] =
    [const { Stack { start: [const { AtomicU64::new(0) }; 2], room: core::cell::UnsafeCell::new([0; STACK_BYTES]) } };
        VCPUS_MAX as usize];

/// Starts vCPU `index` of this partition at a function.
///
/// # Errors
/// What `vcpu_start` says; `Busy` if the vCPU was started before.
pub fn start(index: u64, main: extern "C" fn(u64) -> !, argument: u64) -> Result<()> {
    let stack = usize::try_from(index).ok().and_then(|index| STACKS.get(index));
    let Some(stack) = stack else { return Err(sawmill_abi::status::Status::BadArgument) };
    if stack.start[0].swap(main as usize as u64, Ordering::SeqCst) != 0 {
        return Err(sawmill_abi::status::Status::Busy);
    }
    stack.start[1].store(argument, Ordering::SeqCst);
    let top = stack.room.get() as u64 + STACK_BYTES as u64;
    let pair = stack.start.as_ptr() as u64;
    calls::vcpu_start(Selector(SELECTOR_VCPU_BASE + index), secondary_entry(), top, page_table(), pair)
}

/// Returns the root of this image's page tables.
pub fn page_table() -> u64 {
    #[cfg(target_os = "none")]
    {
        unsafe extern "C" {
            static flat_page_tables: u8;
        }
        &raw const flat_page_tables as u64
    }
    #[cfg(not(target_os = "none"))]
    0
}

fn secondary_entry() -> u64 {
    #[cfg(target_os = "none")]
    {
        unsafe extern "C" {
            static flat_secondary_entry: u8;
        }
        &raw const flat_secondary_entry as u64
    }
    #[cfg(not(target_os = "none"))]
    0
}
