// SPDX-License-Identifier: MIT OR Apache-2.0
//! Regions: contiguous frames with an owner who pays for them.
//!
//! Who creates one clears its frames first, in pieces while the big lock is
//! free ([`Clearing`]): until then they belong to nobody else, and there is no
//! region that could be mapped.

use crate::hypercall::{Answer, Arguments};
use crate::ipc::Progress;
use crate::state::{Decoded, State};
use crate::vcpu::{Outcome, Vcpu, attention};
use crate::{limits::CLEARED_PAGES, lookup::Caller, partition::Partition};
use sawmill_abi::object::{RIGHT_PARTITION_GRANT, RIGHT_REGION_DMA};
use sawmill_abi::region::{REGION_ALIGN_2M, REGION_BELOW_4G};
use sawmill_abi::{PAGE_SIZE, status::Status};
use sawmill_logic::platform::{FrameRange, Hpa, Platform};
use sawmill_logic::{arena::Ref, capability::Position, extents::Placement};

/// What the frames are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backing {
    /// RAM: charged to the payer's page quota, given back to the extents.
    Memory,
    /// Device registers.
    Device,
}

/// A set of contiguous frames.
pub(crate) struct Region {
    pub range: FrameRange,
    pub backing: Backing,
    pub payer: Ref<Partition>,
    pub origin: Position,
}

/// Frames on their way to be a region of whoever runs `region_create`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clearing {
    pub range: FrameRange,
    pub payer: Ref<Partition>,
    /// Pages that are done, or in the hands of the CPU.
    done: u64,
}

impl<P: Platform> State<P> {
    pub(crate) fn region_create(&mut self, caller: &Caller, arguments: &Arguments) -> Progress {
        self.begin_region(caller, arguments).err().map(Outcome::status)
    }

    fn begin_region(&mut self, caller: &Caller, arguments: &Arguments) -> Decoded<()> {
        let payer = self.lookup(caller, arguments.selector, RIGHT_PARTITION_GRANT)?;
        let [pages, flags, ..] = arguments.words;
        if pages == 0 || flags & !(REGION_BELOW_4G | REGION_ALIGN_2M) != 0 {
            return Err(Status::BadArgument);
        }
        let placement = Placement { is_below_4g: flags & REGION_BELOW_4G != 0, is_large: flags & REGION_ALIGN_2M != 0 };
        self.free_selector(caller)?;
        let range = self.take_pages(payer, pages, placement)?;
        let vcpu = self.vcpus.get_mut(caller.vcpu).ok_or(Status::BadSelector)?;
        vcpu.clearing = Some(Clearing { range, payer, done: 0 });
        Ok(())
    }

    /// Finds the next frames to be cleared for a vCPU; when there are none left, its region is made.
    pub(crate) fn next_to_clear(&mut self, reference: Ref<Vcpu>) -> Option<FrameRange> {
        let vcpu = self.vcpus.get_mut(reference)?;
        let Clearing { range, payer, done } = vcpu.clearing?;
        let pages = (range.pages - done).min(CLEARED_PAGES);
        if pages > 0 {
            vcpu.clearing = Some(Clearing { range, payer, done: done + pages });
            return Some(FrameRange { start: Hpa(range.start.0 + done * PAGE_SIZE), pages });
        }
        vcpu.clearing = None;
        let caller = Caller { vcpu: reference, partition: vcpu.partition };
        let made = self.free_selector(&caller).and_then(|at| {
            let region = Region { range, backing: Backing::Memory, payer, origin: at };
            self.enter(at, payer, |state| &mut state.regions, region)
        });
        if made.is_err() {
            self.give_pages(payer, range);
        }
        let vcpu = self.vcpus.get_mut(reference)?;
        vcpu.outcome = match made {
            Ok(selector) => Outcome { badge: Some(selector), ..Outcome::status(Status::Ok) },
            Err(status) => Outcome::status(status),
        };
        vcpu.attention |= attention::OUTCOME;
        None
    }

    /// Takes frames, which somebody used before, on a partition's quota.
    pub(crate) fn take_pages(
        &mut self,
        payer: Ref<Partition>,
        pages: u64,
        placement: Placement,
    ) -> Decoded<FrameRange> {
        let quota = &mut self.partitions.get_mut(payer).ok_or(Status::BadSelector)?.page_quota;
        if pages > quota.left() {
            return Err(Status::NoQuota);
        }
        let range = self.extents.take(pages, placement).ok_or(Status::NoQuota)?;
        quota.charge(pages).map(|()| range)
    }

    /// Gives frames back, and their charge.
    pub(crate) fn give_pages(&mut self, payer: Ref<Partition>, range: FrameRange) {
        if let Some(payer) = self.partitions.get_mut(payer) {
            payer.page_quota.release(range.pages);
        }
        let given = self.extents.give(range);
        debug_assert!(given);
    }

    pub(crate) fn region_info(&mut self, caller: &Caller, arguments: &Arguments) -> Decoded<Answer> {
        let reference: Ref<Region> = self.lookup(caller, arguments.selector, 0)?;
        let rights = self.capability(caller, arguments.selector)?.rights;
        let range = self.regions.get(reference).ok_or(Status::BadSelector)?.range;
        let hpa = if rights & RIGHT_REGION_DMA != 0 { range.start.0 } else { 0 };
        Ok(Answer::value(range.pages).with(&[hpa]))
    }
}
