// SPDX-License-Identifier: MIT OR Apache-2.0
//! Fixed arrays of objects, named by index and generation.
//!
//! Owns [`Arena`] and [`Ref`]. A reference to an object that was removed never
//! finds another object that took its place. No lock: the kernel's big lock
//! guards every arena.

use core::marker::PhantomData;
use core::num::NonZeroU64;

/// Name of an object in an arena of `T`: generation and index in one word, so that it moves in one instruction.
pub struct Ref<T> {
    /// Generation << 16 | index. Generations start at 1.
    word: NonZeroU64,
    kind: PhantomData<fn() -> T>,
}

const INDEX: u64 = 0xffff;

impl<T> Ref<T> {
    fn new(index: usize, generation: u64) -> Option<Self> {
        let word = NonZeroU64::new(generation << 16 | index as u64 & INDEX)?;
        Some(Ref { word, kind: PhantomData })
    }

    /// Position in the arena, for tables that run parallel to it.
    #[inline(always)]
    pub fn index(self) -> usize {
        (self.word.get() & INDEX) as usize
    }

    #[inline(always)]
    fn generation(self) -> u64 {
        self.word.get() >> 16
    }
}

impl<T> Clone for Ref<T> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Ref<T> {}
impl<T> PartialEq for Ref<T> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.word == other.word
    }
}
impl<T> Eq for Ref<T> {}
impl<T> core::fmt::Debug for Ref<T> {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(formatter, "{}.{}", self.index(), self.generation())
    }
}

struct Slot<T> {
    generation: u64,
    value: Option<T>,
}

/// At most `N` objects of type `T`.
///
/// New objects take the first free slot, so walks cost what there is (nearly), not what there could be.
pub struct Arena<T, const N: usize> {
    slots: [Slot<T>; N],
    /// No slot from here on is taken.
    end: usize,
}

impl<T, const N: usize> Arena<T, N> {
    /// Creates an empty arena.
    pub const fn new() -> Self {
        assert!(N <= u16::MAX as usize);
        Arena { slots: [const { Slot { generation: 1, value: None } }; N], end: 0 }
    }

    /// Whether nothing can be inserted.
    pub fn is_full(&self) -> bool {
        self.next().is_none()
    }

    /// Reference that the next `insert` returns, if there is room.
    pub fn next(&self) -> Option<Ref<T>> {
        let index = self.slots.iter().position(|slot| slot.value.is_none())?;
        let generation = self.slots.get(index)?.generation;
        Ref::new(index, generation)
    }

    /// Inserts an object; gives it back when the arena is full.
    ///
    /// # Errors
    /// The object itself when all `N` slots are taken.
    pub fn insert(&mut self, value: T) -> Result<Ref<T>, T> {
        let Some(reference) = self.next() else { return Err(value) };
        if let Some(slot) = self.slots.get_mut(reference.index()) {
            slot.value = Some(value);
            self.end = self.end.max(reference.index() + 1);
        }
        Ok(reference)
    }

    /// Takes an object out; all references to it become stale.
    pub fn remove(&mut self, reference: Ref<T>) -> Option<T> {
        let slot = self.slots.get_mut(reference.index())?;
        let value = slot.value.take_if(|_| slot.generation == reference.generation())?;
        slot.generation += 1;
        let last = self.taken().iter().rposition(|slot| slot.value.is_some());
        self.end = last.map_or(0, |last| last + 1);
        Some(value)
    }

    /// Returns the object, unless it was removed.
    #[inline(always)]
    pub fn get(&self, reference: Ref<T>) -> Option<&T> {
        let slot = self.slots.get(reference.index())?;
        if slot.generation == reference.generation() { slot.value.as_ref() } else { None }
    }

    /// Returns the object, unless it was removed.
    #[inline(always)]
    pub fn get_mut(&mut self, reference: Ref<T>) -> Option<&mut T> {
        let slot = self.slots.get_mut(reference.index())?;
        if slot.generation == reference.generation() { slot.value.as_mut() } else { None }
    }

    /// Returns two different objects at once.
    #[inline(always)]
    pub fn get_pair_mut(&mut self, first: Ref<T>, second: Ref<T>) -> Option<(&mut T, &mut T)> {
        let [one, two] = self.slots.get_disjoint_mut([first.index(), second.index()]).ok()?;
        if one.generation != first.generation() || two.generation != second.generation() {
            return None;
        }
        Some((one.value.as_mut()?, two.value.as_mut()?))
    }

    fn taken(&self) -> &[Slot<T>] {
        self.slots.get(..self.end).unwrap_or_default()
    }

    /// Iterates over all objects.
    pub fn iter(&self) -> impl Iterator<Item = (Ref<T>, &T)> {
        self.taken().iter().enumerate().filter_map(|(index, slot)| {
            let value = slot.value.as_ref()?;
            Some((Ref::new(index, slot.generation)?, value))
        })
    }

    /// Iterates over all objects, to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.slots.iter_mut().take(self.end).filter_map(|slot| slot.value.as_mut())
    }

    /// Finds the object at a position.
    pub fn at(&self, index: usize) -> Option<Ref<T>> {
        let slot = self.slots.get(index).filter(|slot| slot.value.is_some())?;
        Ref::new(index, slot.generation)
    }

    /// Finds the first object from `start` on that satisfies a condition.
    pub fn find_from(&self, start: usize, is_wanted: impl Fn(&T) -> bool) -> Option<Ref<T>> {
        self.iter().find(|(at, value)| at.index() >= start && is_wanted(value)).map(|(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stale_reference_finds_nothing() {
        let mut arena: Arena<u32, 2> = Arena::new();
        let first = arena.insert(1).unwrap();
        assert_eq!(arena.remove(first), Some(1));
        let second = arena.insert(2).unwrap();
        assert_eq!(second.index(), first.index());
        assert_eq!(arena.get(first), None);
        assert_eq!(arena.remove(first), None);
        assert_eq!(arena.get(second), Some(&2));
    }

    #[test]
    fn full_arena_gives_the_value_back() {
        let mut arena: Arena<u32, 1> = Arena::new();
        arena.insert(1).unwrap();
        assert_eq!(arena.insert(2), Err(2));
        assert!(arena.is_full());
    }

    #[test]
    fn pair_needs_two_different_objects() {
        let mut arena: Arena<u32, 4> = Arena::new();
        let first = arena.insert(1).unwrap();
        let second = arena.insert(2).unwrap();
        assert!(arena.get_pair_mut(first, first).is_none());
        assert_eq!(arena.get_pair_mut(second, first).map(|(a, b)| (*a, *b)), Some((2, 1)));
    }
}
