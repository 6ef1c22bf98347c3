// SPDX-License-Identifier: MIT OR Apache-2.0
//! Gives PCI functions to a partition: configuration space, ports, memory, interrupts.

use arrayvec::ArrayVec;
use sawmill_abi::PAGE_SIZE;
use sawmill_abi::info::DeviceInfo;
use sawmill_abi::machine::{BAR_MEMORY, DEVICE_UNSAFE_DMA, IRQ_KIND_ISA, IRQ_KIND_MSI, IRQ_LEVEL};
use sawmill_abi::object::{RIGHT_DEVICE_CONFIG, RIGHT_IRQ_ACKNOWLEDGE, RIGHT_REGION_READ, RIGHT_REGION_WRITE};
use sawmill_abi::status::Status;
use sawmill_proto::system::Device;
use sawmill_root::failure::Failure;
use sawmill_root::{failure, legacy_ide, numbering};
use sawmill_rt::calls::{self, Selector};
use sawmill_rt::println;

use super::create::drop_capability;
use super::disks;
use super::state::{Assigned, BARS, Root};

/// PCI Local Bus Specification: offset of the command register, and its bits for memory, ports and bus mastering.
const COMMAND: u64 = 4;
const COMMAND_BUS_MASTER: u64 = 4;
/// ISA interrupt lines; larger numbers in the line register mean "none".
const ISA_LINES: u64 = 16;

/// A PCI function as the hypervisor lists it.
#[derive(Clone, Copy)]
struct Function {
    address: u64,
    identity: u64,
    class_revision: u64,
    interrupt: u64,
}

fn functions() -> impl Iterator<Item = Function> {
    (0..).map_while(|index| {
        let [address, identity, class_revision, interrupt] = calls::device_find(index).ok()?;
        Some(Function { address, identity, class_revision, interrupt })
    })
}

fn matches(function: &Function, wanted: &Device) -> bool {
    let (vendor, device) = (function.identity & 0xffff, function.identity >> 16);
    wanted.classes.iter().any(|class| u64::from(*class) == function.class_revision >> 16)
        && wanted.vendor.is_none_or(|it| u64::from(it) == vendor)
        && wanted.device.is_none_or(|it| u64::from(it) == device)
}

/// Gives a partition the functions that its description asks for.
///
/// # Errors
/// A text for people, naming the partition and the function.
pub fn assign(root: &mut Root, index: usize) -> Result<(), Failure> {
    let partition = root.system.partitions[index].clone();
    for wanted in &partition.devices {
        let mut found = 0;
        for function in functions().filter(|function| matches(function, wanted)) {
            if disks::may_be_behind(root, function.address, function.class_revision) {
                found += 1;
                give(root, index, &function, wanted)?;
            }
        }
        if found == 0 && !wanted.is_optional {
            return Err(failure!(
                "partition {}: no PCI function of class {:04x?}",
                partition.name,
                &wanted.classes[..]
            ));
        }
    }
    Ok(())
}

fn give(root: &mut Root, index: usize, function: &Function, wanted: &Device) -> Result<(), Failure> {
    let name = root.system.partitions[index].name;
    let (bus, slot) = (function.address >> 8, function.address >> 3 & 31);
    let place = function.address & 7;
    let step = |what: &'static str| {
        move |status: Status| failure!("partition {name}: device {bus:02x}:{slot:02x}.{place}: {what}: {status:?}")
    };
    let flags = if wanted.unsafe_dma { DEVICE_UNSAFE_DMA } else { 0 };
    let running = &root.partitions[index];
    let (partition, number) = (running.selector, running.devices.len());
    let (selector, messages) = calls::device_assign(partition, function.address, flags).map_err(step("assign"))?;
    let (vendor, device) = (function.identity & 0xffff, function.identity >> 16);
    println!("device {bus:02x}:{slot:02x}.{place} ({vendor:04x}:{device:04x}) goes to {name}");
    if wanted.unsafe_dma && root.info.has_iommu == 0 {
        println!("WARNING: no IOMMU: {name} can reach all memory of this machine through that device");
    }
    let device_slot = numbering::device(number);
    let vcpu = *running.vcpus.first().ok_or_else(|| failure!("partition {name} has no vCPU"))?;
    let assigned = Assigned {
        selector,
        irqs: ArrayVec::new(),
        events: ArrayVec::new(),
        registers: ArrayVec::new(),
        info: DeviceInfo { selector: device_slot, address: function.address, ..DeviceInfo::default() },
    };
    let devices = &mut root.partitions[index].devices;
    // Noted before anything else is made for it, so that all of it can be taken back.
    devices.try_push(assigned).map_err(|_| failure!("partition {name} has too many devices"))?;
    let assigned = &mut devices[number];
    calls::capability_copy(selector, partition, device_slot, RIGHT_DEVICE_CONFIG, 0).map_err(step("give"))?;
    map_bars(assigned, partition).map_err(step("map memory"))?;
    let channels = legacy_ide::channels(function.class_revision);
    for channel in &channels {
        for (first, count) in channel.ports {
            calls::partition_grant_ports(partition, first, count).map_err(step("grant ports"))?;
        }
        add_irq(assigned, partition, vcpu, number, channel.irq, 0).map_err(step("interrupt"))?;
    }
    let (line, pin) = (function.interrupt & 0xff, function.interrupt >> 8 & 0xff);
    // Functions share lines. One that can send messages leaves its line to another that cannot.
    if channels.is_empty() && pin != 0 && line < ISA_LINES && messages == [0; 2] {
        add_irq(assigned, partition, vcpu, number, line, IRQ_LEVEL).map_err(step("interrupt"))?;
    }
    let count = messages[0].max(messages[1]).min(numbering::DEVICE_MESSAGES);
    for message in 0..count {
        add_message(assigned, partition, vcpu, number, message).map_err(step("message"))?;
    }
    Ok(())
}

fn map_bars(assigned: &mut Assigned, partition: Selector) -> Result<(), Status> {
    for bar in 0..BARS {
        let (kind, base, _, region) = match calls::device_bar(assigned.selector, bar) {
            Ok(description) => description,
            Err(Status::BadArgument) => break,
            Err(status) => return Err(status),
        };
        if kind == BAR_MEMORY {
            assigned.registers.try_push(region).map_err(|_| Status::NoSlot)?;
            let (pages, _) = calls::region_info(region)?;
            let gpa = base / PAGE_SIZE * PAGE_SIZE;
            match calls::region_map(region, partition, gpa, 0, pages, RIGHT_REGION_READ | RIGHT_REGION_WRITE) {
                // Two small ones in one page: it is there already.
                Ok(()) | Err(Status::BadAddress) => {}
                Err(status) => return Err(status),
            }
        }
    }
    Ok(())
}

fn add_irq(
    assigned: &mut Assigned,
    partition: Selector,
    vcpu: Selector,
    device: usize,
    irq: u64,
    flags: u64,
) -> Result<(), Status> {
    let line = assigned.irqs.len();
    let (slot, bit) = (numbering::irq(device, line), numbering::irq_event(device, line));
    bind(assigned, partition, calls::event_create(vcpu, bit)?, slot, |event| {
        calls::irq_create(IRQ_KIND_ISA, irq, flags, event)
    })?;
    let info = &mut assigned.info;
    info.irq_selectors[line] = slot;
    info.irq_event_bits[line] = bit;
    info.irq_numbers[line] = irq;
    info.irq_flags[line] = flags;
    Ok(())
}

/// Gives the partition one more interrupt that the device can send as a message.
fn add_message(
    assigned: &mut Assigned,
    partition: Selector,
    vcpu: Selector,
    device: usize,
    message: u64,
) -> Result<(), Status> {
    let (slot, bit) = (numbering::message(device, message), numbering::message_event(device, message));
    bind(assigned, partition, calls::event_create(vcpu, bit)?, slot, |event| {
        calls::irq_create(IRQ_KIND_MSI, 0, 0, event)
    })?;
    assigned.info.message_selector = numbering::message(device, 0);
    assigned.info.message_event_bit = numbering::message_event(device, 0);
    assigned.info.message_count = message + 1;
    Ok(())
}

/// Makes an Irq for an event and gives it to the partition.
fn bind(
    assigned: &mut Assigned,
    partition: Selector,
    event: Selector,
    slot: u64,
    make: impl FnOnce(Selector) -> Result<Selector, Status>,
) -> Result<(), Status> {
    assigned.events.try_push(event).map_err(|_| Status::NoSlot)?;
    let irq = make(event)?;
    assigned.irqs.try_push(irq).map_err(|_| Status::NoSlot)?;
    calls::capability_copy(irq, partition, slot, RIGHT_IRQ_ACKNOWLEDGE, 0)?;
    Ok(())
}

/// Stops the DMA of a partition's devices and takes them back.
pub fn take_back(root: &mut Root, index: usize) {
    for mut device in root.partitions[index].devices.drain(..) {
        if let Ok(command) = calls::device_config_read(device.selector, COMMAND, 2) {
            // If it cannot be stopped, destroying the Device object below stops it.
            let _ = calls::device_config_write(device.selector, COMMAND, 2, command & !COMMAND_BUS_MASTER);
        }
        for capability in device.irqs.iter_mut().chain(&mut device.events).chain(&mut device.registers) {
            drop_capability(capability);
        }
        drop_capability(&mut device.selector);
    }
}
