// SPDX-License-Identifier: MIT OR Apache-2.0
//! [`Machine`]: this crate as the kernel sees it.

use core::sync::atomic::{AtomicU32, Ordering};

static CPU_COUNT: AtomicU32 = AtomicU32::new(1);

/// Fixes the number of running CPUs.
pub(crate) fn set_cpu_count(count: u32) {
    CPU_COUNT.store(count, Ordering::Relaxed);
}

/// The machine that runs this; there is one.
#[derive(Clone, Copy, Debug)]
pub struct Machine(());

/// The machine.
pub static MACHINE: Machine = Machine(());
