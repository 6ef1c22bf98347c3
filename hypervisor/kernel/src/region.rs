// SPDX-License-Identifier: MIT OR Apache-2.0
//! Regions: contiguous frames with an owner who pays for them.

use crate::hypercall::{Answer, Arguments};
use crate::state::{Decoded, State};
use crate::{lookup::Caller, partition::Partition};
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

impl<P: Platform> State<P> {
    pub(crate) fn region_create(&mut self, caller: &Caller, arguments: &Arguments) -> Decoded<Answer> {
        let payer = self.lookup(caller, arguments.selector, RIGHT_PARTITION_GRANT)?;
        let [pages, flags, ..] = arguments.words;
        if pages == 0 || flags & !(REGION_BELOW_4G | REGION_ALIGN_2M) != 0 {
            return Err(Status::BadArgument);
        }
        let placement = Placement { is_below_4g: flags & REGION_BELOW_4G != 0, is_large: flags & REGION_ALIGN_2M != 0 };
        let at = self.free_selector(caller)?;
        let selector = self.make_region(payer, pages, placement, at)?.1;
        Ok(Answer::value(selector))
    }

    /// Allocates zeroed frames as a region.
    pub(crate) fn make_region(
        &mut self,
        payer: Ref<Partition>,
        pages: u64,
        placement: Placement,
        at: Position,
    ) -> Decoded<(FrameRange, u64)> {
        let range = self.extents.take(pages, placement).ok_or(Status::NoQuota)?;
        let region = Region { range, backing: Backing::Memory, payer, origin: at };
        let selector = self.enter_region(region, at).inspect_err(|_| {
            let given = self.extents.give(range);
            debug_assert!(given);
        })?;
        for page in 0..pages {
            self.platform.zero_page(Hpa(range.start.0 + page * PAGE_SIZE));
        }
        Ok((range, selector))
    }

    /// Enters a region and charges its payer, also for its pages if they are memory.
    pub(crate) fn enter_region(&mut self, region: Region, at: Position) -> Decoded<u64> {
        let payer = region.payer;
        let pages = if region.backing == Backing::Memory { region.range.pages } else { 0 };
        self.partitions.get_mut(payer).ok_or(Status::BadSelector)?.page_quota.charge(pages)?;
        let entered = self.enter(at, payer, |state| &mut state.regions, region);
        if let (Err(_), Some(paying)) = (entered, self.partitions.get_mut(payer)) {
            paying.page_quota.release(pages);
        }
        entered
    }

    pub(crate) fn region_info(&mut self, caller: &Caller, arguments: &Arguments) -> Decoded<Answer> {
        let reference: Ref<Region> = self.lookup(caller, arguments.selector, 0)?;
        let rights = self.capability(caller, arguments.selector)?.rights;
        let range = self.regions.get(reference).ok_or(Status::BadSelector)?.range;
        let hpa = if rights & RIGHT_REGION_DMA != 0 { range.start.0 } else { 0 };
        Ok(Answer::value(range.pages).with(&[hpa]))
    }
}
