// SPDX-License-Identifier: MIT OR Apache-2.0
//! A queue of object names with a fixed capacity.
//!
//! Owns [`Fifo`], used for ready queues and for callers that wait at a server.
//! Each member is in a queue once at most, so a capacity equal to the number
//! of objects never overflows.

/// First in, first out; at most `N` members.
#[derive(Clone, Copy, Debug)]
pub struct Fifo<T: Copy, const N: usize> {
    members: [Option<T>; N],
    head: usize,
    length: usize,
}

impl<T: Copy + PartialEq, const N: usize> Default for Fifo<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Copy + PartialEq, const N: usize> Fifo<T, N> {
    /// Creates an empty queue.
    pub const fn new() -> Self {
        Fifo { members: [None; N], head: 0, length: 0 }
    }

    /// Whether nobody is in it.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Appends a member; false when full.
    pub fn push(&mut self, member: T) -> bool {
        if self.length == N {
            return false;
        }
        let at = (self.head + self.length) % N;
        if let Some(place) = self.members.get_mut(at) {
            *place = Some(member);
            self.length += 1;
        }
        true
    }

    /// Takes the oldest member out.
    pub fn pop(&mut self) -> Option<T> {
        if self.length == 0 {
            return None;
        }
        let member = self.members.get_mut(self.head)?.take();
        self.head = (self.head + 1) % N;
        self.length -= 1;
        member
    }

    /// Takes a member out wherever it is; false if it was not there.
    pub fn remove(&mut self, member: T) -> bool {
        let mut was_there = false;
        for _ in 0..self.length {
            match self.pop() {
                Some(other) if other == member && !was_there => was_there = true,
                Some(other) => {
                    self.push(other);
                }
                None => break,
            }
        }
        was_there
    }

    /// Iterates from the oldest member on.
    pub fn iter(&self) -> impl Iterator<Item = T> {
        (0..self.length).filter_map(|offset| self.members.get((self.head + offset) % N).copied().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    proptest! {
        #[test]
        fn behaves_like_a_deque(steps in proptest::collection::vec((0u8..3, 0u8..8), 0..200)) {
            let mut fifo: Fifo<u8, 5> = Fifo::new();
            let mut model: VecDeque<u8> = VecDeque::new();
            for (what, member) in steps {
                match what {
                    0 if !model.contains(&member) => {
                        let is_pushed = fifo.push(member);
                        prop_assert_eq!(is_pushed, model.len() < 5);
                        if is_pushed { model.push_back(member); }
                    }
                    1 => prop_assert_eq!(fifo.pop(), model.pop_front()),
                    _ => {
                        let position = model.iter().position(|other| *other == member);
                        prop_assert_eq!(fifo.remove(member), position.is_some());
                        if let Some(position) = position { model.remove(position); }
                    }
                }
                prop_assert!(fifo.iter().eq(model.iter().copied()));
            }
        }
    }
}
