// SPDX-License-Identifier: MIT OR Apache-2.0
//! Conversions between nanoseconds and TSC ticks.

use crate::platform::Tsc;

/// Converts a span of nanoseconds into ticks, saturating.
pub fn ticks_of_ns(ns: u64, tsc_khz: u64) -> u64 {
    let ticks = u128::from(ns) * u128::from(tsc_khz) / 1_000_000;
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

/// Adds ticks to a moment, saturating at "never".
#[inline]
pub fn after(moment: Tsc, ticks: u64) -> Tsc {
    Tsc(moment.0.saturating_add(ticks))
}
