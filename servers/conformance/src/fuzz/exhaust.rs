// SPDX-License-Identifier: MIT OR Apache-2.0
//! Interrupts and devices, which only a holder of the machine can make: made until they are refused, and released.

use sawmill_abi::machine::{DEVICE_UNSAFE_DMA, IRQ_KIND_MSI};
use sawmill_abi::object::SELECTOR_VCPU_BASE;
use sawmill_abi::status::Status;
use sawmill_conformance::account;
use sawmill_conformance::check::{Verdict, Why, ensure, equal, refused, works};
use sawmill_rt::calls::{self, SELF, Selector};
use sawmill_rt::println;

use super::run::OWN;

/// Bit of the event that the interrupts are bound to.
const EVENT_BIT: u64 = 60;
/// Frames that are left for interrupts.
const INTERRUPT_FRAMES: u64 = 24;
/// Frames of a partition that gets devices, and what the bitmaps of its ports cost.
const PARTITION_FRAMES: u64 = 12;
const BITMAP_FRAMES: u64 = 2;
/// Frames that are left for devices; the machine has more of them.
const DEVICE_FRAMES: u64 = 2;

/// Uses up what there is for interrupts and devices.
pub fn exhaust() -> Verdict {
    let before = account::charged(OWN)?;
    let event = works(calls::event_create(Selector(SELECTOR_VCPU_BASE), EVENT_BIT), "event_create")?;
    let interrupt = || calls::irq_create(IRQ_KIND_MSI, 0, 0, event);
    let vectors = account::exhaust(OWN, Status::NoSlot, interrupt)?;
    let other = leave(OWN, INTERRUPT_FRAMES)?;
    let interrupts = account::exhaust(OWN, Status::NoQuota, interrupt)?;
    destroy(&[other, event])?;
    let devices = devices()?;
    ports_without_room()?;
    let after = account::charged(OWN)?;
    equal(after.0, before.0, "kernel frames after interrupts and devices")?;
    equal(after.1, before.1, "region pages after interrupts and devices")?;
    println!("exhausted: {vectors} vectors, {interrupts} interrupts and {devices} devices of a quota");
    Ok(())
}

/// Makes a partition on an account.
fn partition(payer: Selector, frames: u64) -> Result<Selector, Why> {
    let made = calls::partition_create(payer, *b"account\0\0\0\0\0\0\0\0\0", frames, 0);
    works(made, "partition_create").map(|(partition, _)| partition)
}

/// Leaves an account so many frames: the rest goes to a partition on it, which is returned.
fn leave(payer: Selector, frames: u64) -> Result<Selector, Why> {
    let page = account::of(payer)?;
    partition(payer, page.kernel_quota_frames.saturating_sub(page.kernel_frames + frames))
}

fn destroy(all: &[Selector]) -> Verdict {
    all.iter().try_for_each(|selector| works(calls::capability_destroy(*selector), "destroy").map(drop))
}

fn devices() -> Result<u64, Why> {
    let owner = partition(SELF, PARTITION_FRAMES)?;
    let rest = leave(owner, BITMAP_FRAMES + DEVICE_FRAMES)?;
    // The bitmaps of its ports stay when a device goes.
    works(calls::partition_grant_ports(owner, 0x80, 1), "partition_grant_ports")?;
    let mut index = 0;
    let count = account::exhaust(owner, Status::NoQuota, || {
        let [address, ..] = calls::device_find(index)?;
        let made = calls::device_assign(owner, address, DEVICE_UNSAFE_DMA).map(|(device, _)| device);
        // A function can be assigned once; after the refusal all are free again.
        index = if made.is_ok() { index + 1 } else { 0 };
        made
    })?;
    destroy(&[rest, owner])?;
    equal(count, DEVICE_FRAMES, "devices of a quota")?;
    Ok(count)
}

/// There is room for a device, and none for the bitmaps of its ports: it is not assigned at all.
fn ports_without_room() -> Verdict {
    let owner = partition(SELF, PARTITION_FRAMES)?;
    let rest = leave(owner, 1)?;
    let before = account::charged(owner)?;
    let mut refusals = 0;
    for index in 0.. {
        let Ok([address, ..]) = calls::device_find(index) else { break };
        match calls::device_assign(owner, address, DEVICE_UNSAFE_DMA) {
            Ok((device, _)) => destroy(&[device])?,
            other => {
                refused(other, Status::NoQuota, "ports without room")?;
                refusals += 1;
            }
        }
        equal(account::charged(owner)?.0, before.0, "kernel frames after a refused device")?;
    }
    ensure(refusals > 0, "no device with ports", 0)?;
    destroy(&[rest, owner])
}
