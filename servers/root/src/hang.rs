// SPDX-License-Identifier: MIT OR Apache-2.0
//! Decides when a server that does not answer counts as hanging.

/// Budget of root's own calls, by which it looks whether a server still answers.
pub const PING_BUDGET_NS: u64 = 20_000_000;
/// Looks per `hang_after`: a single late answer is no hang.
pub const LOOKS: u64 = 4;

/// What root remembers of a server's answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    silent_since: Option<u64>,
}

/// What came of one look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// The server answered, whatever it said.
    Answered,
    /// The budget was used up.
    Silent,
}

impl Watch {
    /// Notes a look at time `now`; returns true if the server has been silent for `limit` (both in ticks).
    pub fn observe(&mut self, look: Look, now: u64, limit: u64) -> bool {
        match look {
            Look::Answered => {
                self.silent_since = None;
                false
            }
            Look::Silent => now.saturating_sub(*self.silent_since.get_or_insert(now)) >= limit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lasting_silence_is_a_hang() {
        let mut watch = Watch::default();
        assert!(!watch.observe(Look::Silent, 1000, 100));
        assert!(!watch.observe(Look::Silent, 1099, 100));
        assert!(!watch.observe(Look::Answered, 1100, 100), "an answer starts over");
        assert!(!watch.observe(Look::Silent, 1200, 100));
        assert!(watch.observe(Look::Silent, 1300, 100));
    }
}
