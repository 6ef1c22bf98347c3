// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls that could work: for each row of the table, arguments of the right kinds.

use fastrand::Rng;
use sawmill_abi::PAGE_SIZE;
use sawmill_abi::hypercall::Hypercall;
use sawmill_abi::object::{Kind, RIGHT_ALL, SELECTOR_MACHINE};
use sawmill_abi::status::REPLY_NONE;
use sawmill_proto::system::SELECTOR_OWN_CONTROL;

use super::generate::{ADD_TSC, Shadow};
use super::puppet::{CODE, Entry, PAGES, TABLES};

/// Bytes of a puppet's memory.
const MEMORY: u64 = PAGES * PAGE_SIZE;
/// Where puppets map what they are given.
const PLAYGROUND: u64 = 0x40_0000;

/// Makes a call that has a fair chance to work.
pub fn entry(rng: &mut Rng, shadow: &Shadow, call: Hypercall, cpus: u64) -> Entry {
    let pick = |rng: &mut Rng, kind| shadow.pick(rng, kind);
    let machine = SELECTOR_MACHINE;
    let page = own_page(rng);
    let place = PLAYGROUND + rng.u64(..64) * PAGE_SIZE;
    let random = |rng: &mut Rng| rng.u64(..);
    let (selector, words) = match call {
        Hypercall::AbiVersion | Hypercall::VcpuWait => (0, [0; 6]),
        Hypercall::PortalCall => (pick(rng, Kind::Portal), [rng.u64(..64), random(rng), 2, 3, 4, 5]),
        Hypercall::PortalReplyWait => (one_of(rng, &[REPLY_NONE, 0, 12, 99]), [1, 0, 2, 3, 4, 5]),
        Hypercall::PortalReply => (rng.u64(..20), [0, 1, 2, 3, 4, random(rng)]),
        Hypercall::TimerSet => {
            let deadline = one_of(rng, &[0, 1, 2_000, 50_000]);
            return [call as u64 | ADD_TSC, 0, deadline, 0, 0, 0, 0, 0];
        }
        Hypercall::EventSignal => (pick(rng, Kind::Event), [0; 6]),
        Hypercall::VcpuSignal => (pick(rng, Kind::Partition), [rng.u64(..4), rng.u64(..256), 0, 0, 0, 0]),
        Hypercall::ConsoleWrite | Hypercall::ConsoleRead => {
            (0, [rng.u64(..2), page + rng.u64(..4000), rng.u64(..16), 0, 0, 0])
        }
        Hypercall::PartitionExit => (0, [rng.u64(..6), random(rng), 0, 0, 0, 0]),
        Hypercall::TraceMark => (0, [random(rng), random(rng), 0, 0, 0, 0]),
        Hypercall::CapabilityCopy => {
            let slot = if rng.bool() { 0 } else { 3 + rng.u64(..253) };
            let rights = if rng.bool() { RIGHT_ALL } else { rng.u64(..=RIGHT_ALL) };
            (shadow.any(rng), [pick(rng, Kind::Partition), slot, rights, one_of(rng, &[0, 0, 1, 77]), 0, 0])
        }
        Hypercall::CapabilityRevoke => (shadow.any(rng), [rng.u64(..2), 0, 0, 0, 0, 0]),
        Hypercall::CapabilityIdentify => (shadow.any(rng), [0; 6]),
        Hypercall::PartitionCreate => {
            (pick(rng, Kind::Partition), [random(rng), 0, rng.u64(1..48), rng.u64(..32), 0, 0])
        }
        Hypercall::PartitionDestroy => (pick(rng, Kind::Partition), [0; 6]),
        Hypercall::PartitionSetHandler => (controlled(rng, shadow), [pick(rng, Kind::Portal), 0, 0, 0, 0, 0]),
        Hypercall::PartitionStatistics => (pick(rng, Kind::Partition), [page, 0, 0, 0, 0, 0]),
        Hypercall::PartitionGrantPorts => {
            (controlled(rng, shadow), [machine, rng.u64(..0x1_0000), rng.u64(..64), 0, 0, 0])
        }
        Hypercall::PartitionSetConsole => (controlled(rng, shadow), [machine, rng.u64(..2), 0, 0, 0, 0]),
        Hypercall::VcpuCreate => {
            let event_page = one_of(rng, &[page, page, place]);
            (controlled(rng, shadow), [rng.u64(..8), rng.u64(..cpus), rng.u64(..8), event_page, 0, 0])
        }
        Hypercall::VcpuStart => {
            let rip = one_of(rng, &[CODE, CODE, page, page + 1, place]);
            (pick(rng, Kind::Vcpu), [rip, page, one_of(rng, &[TABLES, TABLES, page]), random(rng), 0, 0])
        }
        Hypercall::RegionCreate => (pick(rng, Kind::Partition), [rng.u64(1..20), rng.u64(..4), 0, 0, 0, 0]),
        Hypercall::RegionMap => {
            (pick(rng, Kind::Region), [controlled(rng, shadow), place, rng.u64(..4), rng.u64(1..8), rng.u64(1..8), 0])
        }
        Hypercall::RegionUnmap => (controlled(rng, shadow), [place, rng.u64(..16), 0, 0, 0, 0]),
        Hypercall::RegionInfo => (pick(rng, Kind::Region), [0; 6]),
        Hypercall::PortalCreate => (pick(rng, Kind::Partition), [rng.u64(10_000..400_000), 0, 0, 0, 0, 0]),
        Hypercall::EventCreate => (pick(rng, Kind::Vcpu), [rng.u64(..256), 0, 0, 0, 0, 0]),
        Hypercall::IrqCreate => (machine, [rng.u64(..3), rng.u64(..24), rng.u64(..4), pick(rng, Kind::Event), 0, 0]),
        Hypercall::IrqAcknowledge => (pick(rng, Kind::Irq), [0; 6]),
        Hypercall::DeviceFind => (machine, [rng.u64(..12), 0, 0, 0, 0, 0]),
        Hypercall::DeviceAssign => {
            (controlled(rng, shadow), [machine, one_of(rng, &[0x09, 0x10, 0x18, 0x20]), 1, 0, 0, 0])
        }
        Hypercall::DeviceConfigRead => {
            (pick(rng, Kind::Device), [rng.u64(..64) * 4, one_of(rng, &[1, 2, 4]), 0, 0, 0, 0])
        }
        Hypercall::DeviceConfigWrite => (
            pick(rng, Kind::Device),
            [rng.u64(..64) * 4, one_of(rng, &[1, 2, 4]), one_of(rng, &[0, 7, u64::MAX, 0x1234_5678]), 0, 0, 0],
        ),
        Hypercall::DeviceBar => (pick(rng, Kind::Device), [rng.u64(..7), 0, 0, 0, 0, 0]),
        Hypercall::DeviceMsi => (pick(rng, Kind::Device), [rng.u64(..3), rng.u64(..2), pick(rng, Kind::Irq), 0, 0, 0]),
        Hypercall::TraceControl => (machine, [one_of(rng, &[0, 0, 0, 0xff, u64::MAX]), 0, 0, 0, 0, 0]),
        Hypercall::TraceRead => (machine, [rng.u64(..cpus), one_of(rng, &[0, 100, u64::MAX]), page, 0, 0, 0]),
        Hypercall::MachineShutdown => (machine, [2 + rng.u64(..8), 0, 0, 0, 0, 0]),
    };
    let [w0, w1, w2, w3, w4, w5] = words;
    [call as u64, selector, w0, w1, w2, w3, w4, w5]
}

/// A partition, mostly the puppet's own, by the capability with all rights.
fn controlled(rng: &mut Rng, shadow: &Shadow) -> u64 {
    if rng.bool() { SELECTOR_OWN_CONTROL } else { shadow.pick(rng, Kind::Partition) }
}

/// A page of the puppet's own memory: mostly one of those that are there to play with, at times one it lives on.
fn own_page(rng: &mut Rng) -> u64 {
    match rng.u8(..16) {
        0 => one_of(rng, &[0, 1, 2, 3, 4, 8, 15, 16, 17]) * PAGE_SIZE,
        _ => MEMORY - PAGE_SIZE * rng.u64(1..15),
    }
}

/// One of several.
pub fn one_of<const N: usize>(rng: &mut Rng, choices: &[u64; N]) -> u64 {
    choices.get(rng.usize(..N)).copied().unwrap_or(0)
}
