// SPDX-License-Identifier: MIT OR Apache-2.0
//! Decides how often the trace rings are read.

/// Entries of a ring in the hypervisor.
const RING_ENTRIES: u64 = 2048;
/// The shortest and the longest time between two looks.
const SHORTEST_NS: u64 = 250_000;
const LONGEST_NS: u64 = 16_000_000;

/// Time until the first look.
pub const FIRST_NS: u64 = 1_000_000;

/// Time until the next look, after `period_ns` brought `entries` in the fullest ring.
#[must_use]
pub fn next_period(period_ns: u64, entries: u64) -> u64 {
    let next = match entries {
        entries if entries > RING_ENTRIES / 2 => period_ns / 4,
        entries if entries > RING_ENTRIES / 4 => period_ns / 2,
        entries if entries < RING_ENTRIES / 16 => period_ns * 2,
        _ => period_ns,
    };
    next.clamp(SHORTEST_NS, LONGEST_NS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_rings_are_read_more_often() {
        assert_eq!(next_period(4_000_000, RING_ENTRIES), 1_000_000);
        assert_eq!(next_period(4_000_000, 10), 8_000_000);
        assert_eq!(next_period(4_000_000, 300), 4_000_000);
        assert_eq!(next_period(LONGEST_NS, 0), LONGEST_NS);
        assert_eq!(next_period(SHORTEST_NS, u64::MAX), SHORTEST_NS);
    }
}
