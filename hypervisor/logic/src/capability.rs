// SPDX-License-Identifier: MIT OR Apache-2.0
//! Capability tables of all partitions and the tree of their derivation.
//!
//! Owns [`CapabilitySpace`]. Invariant: the parent of a derived capability
//! exists as long as the child does, because removal goes from the leaves up;
//! so a capability whose object was destroyed cannot be found. Guarded by the
//! kernel's big lock.

/// A table and a slot in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Index of the table (of the partition).
    pub table: u16,
    /// Index of the slot (the selector).
    pub slot: u16,
}

/// The right to use an object in some ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capability<O> {
    /// What it names.
    pub object: O,
    /// What it allows.
    pub rights: u64,
    /// What a server learns about the caller; 0 = none given yet.
    pub badge: u64,
}

#[derive(Clone, Copy)]
struct Slot<O> {
    capability: Option<Capability<O>>,
    parent: Option<Position>,
    first_child: Option<Position>,
    next: Option<Position>,
    previous: Option<Position>,
}

/// Why a capability could not be put into a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InsertError {
    /// The slot is taken.
    Taken,
    /// There is no such slot.
    NoSuchSlot,
}

/// `T` tables of `S` slots.
pub struct CapabilitySpace<O, const T: usize, const S: usize> {
    tables: [[Slot<O>; S]; T],
}

impl<O: Copy, const T: usize, const S: usize> CapabilitySpace<O, T, S> {
    /// Creates empty tables.
    pub const fn new() -> Self {
        let empty = Slot { capability: None, parent: None, first_child: None, next: None, previous: None };
        CapabilitySpace { tables: [[empty; S]; T] }
    }

    #[inline(always)]
    fn slot(&self, at: Position) -> Option<&Slot<O>> {
        self.tables.get(usize::from(at.table))?.get(usize::from(at.slot))
    }

    fn slot_mut(&mut self, at: Position) -> Option<&mut Slot<O>> {
        self.tables.get_mut(usize::from(at.table))?.get_mut(usize::from(at.slot))
    }

    /// Returns the capability at a position.
    pub fn get(&self, at: Position) -> Option<&Capability<O>> {
        self.slot(at)?.capability.as_ref()
    }

    /// Returns the capability that a selector names in a table.
    #[inline(always)]
    pub fn select(&self, table: usize, selector: u64) -> Option<&Capability<O>> {
        self.tables.get(table)?.get(selector as usize)?.capability.as_ref()
    }

    /// Finds a free slot of a table, not below `first`.
    pub fn free_slot(&self, table: u16, first: u16) -> Option<Position> {
        let slots = self.tables.get(usize::from(table))?;
        let slot = slots.iter().skip(usize::from(first)).position(|slot| slot.capability.is_none())?;
        Some(Position { table, slot: slot as u16 + first })
    }

    /// Puts a capability into a free slot, derived from `parent` or original.
    ///
    /// # Errors
    /// [`InsertError`], with nothing changed.
    pub fn insert(
        &mut self,
        at: Position,
        capability: Capability<O>,
        parent: Option<Position>,
    ) -> Result<(), InsertError> {
        if self.slot(at).ok_or(InsertError::NoSuchSlot)?.capability.is_some() {
            return Err(InsertError::Taken);
        }
        let mut next = None;
        if let Some(parent) = parent {
            let above = self.slot_mut(parent).ok_or(InsertError::NoSuchSlot)?;
            next = above.first_child.replace(at);
        }
        if let Some(sibling) = next.and_then(|next| self.slot_mut(next)) {
            sibling.previous = Some(at);
        }
        if let Some(slot) = self.slot_mut(at) {
            *slot = Slot { capability: Some(capability), parent, first_child: None, next, previous: None };
        }
        Ok(())
    }

    /// Finds a capability that is derived from another one directly.
    pub fn first_child(&self, of: Position) -> Option<Position> {
        self.slot(of)?.first_child
    }

    /// Follows first children down to a capability from which nothing is derived.
    pub fn first_leaf(&self, from: Position) -> Position {
        let mut at = from;
        while let Some(child) = self.first_child(at) {
            at = child;
        }
        at
    }

    /// Removes a capability from which nothing is derived.
    ///
    /// Returns it with the position of what it was derived from; none (and changes nothing) if there is no capability
    /// or something is derived from it.
    pub fn remove_leaf(&mut self, at: Position) -> Option<(Capability<O>, Option<Position>)> {
        let slot = self.slot_mut(at)?;
        if slot.first_child.is_some() {
            return None;
        }
        let capability = slot.capability.take()?;
        let (parent, next, previous) = (slot.parent.take(), slot.next.take(), slot.previous.take());
        if let Some(slot) = next.and_then(|next| self.slot_mut(next)) {
            slot.previous = previous;
        }
        match previous {
            Some(previous) => {
                if let Some(slot) = self.slot_mut(previous) {
                    slot.next = next;
                }
            }
            None => {
                if let Some(slot) = parent.and_then(|parent| self.slot_mut(parent)) {
                    slot.first_child = next;
                }
            }
        }
        Some((capability, parent))
    }

    /// Finds the first slot of a table that holds a capability.
    pub fn first_used(&self, table: u16) -> Option<Position> {
        let slots = self.tables.get(usize::from(table))?;
        let slot = slots.iter().position(|slot| slot.capability.is_some())?;
        Some(Position { table, slot: slot as u16 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    type Space = CapabilitySpace<u32, 3, 8>;

    fn position(number: u16) -> Position {
        Position { table: number / 8 % 3, slot: number % 8 }
    }

    fn capability(object: u32) -> Capability<u32> {
        Capability { object, rights: 0, badge: 0 }
    }

    fn revoke(space: &mut Space, at: Position) -> Vec<Position> {
        let (mut removed, mut from) = (Vec::new(), at);
        while space.get(at).is_some() {
            let leaf = space.first_leaf(from);
            from = space.remove_leaf(leaf).unwrap().1.unwrap_or(at);
            removed.push(leaf);
        }
        removed
    }

    proptest! {
        /// Against a model that stores only parents: the same capabilities exist after any history,
        /// and revocation removes exactly the subtree, leaves first.
        #[test]
        fn derivation_tree_matches_model(steps in proptest::collection::vec((0u16..24, 0u16..24, any::<bool>()), 1..120)) {
            let mut space = Space::new();
            let mut model: BTreeMap<Position, Option<Position>> = BTreeMap::new();
            for (number, (to, from, is_revoke)) in steps.into_iter().enumerate() {
                let (to, from) = (position(to), position(from));
                if is_revoke {
                    let removed = revoke(&mut space, from);
                    for (order, at) in removed.iter().enumerate() {
                        let parent = model.get(at).copied().flatten();
                        if let Some(place) = removed.iter().position(|other| Some(*other) == parent) {
                            prop_assert!(place > order, "a parent went before its child");
                        }
                    }
                    let is_below = |mut at: Position, model: &BTreeMap<Position, Option<Position>>| loop {
                        if at == from { break true }
                        match model.get(&at).copied().flatten() { Some(parent) => at = parent, None => break false }
                    };
                    let expected: Vec<Position> =
                        model.keys().copied().filter(|at| is_below(*at, &model)).collect();
                    let mut sorted = removed.clone();
                    sorted.sort();
                    prop_assert_eq!(sorted, expected.clone());
                    for at in expected { model.remove(&at); }
                } else {
                    let parent = model.contains_key(&from).then_some(from);
                    let result = space.insert(to, capability(number as u32), parent);
                    prop_assert_eq!(result.is_ok(), !model.contains_key(&to));
                    if result.is_ok() { model.insert(to, parent); }
                }
                for number in 0..24 {
                    let at = position(number);
                    prop_assert_eq!(space.get(at).is_some(), model.contains_key(&at));
                    prop_assert_eq!(space.slot(at).unwrap().parent, model.get(&at).copied().flatten());
                }
            }
        }
    }

    #[test]
    fn selectors_out_of_range_name_nothing() {
        let mut space = Space::new();
        assert!(space.select(0, u64::MAX).is_none());
        assert!(space.select(99, 0).is_none());
        assert_eq!(space.insert(Position { table: 0, slot: 8 }, capability(0), None), Err(InsertError::NoSuchSlot));
    }
}
