// SPDX-License-Identifier: MIT OR Apache-2.0
//! Mappings: which part of which region is where in which partition.
//!
//! Owns [`Mapping`]. Each remembers the capability it was made through, so
//! that revoking that capability unmaps. Translations taken away are marked
//! in `State::shootdown`; the hypercall ends with a shootdown (`run.rs`).

use crate::hypercall::{Answer, Arguments};
use crate::partition::{Condition, Partition};
use crate::region::{Backing, Region};
use crate::state::{Decoded, State};
use crate::{limits::OBJECT_COST, lookup::Caller, memory::ChargedFrames, vcpu::Vcpu};
use sawmill_abi::{PAGE_SIZE, object::RIGHT_PARTITION_CONTROL, status::Status};
use sawmill_logic::ept::{self, MapError, MemoryType};
use sawmill_logic::platform::{Gpa, Hpa, Platform};
use sawmill_logic::{arena::Ref, capability::Position};

/// A mapped part of a region.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mapping {
    pub partition: Ref<Partition>,
    pub gpa: Gpa,
    pub pages: u64,
    /// Capability through which it was made.
    pub via: Position,
}

impl Mapping {
    fn end(&self) -> u64 {
        self.gpa.0 + self.pages * PAGE_SIZE
    }
}

/// Checked arguments of a mapping.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewMapping {
    pub region: Ref<Region>,
    pub via: Position,
    pub target: Ref<Partition>,
    pub gpa: Gpa,
    pub offset: u64,
    pub pages: u64,
    pub rights: u64,
}

impl<P: Platform> State<P> {
    pub(crate) fn region_map(&mut self, caller: &Caller, arguments: &Arguments) -> Decoded<Answer> {
        let [target, gpa, offset, pages, rights, _] = arguments.words;
        const ALL: u64 = ept::READ | ept::WRITE | ept::EXECUTE;
        let region = self.lookup(caller, arguments.selector, rights & ALL)?;
        let target = self.lookup(caller, target, RIGHT_PARTITION_CONTROL)?;
        // Writable alone is a malformed entry, executable alone one that not every processor has.
        if rights & ept::READ == 0 || rights & !ALL != 0 {
            return Err(Status::BadArgument);
        }
        let via = caller.position(arguments.selector)?;
        self.map(&NewMapping { region, via, target, gpa: Gpa(gpa), offset, pages, rights })?;
        Ok(Answer::default())
    }

    /// Maps a part of a region into a partition.
    pub(crate) fn map(&mut self, new: &NewMapping) -> Decoded<()> {
        let region = self.regions.get(new.region).ok_or(Status::BadSelector)?;
        let is_inside = new.offset.checked_add(new.pages).is_some_and(|end| end <= region.range.pages);
        if !is_inside || new.pages == 0 {
            return Err(Status::BadArgument);
        }
        let memory_type = match region.backing {
            Backing::Memory => MemoryType::WriteBack,
            Backing::Device => MemoryType::Uncached,
        };
        let hpa = Hpa(region.range.start.0 + new.offset * PAGE_SIZE);
        if self.mappings.is_full() {
            return Err(Status::NoSlot);
        }
        let target = self.partitions.get_mut(new.target).ok_or(Status::BadSelector)?;
        if target.condition == Condition::Dying {
            return Err(Status::Busy);
        }
        target.kernel_quota.charge(OBJECT_COST)?;
        let request = ept::Request {
            gpa: new.gpa,
            hpa,
            pages: new.pages,
            rights: new.rights,
            memory_type,
            largest_leaf: if self.platform.has_gigabyte_leaves() { 2 } else { 1 },
        };
        let root = target.ept_root;
        let mut frames = ChargedFrames { pool: &mut self.frames, quota: &mut target.kernel_quota };
        let mut tables = ept::Tables { memory: self.platform, frames: &mut frames, root };
        if let Err(error) = tables.map(&request) {
            target.kernel_quota.release(OBJECT_COST);
            // What was mapped before the tables ran out was visible for a moment, and its tables are free again.
            self.renew_translations(new.target);
            return Err(match error {
                MapError::BadRange | MapError::Occupied => Status::BadAddress,
                MapError::NoFrame => Status::NoQuota,
            });
        }
        let mapping = Mapping { partition: new.target, gpa: new.gpa, pages: new.pages, via: new.via };
        let entered = self.mappings.insert(mapping);
        debug_assert!(entered.is_ok());
        Ok(())
    }

    pub(crate) fn region_unmap(&mut self, caller: &Caller, arguments: &Arguments) -> Decoded<Answer> {
        let target = self.lookup(caller, arguments.selector, RIGHT_PARTITION_CONTROL)?;
        let [gpa, pages, ..] = arguments.words;
        if !gpa.is_multiple_of(PAGE_SIZE) {
            return Err(Status::BadAddress);
        }
        let end = pages.checked_mul(PAGE_SIZE).and_then(|bytes| gpa.checked_add(bytes)).ok_or(Status::BadArgument)?;
        self.unmap_where(|mapping| mapping.partition == target && mapping.gpa.0 >= gpa && mapping.end() <= end);
        Ok(Answer::default())
    }

    /// Removes all mappings that satisfy a condition.
    pub(crate) fn unmap_where(&mut self, is_wanted: impl Fn(&Mapping) -> bool) {
        let mut from = 0;
        while let Some(reference) = self.mappings.find_from(from, &is_wanted) {
            from = reference.index();
            let Some(mapping) = self.mappings.remove(reference) else { continue };
            let Some(partition) = self.partitions.get_mut(mapping.partition) else { continue };
            // Event pages are written by the kernel without a mapping: none may stay in memory that is taken away.
            let range = mapping.gpa.0..mapping.end();
            let is_lost = |vcpu: &&mut Vcpu| vcpu.partition == mapping.partition && range.contains(&vcpu.event_gpa.0);
            self.vcpus.iter_mut().filter(is_lost).for_each(|vcpu| vcpu.event_page = None);
            let root = partition.ept_root;
            let mut frames = ChargedFrames { pool: &mut self.frames, quota: &mut partition.kernel_quota };
            ept::Tables { memory: self.platform, frames: &mut frames, root }.unmap(mapping.gpa, mapping.pages);
            partition.kernel_quota.release(OBJECT_COST);
            self.renew_translations(mapping.partition);
        }
    }

    /// Makes every CPU forget what it cached of a partition's translations before it enters it again.
    pub(crate) fn renew_translations(&mut self, partition: Ref<Partition>) {
        if let Some(generation) = self.ept_generations.get_mut(partition.index()) {
            *generation = generation.wrapping_add(1);
            self.shootdown |= 1 << partition.index();
            self.begin_epoch();
        }
    }
}
