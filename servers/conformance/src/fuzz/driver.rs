// SPDX-License-Identifier: MIT OR Apache-2.0
//! One CPU's part of the fuzzing: gives its puppets work, counts what came of it, and makes dead ones anew.

use fastrand::Rng;
use sawmill_abi::hypercall::Hypercall;
use sawmill_abi::object::{Kind, SELECTOR_MACHINE, SELECTOR_SELF, SELECTOR_VCPU_BASE};
use sawmill_abi::status::Status;
use sawmill_proto::system::SELECTOR_OWN_CONTROL;
use sawmill_rt::calls::{self, Selector};
use sawmill_rt::event::Events;
use sawmill_rt::time;

use super::coverage;
use super::generate::{self, ADD_TSC, Shadow};
use super::puppet::{ALL_OF_IT, BATCH, Entry, Puppet};

/// Times that a puppet which waits is nudged before it is given up.
const NUDGES: u32 = 3;
/// A pause between two looks at a puppet, ticks.
const PAUSE: u64 = 20_000;
/// Event bit by which puppets are nudged.
const NUDGE_BIT: u64 = 50;

/// What is known of one puppet.
pub struct Worked<'a> {
    /// It.
    pub puppet: Puppet<'a>,
    shadow: Shadow,
    is_alive: bool,
}

impl<'a> Worked<'a> {
    /// Takes a puppet that is not built yet.
    pub const fn new(puppet: Puppet<'a>) -> Self {
        Self { puppet, shadow: Shadow::new(), is_alive: false }
    }
}

/// One CPU's driver.
pub struct Driver {
    /// The source of all decisions.
    pub rng: Rng,
    /// Events of the vCPU it runs on.
    pub events: Events,
    /// CPUs of the machine.
    pub cpus: u64,
    /// The portal that gets the puppets' fault messages.
    pub warden: Selector,
    /// Partitions built.
    pub built: u64,
}

impl Driver {
    /// One batch for one puppet.
    pub fn step(&mut self, worked: &mut Worked<'_>) {
        if !worked.is_alive || self.rng.u16(..400) == 0 {
            self.revive(worked);
        }
        let mut batch: [Entry; BATCH] = [[0; 8]; BATCH];
        match self.rng.u8(..10) {
            0 => generate::survey(&mut self.rng, &mut batch),
            _ => generate::batch(&mut self.rng, &worked.shadow, self.cpus, &mut batch),
        }
        worked.puppet.prepare(&batch);
        worked.is_alive = self.perform(&worked.puppet);
        self.count(worked, &batch);
    }

    fn revive(&mut self, worked: &mut Worked<'_>) {
        worked.shadow = Shadow::new();
        for (selector, kind) in [
            (SELECTOR_SELF, Kind::Partition),
            (SELECTOR_MACHINE, Kind::Machine),
            (SELECTOR_OWN_CONTROL, Kind::Partition),
            (SELECTOR_VCPU_BASE, Kind::Vcpu),
        ] {
            worked.shadow.note(selector, kind as u64);
        }
        // What another CPU's puppets spoiled is done again next time.
        worked.is_alive = worked.puppet.build(&mut self.rng, Some(self.warden)).is_ok();
        self.built += 1;
    }

    /// Lets a puppet work; false if it did not come to its end.
    fn perform(&mut self, puppet: &Puppet<'_>) -> bool {
        let words = [BATCH as u64 - 1, ALL_OF_IT, 0, 0, 0, 0];
        let mut outcome = calls::portal_call(puppet.portal, words);
        for _ in 0..NUDGES {
            if puppet.count(BATCH - 1) != 0 {
                return true;
            }
            match Status::from_raw(outcome.status) {
                Some(Status::PeerDead | Status::BadSelector | Status::BadKind) => return false,
                // It waits for something.
                Some(Status::Timeout) => {
                    let _ = calls::vcpu_signal(puppet.partition, 1, NUDGE_BIT);
                    self.sleep(PAUSE);
                }
                // It has answered before its end: the next call lets it go on.
                _ => outcome = calls::portal_call(puppet.portal, words),
            }
        }
        puppet.count(BATCH - 1) != 0
    }

    fn sleep(&self, ticks: u64) {
        let end = time::tsc() + ticks;
        while time::tsc() < end {
            // A timer always works.
            let _ = calls::timer_set(end);
            let _ = calls::vcpu_wait();
            self.events.take();
        }
        let _ = calls::timer_set(0);
    }

    /// Counts what a batch did, and learns from it.
    fn count(&mut self, worked: &mut Worked<'_>, batch: &[Entry; BATCH]) {
        for (index, entry) in batch.iter().enumerate() {
            let [number, selector, w0, ..] = *entry;
            let call = Hypercall::from_raw(number & !ADD_TSC);
            if worked.puppet.count(index) == 0 {
                // The end of the puppet is all that shows of a partition_exit that works.
                if call == Some(Hypercall::PartitionExit) && w0 < 4 && !worked.is_alive {
                    coverage::note(number, Status::Ok as u64);
                }
                return;
            }
            let Some((status, value)) = worked.puppet.result(index, number & !ADD_TSC) else {
                coverage::note(number & !ADD_TSC, u64::MAX);
                continue;
            };
            coverage::note(number & !ADD_TSC, status);
            if status != Status::Ok as u64 {
                if status == Status::BadSelector as u64 && call == Some(Hypercall::CapabilityIdentify) {
                    worked.shadow.note(selector, Kind::None as u64);
                }
                continue;
            }
            let kind = match call {
                Some(Hypercall::CapabilityIdentify) => {
                    worked.shadow.note(selector, value);
                    continue;
                }
                Some(Hypercall::DeviceBar) => {
                    worked.shadow.note(worked.puppet.result_words(index).1, Kind::Region as u64);
                    continue;
                }
                Some(Hypercall::PartitionCreate) => Kind::Partition,
                Some(Hypercall::VcpuCreate) => Kind::Vcpu,
                Some(Hypercall::RegionCreate) => Kind::Region,
                Some(Hypercall::PortalCreate) => Kind::Portal,
                Some(Hypercall::EventCreate) => Kind::Event,
                Some(Hypercall::IrqCreate) => Kind::Irq,
                Some(Hypercall::DeviceAssign) => Kind::Device,
                _ => continue,
            };
            worked.shadow.note(value, kind as u64);
        }
    }
}
