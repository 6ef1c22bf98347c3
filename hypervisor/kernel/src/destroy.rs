// SPDX-License-Identifier: MIT OR Apache-2.0
//! The end of capabilities, objects and partitions.
//!
//! Everything ends by its original capability: removing that destroys the
//! object. Removal goes from the leaves of the derivation tree up. A dying
//! partition is put on a list (`State::dying`) and taken apart when the
//! revocation that hit it is through, so nothing here recurses.

use crate::limits::OBJECT_COST;
use crate::partition::{Condition, Partition};
use crate::region::{Backing, Region};
use crate::state::{Object, State};
use sawmill_logic::{arena::Ref, capability::Position, platform::Platform};

impl<P: Platform> State<P> {
    /// Removes a capability and all derived from it; returns how many.
    pub(crate) fn revoke(&mut self, at: Position) -> u64 {
        let mut removed = self.remove_tree(at);
        while self.dying != 0 {
            let index = self.dying.trailing_zeros() as usize;
            match self.partitions.at(index) {
                Some(partition) => {
                    let last = self.youngest(partition, &mut removed);
                    removed += self.bury(last);
                }
                None => self.dying &= !(1 << index),
            }
        }
        removed
    }

    /// Parks the partitions that their handlers gave up, and those whose handlers are among these.
    pub(crate) fn park_doomed(&mut self) {
        while self.doomed != 0 {
            let index = self.doomed.trailing_zeros() as usize;
            self.doomed &= !(1 << index);
            if let Some(partition) = self.partitions.at(index) {
                self.park(partition);
            }
        }
    }

    /// Goes down from a dying partition to one that paid for no other, killing on the way.
    fn youngest(&mut self, from: Ref<Partition>, removed: &mut u64) -> Ref<Partition> {
        let mut at = from;
        while let Some(child) = self.partitions.find_from(0, |partition| partition.payer == Some(at)) {
            if let Some(origin) = self.partitions.get(child).map(|child| child.origin) {
                *removed += self.remove_tree(origin);
            }
            at = child;
        }
        at
    }

    /// Removes the capabilities derived from one, but not itself; returns how many.
    pub(crate) fn revoke_derived(&mut self, at: Position) -> u64 {
        let mut removed = 0;
        while let Some(child) = self.capabilities.first_child(at) {
            removed += self.revoke(child);
        }
        removed
    }

    fn remove_tree(&mut self, at: Position) -> u64 {
        let mut removed = 0;
        // Each step goes on where the last one was: a long chain is walked down once.
        let mut from = at;
        while self.capabilities.get(at).is_some() {
            let leaf = self.capabilities.first_leaf(from);
            let Some((capability, parent)) = self.capabilities.remove_leaf(leaf) else { break };
            removed += 1;
            self.begin_epoch();
            self.forget(capability.object, leaf, parent.is_none());
            from = parent.unwrap_or(at);
        }
        removed
    }

    /// Undoes what was done through a capability, and its object if it was the original.
    fn forget(&mut self, object: Object, at: Position, is_original: bool) {
        if matches!(object, Object::Region(_)) {
            self.unmap_where(|mapping| mapping.via == at);
        }
        if !is_original {
            return;
        }
        let payer = match object {
            Object::Partition(partition) => return self.kill(partition),
            Object::Vcpu(vcpu) => return self.retire_vcpu(vcpu),
            Object::Machine => None,
            Object::Region(region) => self.destroy_region(region),
            Object::Portal(portal) => self.portals.remove(portal).map(|portal| portal.payer),
            Object::Event(event) => self.events.remove(event).map(|event| event.payer),
            Object::Irq(irq) => self.destroy_irq(irq),
            Object::Device(device) => self.destroy_device(device),
        };
        if let Some(payer) = payer {
            self.release(payer, OBJECT_COST);
        }
    }

    fn destroy_region(&mut self, reference: Ref<Region>) -> Option<Ref<Partition>> {
        let region = self.regions.remove(reference)?;
        if region.backing == Backing::Memory {
            self.give_pages(region.payer, region.range);
        }
        Some(region.payer)
    }

    /// Stops a partition for good: from now on it is dead to everybody.
    pub(crate) fn kill(&mut self, reference: Ref<Partition>) {
        let partition = self.partitions.get_mut(reference).filter(|it| it.condition != Condition::Dying);
        let Some(partition) = partition else { return };
        partition.condition = Condition::Dying;
        self.dying |= 1 << reference.index();
        for vcpu in partition.vcpus.into_iter().flatten() {
            self.leave_calls(vcpu);
            self.stop_vcpu(vcpu);
        }
        if self.root == Some(reference) {
            self.stop_without_root();
        }
    }

    /// Takes a dead partition apart and gives what it cost back to its payer.
    fn bury(&mut self, reference: Ref<Partition>) -> u64 {
        let mut removed = 0;
        let table = reference.index() as u16;
        while let Some(at) = self.capabilities.first_used(table) {
            removed += self.remove_tree(at);
        }
        let owned = |state: &Self| -> Option<Position> {
            let vcpu = state.partitions.get(reference)?.vcpus.into_iter().flatten().next();
            vcpu.and_then(|vcpu| state.vcpus.get(vcpu).map(|vcpu| vcpu.origin))
                .or_else(|| state.devices.iter().find(|(_, it)| it.partition == reference).map(|(_, it)| it.origin))
                .or_else(|| state.irqs.iter().find(|(_, it)| it.payer == reference).map(|(_, it)| it.origin))
                .or_else(|| state.regions.iter().find(|(_, it)| it.payer == reference).map(|(_, it)| it.origin))
        };
        while let Some(origin) = owned(self) {
            let count = self.remove_tree(origin);
            removed += count;
            if count == 0 {
                break;
            }
        }
        self.unmap_where(|mapping| mapping.partition == reference);
        self.renew_translations(reference);
        self.dying &= !(1 << reference.index());
        let Some(partition) = self.partitions.remove(reference) else { return removed };
        self.frames.give(partition.ept_root);
        for frame in partition.port_bitmaps.into_iter().flatten() {
            self.frames.give(frame);
        }
        if let Some(payer) = partition.payer.and_then(|payer| self.partitions.get_mut(payer)) {
            payer.kernel_quota.release(partition.kernel_quota.limit());
            payer.page_quota.release(partition.page_quota.limit());
        }
        self.inherit_tombstones(reference, partition.payer);
        if let Some(channels) = self.received.get_mut(reference.index()) {
            channels.iter_mut().for_each(|ring| ring.clear());
        }
        if self.foreground == reference.index() as u8 + 1 {
            self.foreground = 0;
        }
        removed
    }

    /// Leaves what outlives a partition (the ends that others hold) to its payer.
    fn inherit_tombstones(&mut self, dead: Ref<Partition>, heir: Option<Ref<Partition>>) {
        let Some(heir) = heir else { return };
        let mut count = 0;
        let portals = self.portals.iter_mut().map(|portal| &mut portal.payer);
        let events = self.events.iter_mut().map(|event| &mut event.payer);
        for payer in portals.chain(events).filter(|payer| **payer == dead) {
            *payer = heir;
            count += 1;
        }
        // Covered: the heir has just got back the quota out of which these were paid.
        let charged = self.charge(heir, count * OBJECT_COST);
        debug_assert!(charged.is_ok());
    }
}
