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
