// SPDX-License-Identifier: MIT OR Apache-2.0
//! Random calls: such as could work, mutated, or of no sense at all.

use fastrand::Rng;
use sawmill_abi::hypercall::{Hypercall, TABLE};
use sawmill_abi::machine::{IRQ_KIND_GSI, IRQ_KIND_ISA, SHUTDOWN_RESET};
use sawmill_abi::object::{Kind, SELECTOR_COUNT};

use super::puppet::{BATCH, Entry};
use super::template::{self, one_of};

/// In a number: the puppet adds the time stamp counter to w0.
pub const ADD_TSC: u64 = 1 << 40;

/// A bit for each selector.
type Set = [u64; SELECTOR_COUNT as usize / 64];
/// Kinds of objects, `Kind::None` among them.
const KINDS: usize = Kind::Machine as usize + 1;

/// What a puppet's selectors name, as far as known; wrong where others had their hands in it.
pub struct Shadow([Set; KINDS]);

/// The first selector of a set from `start` on, or before it.
fn find(set: &Set, start: u64) -> Option<u64> {
    let (first, bit) = (start / 64 % set.len() as u64, start % 64);
    let turn = (0..).zip(set.iter().cycle().skip(first as usize)).take(set.len() + 1);
    let mut words = turn.map(|(step, word)| {
        let wanted = if step == 0 { u64::MAX << bit } else { u64::MAX };
        ((first + step) % set.len() as u64 * 64, word & wanted)
    });
    words.find(|(_, word)| *word != 0).map(|(base, word)| base + u64::from(word.trailing_zeros()))
}

impl Shadow {
    /// Nothing is known.
    pub const fn new() -> Self {
        Self([[0; SELECTOR_COUNT as usize / 64]; KINDS])
    }

    /// Notes what a selector names; `Kind::None` for nothing.
    pub fn note(&mut self, selector: u64, kind: u64) {
        for (number, set) in (0..).zip(&mut self.0) {
            if let Some(word) = set.get_mut((selector / 64) as usize) {
                let bit = 1 << (selector % 64);
                *word = if number == kind && kind != Kind::None as u64 { *word | bit } else { *word & !bit };
            }
        }
    }

    /// A selector of this kind; at times one that is anything else.
    pub fn pick(&self, rng: &mut Rng, kind: Kind) -> u64 {
        let is_wanted = rng.u8(..16) != 0;
        let known = self.0.get(kind as usize).filter(|_| is_wanted);
        known.and_then(|set| find(set, rng.u64(..SELECTOR_COUNT))).unwrap_or_else(|| rng.u64(..SELECTOR_COUNT + 2))
    }

    /// A selector that names something, if luck has it.
    pub fn any(&self, rng: &mut Rng) -> u64 {
        // The first ones are what a puppet lives on: they are rarely touched.
        let first = if rng.u8(..32) == 0 { 0 } else { 32 };
        let start = rng.u64(first..SELECTOR_COUNT);
        let all = self.0.iter().fold(Set::default(), |all, set| core::array::from_fn(|word| all[word] | set[word]));
        find(&all, start).filter(|selector| *selector >= start).unwrap_or(start)
    }
}

/// Fills a batch.
pub fn batch(rng: &mut Rng, shadow: &Shadow, cpus: u64, batch: &mut [Entry; BATCH]) {
    let mut is_rest = false;
    for entry in batch {
        let call = if core::mem::take(&mut is_rest) { waiting(rng) } else { row(rng) };
        if is_waiting(call) && !is_rest && rng.u8(..8) != 0 {
            // Something ends the wait that comes next.
            *entry = [Hypercall::TimerSet as u64 | ADD_TSC, 0, 1_000, 0, 0, 0, 0, 0];
            is_rest = true;
            continue;
        }
        *entry = template::entry(rng, shadow, call, cpus);
        if rng.u8(..4) == 0 {
            mutate(rng, entry);
        }
        spare_the_machine(entry);
    }
}

/// Asks what each of 64 selectors names.
pub fn survey(rng: &mut Rng, batch: &mut [Entry; BATCH]) {
    let first = rng.u64(..SELECTOR_COUNT / BATCH as u64) * BATCH as u64;
    for (selector, entry) in (first..).zip(batch) {
        *entry = [Hypercall::CapabilityIdentify as u64, selector, 0, 0, 0, 0, 0, 0];
    }
}

fn is_waiting(call: Hypercall) -> bool {
    matches!(call, Hypercall::VcpuWait | Hypercall::PortalReplyWait)
}

fn waiting(rng: &mut Rng) -> Hypercall {
    if rng.bool() { Hypercall::VcpuWait } else { Hypercall::PortalReplyWait }
}

/// Any row; those that end or stop a puppet are rare.
fn row(rng: &mut Rng) -> Hypercall {
    loop {
        let call = TABLE.get(rng.usize(..TABLE.len())).map_or(Hypercall::AbiVersion, |entry| entry.call);
        let one_in = match call {
            Hypercall::PartitionExit | Hypercall::PartitionDestroy => 64,
            Hypercall::VcpuWait | Hypercall::PortalReplyWait | Hypercall::VcpuStart => 8,
            Hypercall::ConsoleWrite | Hypercall::PortalReply | Hypercall::CapabilityRevoke => 6,
            _ => 1,
        };
        if rng.u8(..one_in) == 0 {
            return call;
        }
    }
}

/// Changes one or two of number, selector and words.
fn mutate(rng: &mut Rng, entry: &mut Entry) {
    for _ in 0..rng.u8(1..3) {
        let index = rng.usize(..entry.len());
        let value = match rng.u8(..8) {
            0 => rng.u64(..),
            1 => rng.u64(..SELECTOR_COUNT),
            2 => rng.u64(..0x200) << 12,
            3 => 1 << rng.u32(..64),
            4 => one_of(rng, &[0, u64::MAX, 1 << 47, 1 << 52, u64::MAX << 47, i64::MAX as u64]),
            5 => entry.get(index).map_or(0, |old| old ^ 1 << rng.u32(..64)),
            6 => entry.get(index).map_or(0, |old| old.wrapping_add(rng.u64(..3)).wrapping_sub(1)),
            _ => rng.u64(..8),
        };
        if let Some(place) = entry.get_mut(index) {
            *place = value;
        }
    }
}

/// Changes what whoever holds the machine may do to it, and what would only end the run.
fn spare_the_machine(entry: &mut Entry) {
    let [number, _, w0, w1, w2, ..] = entry;
    match Hypercall::from_raw(*number & !ADD_TSC) {
        Some(Hypercall::TimerSet) => {}
        Some(call) => *number = call as u64,
        None => {}
    }
    match Hypercall::from_raw(*number) {
        Some(Hypercall::MachineShutdown) if *w0 <= SHUTDOWN_RESET => *w0 += 2,
        // Bridges hold the machine together: host bridge, ISA bridge, its power management.
        Some(Hypercall::DeviceAssign) if matches!(*w1, 0 | 0x08 | 0x0b) => *w1 = 0x09,
        // Ports where nothing is.
        Some(Hypercall::PartitionGrantPorts) if w1.checked_add(*w2).is_some_and(|end| end <= 0x1_0000) => {
            *w1 = 0x8000 | *w1 & 0xfff;
            *w2 &= 0xfff;
        }
        // Nobody above the fuzzer, who has to watch them.
        Some(Hypercall::VcpuCreate) if *w2 < 8 => *w2 &= 3,
        // The console's line.
        Some(Hypercall::IrqCreate) if (*w0 == IRQ_KIND_GSI || *w0 == IRQ_KIND_ISA) && *w1 == 4 => *w1 = 5,
        // The log is for people.
        Some(Hypercall::ConsoleWrite) if *w2 <= 4096 => *w2 &= 15,
        _ => {}
    }
}
