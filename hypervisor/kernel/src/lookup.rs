// SPDX-License-Identifier: MIT OR Apache-2.0
//! From selectors to objects: the right is checked in the lookup.

use crate::limits::{FIRST_FREE_SELECTOR, OBJECT_COST};
use crate::state::{Decoded, Object, State};
use crate::{
    device::Device, event::Event, interrupt::Irq, partition::Partition, portal::Portal, region::Region, vcpu::Vcpu,
};
use sawmill_abi::object::{RIGHT_ALL, RIGHT_MACHINE_CONTROL};
use sawmill_abi::status::Status;
use sawmill_logic::arena::{Arena, Ref};
use sawmill_logic::capability::{Capability, Position};
use sawmill_logic::platform::Platform;

/// Who makes a hypercall.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub vcpu: Ref<Vcpu>,
    pub partition: Ref<Partition>,
}

impl Caller {
    /// Position of one of its selectors.
    pub fn position(&self, selector: u64) -> Decoded<Position> {
        let slot = u16::try_from(selector).map_err(|_| Status::BadSelector)?;
        Ok(Position { table: self.partition.index() as u16, slot })
    }
}

/// A kind of object that selectors name.
pub(crate) trait Named: Sized {
    /// Picks a reference of this kind out of a capability's object.
    fn pick(object: Object) -> Option<Ref<Self>>;
    /// Makes a capability's object of a reference.
    fn object(reference: Ref<Self>) -> Object;
}

macro_rules! named {
    ($($kind:ident)*) => {
        $(impl Named for $kind {
            #[inline(always)]
            fn pick(object: Object) -> Option<Ref<Self>> {
                if let Object::$kind(reference) = object { Some(reference) } else { None }
            }
            fn object(reference: Ref<Self>) -> Object {
                Object::$kind(reference)
            }
        })*
    };
}
named! { Partition Vcpu Portal Region Event Irq Device }

impl<P: Platform> State<P> {
    /// Finds any capability of the caller.
    pub fn capability(&self, caller: &Caller, selector: u64) -> Decoded<Capability<Object>> {
        self.capabilities.select(caller.partition.index(), selector).copied().ok_or(Status::BadSelector)
    }

    /// Finds an object by selector: right kind, all of `rights` held.
    pub fn lookup<T: Named>(&self, caller: &Caller, selector: u64, rights: u64) -> Decoded<Ref<T>> {
        let capability = self.capability(caller, selector)?;
        let reference = T::pick(capability.object).ok_or(Status::BadKind)?;
        if capability.rights & rights == rights { Ok(reference) } else { Err(Status::NoRight) }
    }

    /// Checks for the Machine capability.
    pub fn lookup_machine(&self, caller: &Caller, selector: u64) -> Decoded<()> {
        let capability = self.capability(caller, selector)?;
        match capability.object {
            Object::Machine if capability.rights & RIGHT_MACHINE_CONTROL != 0 => Ok(()),
            Object::Machine => Err(Status::NoRight),
            _ => Err(Status::BadKind),
        }
    }

    /// Finds where a new object's capability can go in the caller's table.
    pub fn free_selector(&self, caller: &Caller) -> Decoded<Position> {
        self.capabilities.free_slot(caller.partition.index() as u16, FIRST_FREE_SELECTOR).ok_or(Status::NoSlot)
    }

    /// Puts the original capability of a new object at a position found free before.
    pub fn name_object(&mut self, at: Position, object: Object) -> u64 {
        let capability = Capability { object, rights: RIGHT_ALL, badge: 0 };
        let inserted = self.capabilities.insert(at, capability, None);
        debug_assert!(inserted.is_ok());
        u64::from(at.slot)
    }

    /// Charges kernel units to a partition.
    pub fn charge(&mut self, payer: Ref<Partition>, units: u64) -> Decoded<()> {
        let payer = self.partitions.get_mut(payer).ok_or(Status::BadSelector)?;
        payer.kernel_quota.charge(units)
    }

    /// Gives charged kernel units back.
    pub fn release(&mut self, payer: Ref<Partition>, units: u64) {
        if let Some(payer) = self.partitions.get_mut(payer) {
            payer.kernel_quota.release(units);
        }
    }

    /// Enters a new object on a payer's quota, with its original capability at a position found free before.
    pub fn enter<T: Named, const N: usize>(
        &mut self,
        at: Position,
        payer: Ref<Partition>,
        arena: fn(&mut Self) -> &mut Arena<T, N>,
        object: T,
    ) -> Decoded<u64> {
        if arena(self).is_full() {
            return Err(Status::NoSlot);
        }
        self.charge(payer, OBJECT_COST)?;
        let Ok(reference) = arena(self).insert(object) else { return Err(Status::NoSlot) };
        Ok(self.name_object(at, T::object(reference)))
    }
}
