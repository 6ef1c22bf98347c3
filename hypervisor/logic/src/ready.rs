// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ready queues of one CPU: eight fixed priorities, round robin within each.
//!
//! Owns [`ReadyQueues`]. `mask` has a bit for each priority with members, so
//! that the IPC path can ask with one shift whether somebody more important
//! became ready.

use arrayvec::ArrayVec;

/// Number of priorities; 0 is the lowest.
pub const PRIORITIES: usize = 8;

/// The vCPUs of a CPU that could run but do not.
pub struct ReadyQueues<T, const N: usize> {
    /// Oldest first. Each member is in one queue once at most, so `N` for all members suffices.
    queues: [ArrayVec<T, N>; PRIORITIES],
    mask: u8,
}

impl<T: Copy + PartialEq, const N: usize> ReadyQueues<T, N> {
    /// Creates empty queues.
    pub const fn new() -> Self {
        ReadyQueues { queues: [const { ArrayVec::new_const() }; PRIORITIES], mask: 0 }
    }

    /// Highest priority with a member.
    pub fn highest(&self) -> Option<u8> {
        (self.mask != 0).then(|| 7 - self.mask.leading_zeros() as u8)
    }

    /// Whether somebody with a priority above this one is ready.
    #[inline(always)]
    pub fn has_above(&self, priority: u8) -> bool {
        self.mask != 0 && (u32::from(self.mask) >> priority) > 1
    }

    /// Whether somebody with this priority or a higher one is ready.
    pub fn has_at_or_above(&self, priority: u8) -> bool {
        (u32::from(self.mask) >> priority) != 0
    }

    /// Appends a member.
    pub fn push(&mut self, priority: u8, member: T) {
        if let Some(queue) = self.queues.get_mut(usize::from(priority)) {
            let _ = queue.try_push(member);
            self.mask |= 1 << priority;
        }
    }

    /// Takes the oldest member of the highest priority.
    pub fn pop(&mut self) -> Option<T> {
        let priority = self.highest()?;
        let queue = self.queues.get_mut(usize::from(priority))?;
        let member = queue.pop_at(0);
        if queue.is_empty() {
            self.mask &= !(1 << priority);
        }
        member
    }

    /// Takes a member out wherever it is.
    pub fn remove(&mut self, member: T) -> bool {
        for (priority, queue) in self.queues.iter_mut().enumerate() {
            if let Some(at) = queue.iter().position(|other| *other == member) {
                queue.remove(at);
                if queue.is_empty() {
                    self.mask &= !(1 << priority);
                }
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn highest_priority_first_then_order_of_arrival() {
        let mut ready: ReadyQueues<u8, 8> = ReadyQueues::new();
        ready.push(1, 10);
        ready.push(5, 50);
        ready.push(5, 51);
        assert!(ready.has_above(4) && !ready.has_above(5) && ready.has_at_or_above(5));
        assert_eq!([ready.pop(), ready.pop(), ready.pop(), ready.pop()], [Some(50), Some(51), Some(10), None]);
        assert_eq!(ready.highest(), None);
    }

    #[test]
    fn removal_clears_the_mask() {
        let mut ready: ReadyQueues<u8, 8> = ReadyQueues::new();
        ready.push(7, 1);
        assert!(ready.remove(1) && !ready.remove(1));
        assert_eq!(ready.highest(), None);
    }
}
