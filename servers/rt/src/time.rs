// SPDX-License-Identifier: MIT OR Apache-2.0
//! The time stamp counter.

/// Returns the time stamp counter.
#[inline]
pub fn tsc() -> u64 {
    // SAFETY: RDTSC reads a counter and changes nothing; partitions may execute it.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// Converts nanoseconds to ticks of the time stamp counter.
pub fn ticks(ns: u64, tsc_khz: u64) -> u64 {
    let ticks = u128::from(ns) * u128::from(tsc_khz) / 1_000_000;
    u64::try_from(ticks).unwrap_or(u64::MAX)
}
