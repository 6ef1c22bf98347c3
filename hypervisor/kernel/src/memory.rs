// SPDX-License-Identifier: MIT OR Apache-2.0
//! Kernel frames with their charge, and access to guest memory by copying.

use crate::state::{Decoded, State};
use crate::{limits::VCPU_FRAMES, partition::Partition};
use arrayvec::ArrayVec;
use sawmill_abi::{PAGE_SIZE, status::Status};
use sawmill_logic::ept::{self, TableFrames};
use sawmill_logic::platform::{Gpa, Hpa, Platform};
use sawmill_logic::{arena::Ref, frames::FramePool, quota::Quota};

/// Table frames charged to one quota.
pub(crate) struct ChargedFrames<'a> {
    pub pool: &'a mut FramePool,
    pub quota: &'a mut Quota,
}

impl TableFrames for ChargedFrames<'_> {
    fn take(&mut self) -> Option<Hpa> {
        self.quota.charge(1).ok()?;
        let frame = self.pool.take();
        if frame.is_none() {
            self.quota.release(1);
        }
        frame
    }

    fn give(&mut self, frame: Hpa) {
        if self.pool.give(frame) {
            self.quota.release(1);
        }
    }
}

impl<P: Platform> State<P> {
    /// Takes zeroed kernel frames on a partition's quota: all or none.
    pub(crate) fn take_frames(&mut self, payer: Ref<Partition>, count: usize) -> Decoded<ArrayVec<Hpa, VCPU_FRAMES>> {
        if count as u64 > self.frames.left() {
            return Err(Status::NoQuota);
        }
        self.charge(payer, count as u64)?;
        let frames: ArrayVec<Hpa, VCPU_FRAMES> =
            (0..count.min(VCPU_FRAMES)).filter_map(|_| self.frames.take()).collect();
        for frame in &frames {
            self.platform.zero_page(*frame);
        }
        Ok(frames)
    }

    /// Gives frames of [`Self::take_frames`] back.
    pub(crate) fn give_frames(&mut self, payer: Ref<Partition>, frames: &[Hpa]) {
        for frame in frames {
            self.frames.give(*frame);
        }
        self.release(payer, frames.len() as u64);
    }

    /// Finds guest memory that lies in one page and is mapped with these rights.
    pub(crate) fn guest_memory(&self, partition: Ref<Partition>, gpa: Gpa, length: u64, rights: u64) -> Decoded<Hpa> {
        if length > PAGE_SIZE || gpa.0 % PAGE_SIZE + length > PAGE_SIZE {
            return Err(Status::BadAddress);
        }
        let partition = self.partitions.get(partition).ok_or(Status::BadSelector)?;
        let found = ept::translate(self.platform, partition.ept_root, gpa).ok_or(Status::BadAddress)?;
        if found.rights & rights == rights { Ok(found.hpa) } else { Err(Status::BadAddress) }
    }

    /// Finds a whole writable guest page.
    pub(crate) fn guest_page(&self, partition: Ref<Partition>, gpa: Gpa) -> Decoded<Hpa> {
        if !gpa.0.is_multiple_of(PAGE_SIZE) {
            return Err(Status::BadAddress);
        }
        self.guest_memory(partition, gpa, PAGE_SIZE, ept::READ | ept::WRITE)
    }
}
