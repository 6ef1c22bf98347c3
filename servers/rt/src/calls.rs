// SPDX-License-Identifier: MIT OR Apache-2.0
//! The hypercalls as functions, one each, in the order of the table.

use sawmill_abi::fault::ExitKind;
use sawmill_abi::hypercall::{Hypercall, WORDS};
use sawmill_abi::machine::SHUTDOWN_POWER_OFF;
use sawmill_abi::statistics::PartitionStatistics;
use sawmill_abi::status::Status;

use crate::hypercall::{self, Outcome};
use crate::memory::{Shared, TracePage, Window};

/// A capability's place in the caller's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selector(pub u64);

/// Name of the capability to the calling partition.
pub const SELF: Selector = Selector(sawmill_abi::object::SELECTOR_SELF);
/// Name of the capability to the machine (root only).
pub const MACHINE: Selector = Selector(sawmill_abi::object::SELECTOR_MACHINE);

/// Result of a hypercall.
pub type Result<T> = core::result::Result<T, Status>;

/// A call that arrived.
#[derive(Clone, Copy, Debug)]
pub struct Message {
    /// Badge of the capability through which it came.
    pub badge: u64,
    /// Its words.
    pub words: [u64; WORDS],
}

fn call(number: Hypercall, selector: Selector, arguments: &[u64]) -> Result<Outcome> {
    let mut words = [0; WORDS];
    for (word, argument) in words.iter_mut().zip(arguments) {
        *word = *argument;
    }
    hypercall::invoke(number as u64, selector.0, words).checked()
}

fn done(number: Hypercall, selector: Selector, arguments: &[u64]) -> Result<()> {
    call(number, selector, arguments).map(|_| ())
}

fn made(number: Hypercall, selector: Selector, arguments: &[u64]) -> Result<Selector> {
    call(number, selector, arguments).map(|outcome| Selector(outcome.value))
}

const NONE: Selector = Selector(sawmill_abi::object::SELECTOR_NULL);

/// Returns the version of the hypervisor's interface.
pub fn abi_version() -> Result<u64> {
    call(Hypercall::AbiVersion, NONE, &[]).map(|outcome| outcome.value)
}

/// Calls a server and waits for its reply. The status in the outcome is the server's or the hypervisor's.
#[inline]
pub fn portal_call(portal: Selector, words: [u64; WORDS]) -> Outcome {
    hypercall::invoke(Hypercall::PortalCall as u64, portal.0, words)
}

/// Answers the current call, if there is one, and waits for the next.
///
/// With REPLY_NONE the first two words are an Irq to acknowledge and an Event to signal: they are zeros, or meant so.
///
/// # Errors
/// `Interrupted` when an event is pending; the reply was delivered. `Stale` when nobody waits for the reply.
#[inline]
pub fn portal_reply_wait(status: u64, words: [u64; WORDS]) -> Result<Message> {
    let outcome = hypercall::invoke(Hypercall::PortalReplyWait as u64, status, words).checked()?;
    Ok(Message { badge: outcome.value, words: outcome.words })
}

/// Answers the current call and goes on.
pub fn portal_reply(status: u64, words: [u64; WORDS]) -> Result<()> {
    hypercall::invoke(Hypercall::PortalReply as u64, status, words).checked().map(|_| ())
}

/// Waits until an event is pending.
pub fn vcpu_wait() -> Result<()> {
    done(Hypercall::VcpuWait, NONE, &[])
}

/// Arms the timer of this vCPU; 0 = off.
pub fn timer_set(deadline_tsc: u64) -> Result<()> {
    done(Hypercall::TimerSet, NONE, &[deadline_tsc])
}

/// Sets an event's bit.
pub fn event_signal(event: Selector) -> Result<()> {
    done(Hypercall::EventSignal, event, &[])
}

/// Sets one event bit in several vCPUs of a partition.
pub fn vcpu_signal(partition: Selector, vcpu_mask: u64, bit: u64) -> Result<()> {
    done(Hypercall::VcpuSignal, partition, &[vcpu_mask, bit])
}

/// Writes to a console channel; at most up to the end of the page in which the bytes begin.
pub fn console_write(channel: u64, bytes: &[u8]) -> Result<u64> {
    let start = bytes.as_ptr() as u64;
    let room = sawmill_abi::PAGE_SIZE - start % sawmill_abi::PAGE_SIZE;
    let arguments = [channel, start, room.min(bytes.len() as u64)];
    call(Hypercall::ConsoleWrite, NONE, &arguments).map(|outcome| outcome.value)
}

/// Ends the calling partition.
pub fn partition_exit(kind: ExitKind, code: u64) -> ! {
    loop {
        let _ = done(Hypercall::PartitionExit, NONE, &[kind as u64, code]);
    }
}

/// Copies a capability into a partition's table; slot 0 = any.
pub fn capability_copy(from: Selector, receiver: Selector, slot: u64, rights: u64, badge: u64) -> Result<Selector> {
    made(Hypercall::CapabilityCopy, from, &[receiver.0, slot, rights, badge])
}

/// Removes a capability with all that were derived from it, and the object if it was the first.
pub fn capability_destroy(selector: Selector) -> Result<u64> {
    call(Hypercall::CapabilityRevoke, selector, &[1]).map(|outcome| outcome.value)
}

/// Removes all capabilities derived from one, and keeps it.
pub fn capability_revoke(selector: Selector) -> Result<u64> {
    call(Hypercall::CapabilityRevoke, selector, &[0]).map(|outcome| outcome.value)
}

/// Tells kind, rights and badge of a capability.
pub fn capability_identify(selector: Selector) -> Result<(u64, u64, u64)> {
    call(Hypercall::CapabilityIdentify, selector, &[]).map(|it| (it.value, it.words[0], it.words[1]))
}

/// Creates a partition; returns its capability and number.
pub fn partition_create(payer: Selector, name: [u8; 16], frames: u64, pages: u64) -> Result<(Selector, u64)> {
    let (low, high) = name.split_at(8);
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    let arguments = [word(low), word(high), frames, pages];
    call(Hypercall::PartitionCreate, payer, &arguments).map(|it| (Selector(it.value), it.words[0]))
}

/// Destroys a partition.
pub fn partition_destroy(partition: Selector) -> Result<()> {
    done(Hypercall::PartitionDestroy, partition, &[])
}

/// Names the portal that gets a partition's fault messages.
pub fn partition_set_handler(partition: Selector, portal: Selector) -> Result<()> {
    done(Hypercall::PartitionSetHandler, partition, &[portal.0])
}

/// Reads a partition's counters.
pub fn partition_statistics(partition: Selector, page: &Shared<PartitionStatistics>) -> Result<PartitionStatistics> {
    done(Hypercall::PartitionStatistics, partition, &[page.gpa()])?;
    Ok(page.read())
}

/// Lets a partition access I/O ports.
pub fn partition_grant_ports(partition: Selector, first: u64, count: u64) -> Result<()> {
    done(Hypercall::PartitionGrantPorts, partition, &[MACHINE.0, first, count])
}

/// Gives a partition the terminal.
pub fn partition_take_foreground(partition: Selector) -> Result<()> {
    done(Hypercall::PartitionSetConsole, partition, &[MACHINE.0, 1])
}

/// Creates a stopped vCPU.
pub fn vcpu_create(partition: Selector, index: u64, cpu: u64, priority: u64, event_gpa: u64) -> Result<Selector> {
    made(Hypercall::VcpuCreate, partition, &[index, cpu, priority, event_gpa])
}

/// Starts a vCPU.
pub fn vcpu_start(vcpu: Selector, rip: u64, rsp: u64, cr3: u64, argument: u64) -> Result<()> {
    done(Hypercall::VcpuStart, vcpu, &[rip, rsp, cr3, argument])
}

/// Allocates contiguous zeroed frames.
pub fn region_create(payer: Selector, pages: u64, flags: u64) -> Result<Selector> {
    made(Hypercall::RegionCreate, payer, &[pages, flags])
}

/// Maps part of a region into a partition.
pub fn region_map(region: Selector, partition: Selector, gpa: u64, offset: u64, pages: u64, rights: u64) -> Result<()> {
    done(Hypercall::RegionMap, region, &[partition.0, gpa, offset, pages, rights])
}

/// Removes the mappings in a range.
pub fn region_unmap(partition: Selector, gpa: u64, pages: u64) -> Result<()> {
    done(Hypercall::RegionUnmap, partition, &[gpa, pages])
}

/// Tells a region's size in pages, and its host-physical address to who may know.
pub fn region_info(region: Selector) -> Result<(u64, u64)> {
    call(Hypercall::RegionInfo, region, &[]).map(|it| (it.value, it.words[0]))
}

/// Creates a portal into a partition; budget 0 = none.
pub fn portal_create(server: Selector, budget_ns: u64) -> Result<Selector> {
    made(Hypercall::PortalCreate, server, &[budget_ns])
}

/// Creates an Event object for a bit of a vCPU.
pub fn event_create(vcpu: Selector, bit: u64) -> Result<Selector> {
    made(Hypercall::EventCreate, vcpu, &[bit])
}

/// Binds an interrupt source to an event.
pub fn irq_create(kind: u64, number: u64, flags: u64, event: Selector) -> Result<Selector> {
    made(Hypercall::IrqCreate, MACHINE, &[kind, number, flags, event.0])
}

/// Lists PCI functions: address, vendor | device << 16, class << 8 | revision, line | pin << 8.
pub fn device_find(index: u64) -> Result<[u64; 4]> {
    call(Hypercall::DeviceFind, MACHINE, &[index]).map(|it| [it.value, it.words[0], it.words[1], it.words[2]])
}

/// Assigns a PCI function; tells how many different messages it has by MSI and by MSI-X.
pub fn device_assign(partition: Selector, address: u64, flags: u64) -> Result<(Selector, [u64; 2])> {
    let it = call(Hypercall::DeviceAssign, partition, &[MACHINE.0, address, flags])?;
    Ok((Selector(it.value), [it.words[0], it.words[1]]))
}

/// Describes a base address register: kind, base, size, Region selector.
pub fn device_bar(device: Selector, index: u64) -> Result<(u64, u64, u64, Selector)> {
    let it = call(Hypercall::DeviceBar, device, &[index])?;
    Ok((it.value, it.words[0], it.words[1], Selector(it.words[2])))
}

/// Reads configuration space.
pub fn device_config_read(device: Selector, offset: u64, width: u64) -> Result<u64> {
    call(Hypercall::DeviceConfigRead, device, &[offset, width]).map(|it| it.value)
}

/// Writes configuration space.
pub fn device_config_write(device: Selector, offset: u64, width: u64, value: u64) -> Result<()> {
    done(Hypercall::DeviceConfigWrite, device, &[offset, width, value])
}

/// Chooses what is traced: a mask of 1 << `TraceKind`.
pub fn trace_control(mask: u64) -> Result<()> {
    done(Hypercall::TraceControl, MACHINE, &[mask])
}

/// Copies trace entries out: how many, the new cursor, how many were lost.
pub fn trace_read(cpu: u64, cursor: u64, page: &Shared<TracePage>) -> Result<(u64, u64, u64)> {
    trace_read_to(cpu, cursor, page.gpa())
}

/// Copies trace entries out to a page of a window.
pub fn trace_read_into(cpu: u64, cursor: u64, window: &mut Window<'_>, page: u64) -> Result<(u64, u64, u64)> {
    trace_read_to(cpu, cursor, window.page(page).ok_or(Status::BadAddress)?)
}

fn trace_read_to(cpu: u64, cursor: u64, gpa: u64) -> Result<(u64, u64, u64)> {
    let it = call(Hypercall::TraceRead, MACHINE, &[cpu, cursor, gpa])?;
    Ok((it.value, it.words[0], it.words[1]))
}

/// Powers the machine off.
pub fn machine_power_off() -> ! {
    loop {
        let _ = done(Hypercall::MachineShutdown, MACHINE, &[SHUTDOWN_POWER_OFF]);
    }
}
