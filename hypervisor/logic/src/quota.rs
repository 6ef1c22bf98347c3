// SPDX-License-Identifier: MIT OR Apache-2.0
//! Quotas: what a partition may still make the kernel spend.
//!
//! Owns [`Quota`]. Invariant: `used <= limit`. Who creates, pays; what is
//! destroyed is released by exactly what it was charged.

use sawmill_abi::status::Status;

/// A budget of frames, pages or table slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    limit: u64,
    used: u64,
}

impl Quota {
    /// Creates a quota of which nothing is used.
    pub const fn new(limit: u64) -> Quota {
        Quota { limit, used: 0 }
    }

    /// All of it.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// What is used.
    pub fn used(&self) -> u64 {
        self.used
    }

    /// What is left.
    pub fn left(&self) -> u64 {
        self.limit - self.used
    }

    /// Takes from the quota.
    ///
    /// # Errors
    /// NO_QUOTA when less is left; nothing is taken then.
    pub fn charge(&mut self, amount: u64) -> Result<(), Status> {
        if amount > self.left() {
            return Err(Status::NoQuota);
        }
        self.used += amount;
        Ok(())
    }

    /// Gives back what was charged before.
    pub fn release(&mut self, amount: u64) {
        debug_assert!(amount <= self.used);
        self.used = self.used.saturating_sub(amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against a list of what was charged and not released: never more than the limit, and a refusal takes nothing.
        #[test]
        fn what_is_used_is_what_was_charged(limit in 0u64..100, steps in proptest::collection::vec((any::<bool>(), 0u64..60), 0..80)) {
            let mut quota = Quota::new(limit);
            let mut charged: Vec<u64> = Vec::new();
            for (is_charge, number) in steps {
                let used: u64 = charged.iter().sum();
                if is_charge {
                    let verdict = quota.charge(number);
                    prop_assert_eq!(verdict.is_ok(), used + number <= limit);
                    if verdict.is_ok() { charged.push(number); }
                } else if !charged.is_empty() {
                    quota.release(charged.swap_remove(number as usize % charged.len()));
                }
                let used: u64 = charged.iter().sum();
                prop_assert_eq!((quota.used(), quota.left(), quota.limit()), (used, limit - used, limit));
            }
            prop_assert_eq!(quota.charge(u64::MAX).is_ok(), false);
        }
    }
}
