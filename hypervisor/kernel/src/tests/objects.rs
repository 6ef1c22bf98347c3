// SPDX-License-Identifier: MIT OR Apache-2.0
//! Objects: creation until refusal, release, revocation, and what each costs.

use super::world::{Guest, ROOT, World};
use crate::limits::CLEARED_PAGES;
use sawmill_abi::event::EVENT_FIRST_FREE;
use sawmill_abi::hypercall::Hypercall;
use sawmill_abi::machine::{DEVICE_UNSAFE_DMA, IRQ_KIND_GSI, IRQ_KIND_ISA, IRQ_KIND_MSI, MESSAGE_MSI, MESSAGE_MSIX};
use sawmill_abi::object::{
    RIGHT_ALL, RIGHT_COPY, RIGHT_REGION_READ, SELECTOR_MACHINE, SELECTOR_SELF, SELECTOR_VCPU_BASE,
};
use sawmill_abi::status::{REPLY_NONE, Status};
use sawmill_logic::extents::Placement;
use sawmill_logic::platform::{Exit, Hpa, PhysicalMemory, Registers};

fn status(world: &World, call: Hypercall, selector: u64, words: &[u64]) -> Status {
    Status::from_raw(world.root(call, selector, words).rax).unwrap()
}

#[test]
fn everything_comes_back_when_it_is_released() {
    let world = World::new(2);
    let victim = world.guest("victim", 1, 3);
    world.turns(1, 2);
    let before = world.resources();
    let kinds: [(&str, Hypercall, u64, &[u64]); 6] = [
        ("partition", Hypercall::PartitionCreate, SELECTOR_SELF, &[0x61, 0, 4, 4]),
        ("region", Hypercall::RegionCreate, SELECTOR_SELF, &[3, 0]),
        ("portal", Hypercall::PortalCreate, SELECTOR_SELF, &[0]),
        ("event", Hypercall::EventCreate, SELECTOR_VCPU_BASE, &[EVENT_FIRST_FREE]),
        ("irq", Hypercall::IrqCreate, SELECTOR_MACHINE, &[IRQ_KIND_MSI, 0, 0, 0]),
        ("device", Hypercall::DeviceAssign, victim.partition, &[SELECTOR_MACHINE, 0x18, DEVICE_UNSAFE_DMA]),
    ];
    for (name, call, selector, words) in kinds {
        let mut words = words.to_vec();
        let event = world.root_ok(Hypercall::EventCreate, SELECTOR_VCPU_BASE, &[99]);
        if call == Hypercall::IrqCreate {
            words[3] = event;
        }
        let mut made = Vec::new();
        let refusal = loop {
            let registers = world.root(call, selector, &words);
            match Status::from_raw(registers.rax).unwrap() {
                Status::Ok => made.push(registers.rbx),
                refusal => break refusal,
            }
            assert!(made.len() <= 256, "{name}: never refused");
        };
        assert!(matches!(refusal, Status::NoSlot | Status::NoQuota | Status::Busy), "{name}: {refusal:?}");
        assert!(!made.is_empty(), "{name}: none could be made");
        for selector in made.into_iter().chain([event]) {
            world.root_ok(Hypercall::CapabilityRevoke, selector, &[1]);
        }
        assert_eq!(world.resources(), before, "{name}");
    }
}

#[test]
fn mappings_come_back_and_tables_are_charged_to_the_target() {
    let world = World::new(1);
    let guest = world.guest("guest", 0, 3);
    let before = world.resources();
    let region = world.root_ok(Hypercall::RegionCreate, SELECTOR_SELF, &[8, 0]);
    let mut count = 0;
    // Each in another 1 GiB: two tables each, until the guest's quota is used up.
    while status(&world, Hypercall::RegionMap, region, &[guest.partition, (count + 1) << 30, 0, 8, 3]) == Status::Ok {
        count += 1;
        assert!(count < 100);
    }
    assert!(count > 5);
    world.root_ok(Hypercall::CapabilityRevoke, region, &[1]);
    assert_eq!(world.resources(), before);
    assert!(world.translate(guest.id, 1 << 30).is_none());
}

#[test]
fn mapping_that_fails_half_way_is_not_used_any_more() {
    let world = World::new(1);
    let guest = world.guest("guest", 0, 3);
    let region = world.root_ok(Hypercall::RegionCreate, SELECTOR_SELF, &[576, 0]);
    // Leaves of 4 KiB to the end of one table, and no frame for the next table.
    let map = |gpa: u64| status(&world, Hypercall::RegionMap, region, &[guest.partition, gpa, 1, 550, 3]);
    let left = {
        let state = world.kernel.state.lock();
        let partition = state.partitions.get(state.partitions.at(guest.id as usize - 1).unwrap()).unwrap();
        partition.kernel_quota.left()
    };
    // What the mapping itself costs, and its tables but for the last.
    let spare = world.root_ok(Hypercall::PartitionCreate, guest.partition, &[0x64, 0, left - 4, 0]);
    let invalidations = || {
        world.park_root();
        world.turns(0, 2);
        world.wake_root();
        world.turns(0, 2);
        world.machine.invalidated.lock().unwrap().len()
    };
    let before = invalidations();
    assert_eq!(invalidations(), before, "nothing was taken away");
    assert_eq!(map(1 << 40), Status::NoQuota);
    assert!(world.translate(guest.id, 1 << 40).is_none());
    assert!(invalidations() > before, "the guest goes on with what it may have cached");
    world.root_ok(Hypercall::PartitionDestroy, spare, &[]);
    assert_eq!(map(1 << 40), Status::Ok);
}

#[test]
fn partition_gives_everything_back_when_it_dies() {
    let world = World::new(2);
    world.turns(1, 2);
    let before = world.resources();
    for round in 0..3 {
        let parent = world.guest("parent", round % 2, 3);
        // It has children, regions, a device, ports and an event page in its own right.
        let child = world.root(Hypercall::PartitionCreate, parent.partition, &[0x62, 0, 20, 100]).rbx;
        let grandchild = world.root(Hypercall::PartitionCreate, child, &[0x63, 0, 5, 5]).rbx;
        let region = world.root_ok(Hypercall::RegionCreate, child, &[16, 0]);
        world.root_ok(Hypercall::RegionMap, region, &[grandchild, 0, 0, 16, 7]);
        world.root_ok(Hypercall::RegionMap, region, &[child, 0x1_0000, 0, 16, 3]);
        world.root_ok(Hypercall::PartitionGrantPorts, parent.partition, &[SELECTOR_MACHINE, 0x3f8, 8]);
        world.root_ok(Hypercall::DeviceAssign, parent.partition, &[SELECTOR_MACHINE, 9, DEVICE_UNSAFE_DMA]);
        let portal = world.root_ok(Hypercall::PortalCreate, parent.partition, &[0]);
        let event = world.root_ok(Hypercall::EventCreate, parent.vcpu, &[20]);
        world.give(portal, parent, RIGHT_ALL, 3);
        world.root_ok(Hypercall::PartitionDestroy, parent.partition, &[]);
        world.turns(1, 2);
        // The ends that others hold stay as tombstones until they are released, too.
        assert_eq!(status(&world, Hypercall::EventSignal, event, &[]), Status::PeerDead);
        for tombstone in [portal, event, parent.memory] {
            world.root_ok(Hypercall::CapabilityRevoke, tombstone, &[1]);
        }
        world.turns(1, 1);
        assert_eq!(world.resources(), before, "round {round}");
    }
}

#[test]
fn revoking_a_copy_unmaps_what_was_mapped_through_it() {
    let world = World::new(1);
    let guest = world.guest("guest", 0, 3);
    let region = world.root_ok(Hypercall::RegionCreate, SELECTOR_SELF, &[2, 0]);
    let copy = world.root_ok(Hypercall::CapabilityCopy, region, &[SELECTOR_SELF, 0, RIGHT_REGION_READ | RIGHT_COPY, 0]);
    let weaker = world.root_ok(Hypercall::CapabilityCopy, copy, &[SELECTOR_SELF, 0, RIGHT_REGION_READ, 0]);
    assert_eq!(status(&world, Hypercall::RegionMap, copy, &[guest.partition, 1 << 30, 0, 2, 3]), Status::NoRight);
    world.root_ok(Hypercall::RegionMap, weaker, &[guest.partition, 1 << 30, 0, 2, 1]);
    world.root_ok(Hypercall::RegionMap, region, &[guest.partition, 2 << 30, 0, 2, 3]);
    assert_eq!(world.root_ok(Hypercall::CapabilityRevoke, copy, &[1]), 2);
    assert!(world.translate(guest.id, 1 << 30).is_none());
    assert!(world.translate(guest.id, 2 << 30).is_some());
    assert_eq!(status(&world, Hypercall::CapabilityIdentify, weaker, &[]), Status::BadSelector);
}

#[test]
fn event_page_in_destroyed_memory_is_not_written() {
    let world = World::new(1);
    let guest = world.guest("guest", 0, 3);
    let page = world.translate(guest.id, 0x9_1000).unwrap().hpa;
    world.root_ok(Hypercall::CapabilityRevoke, guest.memory, &[1]);
    world.machine.zero_page(page);
    let event = world.root_ok(Hypercall::EventCreate, guest.vcpu, &[9]);
    world.root_ok(Hypercall::EventSignal, event, &[]);
    assert_eq!(world.machine.read_u64(page), 0);
}

#[test]
fn event_page_is_taken_away_with_its_mapping() {
    let world = World::new(1);
    let guest = world.guest("guest", 0, 3);
    let region = world.root_ok(Hypercall::RegionCreate, SELECTOR_SELF, &[2, 0]);
    for is_revoked in [true, false] {
        let copy = world.root_ok(Hypercall::CapabilityCopy, region, &[SELECTOR_SELF, 0, RIGHT_ALL, 0]);
        world.root_ok(Hypercall::RegionMap, copy, &[guest.partition, 1 << 30, 0, 2, 3]);
        let page = world.translate(guest.id, (1 << 30) + 4096).unwrap().hpa;
        let words = [1, 0, 3, (1 << 30) + 4096];
        let vcpu = world.root_ok(Hypercall::VcpuCreate, guest.partition, &words);
        let event = world.root_ok(Hypercall::EventCreate, vcpu, &[9]);
        world.root_ok(Hypercall::EventSignal, event, &[]);
        assert_eq!(world.machine.read_u64(page), 1 << 9);
        if is_revoked {
            world.root_ok(Hypercall::CapabilityRevoke, region, &[0]);
        } else {
            world.root_ok(Hypercall::RegionUnmap, guest.partition, &[1 << 30, 2]);
        }
        world.machine.zero_page(page);
        world.root_ok(Hypercall::EventSignal, event, &[]);
        assert_eq!(world.machine.read_u64(page), 0, "the region is its owner's alone again");
        world.root_ok(Hypercall::CapabilityRevoke, vcpu, &[1]);
        world.turns(0, 2);
    }
}

#[test]
fn level_interrupt_is_masked_until_it_is_acknowledged() {
    let world = World::new(1);
    let event = world.root_ok(Hypercall::EventCreate, SELECTOR_VCPU_BASE, &[30]);
    let pin = world.root_ok(Hypercall::IrqCreate, SELECTOR_MACHINE, &[0, 11, 3, event]);
    let edge = world.root_ok(Hypercall::IrqCreate, SELECTOR_MACHINE, &[IRQ_KIND_ISA, 14, 0, event]);
    let is_masked = |gsi: u32| world.machine.masked.lock().unwrap()[&gsi];
    assert!(!is_masked(11) && !is_masked(14));
    for vector in [0x30, 0x31] {
        world.push(ROOT, Exit::ExternalInterrupt { vector }, None);
        world.turns(0, 2);
    }
    assert!(is_masked(11) && !is_masked(14));
    world.root_ok(Hypercall::IrqAcknowledge, pin, &[]);
    assert!(!is_masked(11));
    // With a wait, and a signal beside it that ends this one. What does not fit changes nothing.
    for (words, is_acknowledged) in [([event, pin], false), ([pin, event], true)] {
        world.push(ROOT, Exit::ExternalInterrupt { vector: 0x30 }, None);
        world.turns(0, 2);
        if is_acknowledged {
            world.clear_events(ROOT);
        }
        assert_eq!(status(&world, Hypercall::PortalReplyWait, REPLY_NONE, &words), Status::Interrupted);
        assert_eq!(is_masked(11), !is_acknowledged);
    }
    assert_eq!(status(&world, Hypercall::IrqCreate, SELECTOR_MACHINE, &[0, 11, 3, event]), Status::Busy);
    world.root_ok(Hypercall::CapabilityRevoke, edge, &[1]);
    assert!(is_masked(14));
}

#[test]
fn console_interrupt_is_nobodys() {
    let world = World::new(1);
    let event = world.root_ok(Hypercall::EventCreate, SELECTOR_VCPU_BASE, &[30]);
    for kind in [IRQ_KIND_GSI, IRQ_KIND_ISA] {
        assert_eq!(status(&world, Hypercall::IrqCreate, SELECTOR_MACHINE, &[kind, 4, 0, event]), Status::Busy);
    }
    assert!(world.machine.masked.lock().unwrap().is_empty(), "the pin was not touched");
}

/// Pages of a region that is cleared in several pieces.
const MANY: u64 = 3 * CLEARED_PAGES + 1;

#[test]
fn others_run_while_a_region_is_cleared() {
    let world = World::new(2);
    let guest = world.guest("guest", 0, 3);
    let other = world.guest("other", 0, 5);
    world.park_root();
    world.call(0, other.vpid, Hypercall::VcpuWait, 0, &[]);
    let dirty = world.kernel.state.lock().extents.take(MANY, Placement::default()).unwrap();
    (0..MANY).for_each(|page| world.machine.write_u64(Hpa(dirty.start.0 + page * 4096), !0));
    assert!(world.kernel.state.lock().extents.give(dirty));
    world.push_call(guest.vpid, Hypercall::RegionCreate, SELECTOR_SELF, &[MANY, 0]);
    let entries = world.entries(guest.vpid);
    while world.kernel.state.lock().partitions.iter().all(|(_, one)| one.page_quota.used() != MANY) {
        world.turn(0);
    }
    assert!(world.kernel.state.try_lock().is_some());
    let before = (world.entries(guest.vpid), world.entries(other.vpid));
    world.signal(other.vpid, 20);
    world.turns(0, 2);
    assert_eq!(world.entries(guest.vpid), before.0, "it still clears");
    assert!(world.entries(other.vpid) > before.1, "who is more important runs meanwhile");
    world.clear_events(other.vpid);
    world.push_call(other.vpid, Hypercall::VcpuWait, 0, &[]);
    let made = world.result(0, guest.vpid).unwrap();
    assert!(made.rax == Status::Ok as u64 && made.rbx != 0 && world.entries(guest.vpid) > entries);
    assert!((0..MANY).all(|page| world.machine.read_u64(Hpa(dirty.start.0 + page * 4096)) == 0));
}

#[test]
fn region_half_cleared_comes_back_when_its_maker_or_payer_dies() {
    for is_payer in [false, true] {
        let world = World::new(2);
        world.turns(1, 2);
        let before = world.resources();
        let guest = world.guest("guest", 1, 3);
        let payer = world.root_ok(Hypercall::PartitionCreate, SELECTOR_SELF, &[0x61, 0, 8, MANY]);
        let selector = world.give(payer, guest, RIGHT_ALL, 0);
        world.push_call(guest.vpid, Hypercall::RegionCreate, selector, &[MANY, 0]);
        let left = world.kernel.state.lock().extents.left();
        while world.kernel.state.lock().extents.left() == left {
            world.turn(1);
        }
        assert_eq!(status(&world, Hypercall::RegionCreate, payer, &[1, 0]), Status::NoQuota, "it is charged");
        world.root_ok(Hypercall::PartitionDestroy, if is_payer { payer } else { guest.partition }, &[]);
        world.turns(1, 8);
        if is_payer {
            assert_eq!(Status::from_raw(world.last_entry(guest.vpid).rax), Some(Status::BadSelector));
        }
        for selector in [guest.partition, payer, guest.memory] {
            world.root(Hypercall::CapabilityRevoke, selector, &[1]);
        }
        world.turns(1, 2);
        assert_eq!(world.resources(), before);
    }
}

#[test]
fn upcall_waits_for_the_interrupt_window() {
    let world = World::new(1);
    world.machine.guests.script(ROOT, |script| script.is_interruptible = false);
    world.signal(ROOT, 60);
    world.turns(0, 2);
    assert!(world.machine.guests.script(ROOT, |script| script.injected.is_empty() && script.has_window));
    world.machine.guests.script(ROOT, |script| script.is_interruptible = true);
    world.push(ROOT, Exit::InterruptWindow, None);
    world.turns(0, 2);
    assert!(world.machine.guests.script(ROOT, |script| script.injected == [0xf3] && !script.has_window));
    world.signal(ROOT, 61);
    world.turns(0, 2);
    assert_eq!(world.machine.guests.script(ROOT, |script| script.injected.len()), 1, "one upcall until it is taken");
}

#[test]
fn sizing_a_bar_does_not_touch_the_device() {
    let world = World::new(1);
    let guest = world.guest("guest", 0, 3);
    let device = world.root_ok(Hypercall::DeviceAssign, guest.partition, &[SELECTOR_MACHINE, 0x18, DEVICE_UNSAFE_DMA]);
    let read = |offset: u64| world.root_ok(Hypercall::DeviceConfigRead, device, &[offset, 4]);
    assert_eq!(read(0), 0x100e_8086);
    assert_eq!(read(0x10), 0xfebc_0000);
    world.root_ok(Hypercall::DeviceConfigWrite, device, &[0x10, 4, 0xffff_ffff]);
    assert_eq!(read(0x10) & 0xfff, 0);
    world.root_ok(Hypercall::DeviceConfigWrite, device, &[0x10, 4, 0xfebc_0000]);
    assert_eq!(read(0x10), 0xfebc_0000);
    assert_eq!(status(&world, Hypercall::DeviceConfigWrite, device, &[0x44, 4, 0]), Status::NoRight);
    assert_eq!(status(&world, Hypercall::DeviceConfigRead, device, &[0x101, 4]), Status::BadArgument);
}

#[test]
fn console_input_goes_to_the_foreground_partition() {
    let world = World::new(1);
    let guest = world.guest("guest", 0, 3);
    world.root_ok(Hypercall::PartitionSetConsole, guest.partition, &[SELECTOR_MACHINE, 1]);
    world.machine.input.lock().unwrap().extend(b"hello");
    world.push(ROOT, Exit::ExternalInterrupt { vector: 0x24 }, None);
    world.park_root();
    let read = world.call(0, guest.vpid, Hypercall::ConsoleRead, 0, &[0, 0x5000, 100]).unwrap();
    assert_eq!((read.rax, read.rbx), (0, 5));
    let at = world.translate(guest.id, 0x5000).unwrap().hpa;
    assert_eq!(&world.machine.read_u64(at).to_le_bytes()[..5], b"hello");
    let written = world.call(0, guest.vpid, Hypercall::ConsoleWrite, 0, &[0, 0x5000, 5]).unwrap();
    assert_eq!((written.rax, written.rbx), (0, 5));
    assert!(world.machine.console.lock().unwrap().ends_with(b"hello"));
    let across = world.call(0, guest.vpid, Hypercall::ConsoleWrite, 0, &[0, 0x5fff, 2]).unwrap();
    assert_eq!(Status::from_raw(across.rax), Some(Status::BadAddress));
}

#[test]
fn registers_in_a_page_of_another_function_are_not_given_away() {
    let world = World::new(1);
    let guest = world.guest("guest", 0, 3);
    let card = world.root_ok(Hypercall::DeviceAssign, guest.partition, &[SELECTOR_MACHINE, 0x18, DEVICE_UNSAFE_DMA]);
    let before = world.resources();
    assert_eq!(status(&world, Hypercall::DeviceBar, card, &[1]), Status::Unsupported);
    assert_eq!(world.resources(), before);
    let controller =
        world.root_ok(Hypercall::DeviceAssign, guest.partition, &[SELECTOR_MACHINE, 0x09, DEVICE_UNSAFE_DMA]);
    assert_eq!(world.root(Hypercall::DeviceBar, card, &[0]).rdi, 0xfebc_0000);
    assert_eq!(world.root(Hypercall::DeviceBar, controller, &[5]).rdi, 0xffff_f000);
}

/// Assigns a function, and makes an Irq of kind MSI for an event of root's vCPU.
fn device_and_irq(world: &World, guest: Guest, address: u64) -> (Registers, u64) {
    let device = world.root(Hypercall::DeviceAssign, guest.partition, &[SELECTOR_MACHINE, address, DEVICE_UNSAFE_DMA]);
    let event = world.root_ok(Hypercall::EventCreate, guest.vcpu, &[20]);
    (device, world.root_ok(Hypercall::IrqCreate, SELECTOR_MACHINE, &[IRQ_KIND_MSI, 0, 0, event]))
}

#[test]
fn msi_is_programmed_until_its_irq_goes() {
    let world = World::new(1);
    let guest = world.guest("guest", 0, 3);
    let (device, irq) = device_and_irq(&world, guest, 0x18);
    assert_eq!((device.rdi, device.rsi), (1, 0), "one message by MSI, none by MSI-X");
    let device = device.rbx;
    assert_eq!(status(&world, Hypercall::DeviceMsi, device, &[MESSAGE_MSIX, 0, irq]), Status::Unsupported);
    assert_eq!(status(&world, Hypercall::DeviceMsi, device, &[MESSAGE_MSI, 1, irq]), Status::BadArgument);
    assert_eq!(status(&world, Hypercall::DeviceMsi, device, &[2, 0, irq]), Status::BadArgument);
    world.machine.pci_writes.lock().unwrap().clear();
    world.root_ok(Hypercall::DeviceMsi, device, &[MESSAGE_MSI, 0, irq]);
    let writes = core::mem::take(&mut *world.machine.pci_writes.lock().unwrap());
    assert_eq!(writes, [(0x18, 0x44, 0xfee0_0000), (0x18, 0x48, 0), (0x18, 0x4c, 0x30), (0x18, 0x42, 0x81)]);
    assert_eq!(status(&world, Hypercall::DeviceConfigWrite, device, &[0x4c, 2, 0x31]), Status::NoRight);
    world.root_ok(Hypercall::CapabilityRevoke, irq, &[1]);
    assert_eq!(*world.machine.pci_writes.lock().unwrap(), [(0x18, 0x42, 0x80)]);
}

#[test]
fn msix_is_left_to_the_owner_until_its_irq_goes() {
    let world = World::new(1);
    let guest = world.guest("guest", 0, 3);
    let (device, irq) = device_and_irq(&world, guest, 0x20);
    assert_eq!((device.rdi, device.rsi), (0, 8));
    let device = device.rbx;
    assert_eq!(status(&world, Hypercall::DeviceMsi, device, &[MESSAGE_MSIX, 8, irq]), Status::BadArgument);
    let message = world.root(Hypercall::DeviceMsi, device, &[MESSAGE_MSIX, 7, irq]);
    assert_eq!((message.rax, message.rdi, message.rsi), (0, 0xfee0_0000, 0x30));
    world.root_ok(Hypercall::DeviceConfigWrite, device, &[0x42, 2, 0x8000]);
    let (other, second) = device_and_irq(&world, guest, 0x18);
    world.root_ok(Hypercall::DeviceMsi, device, &[MESSAGE_MSIX, 6, second]);
    world.root_ok(Hypercall::CapabilityRevoke, second, &[1]);
    assert_eq!(world.machine.pci_writes.lock().unwrap().last(), Some(&(0x20, 0x42, 0x0007)), "disabled");
    assert_eq!(status(&world, Hypercall::DeviceMsi, other.rbx, &[MESSAGE_MSI, 0, irq]), Status::Busy);
    // A device that is gone does not keep the Irq, and is not written to any more.
    world.root_ok(Hypercall::CapabilityRevoke, device, &[1]);
    world.root_ok(Hypercall::DeviceMsi, other.rbx, &[MESSAGE_MSI, 0, irq]);
    world.root_ok(Hypercall::CapabilityRevoke, irq, &[1]);
    assert_eq!(world.machine.pci_writes.lock().unwrap().last(), Some(&(0x18, 0x42, 0x80)));
}
