// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which selector and which event bit stands for what in a partition.
//!
//! All numbers follow from the description alone, so a server that is started
//! again finds everything, and is found, where it was before.

use sawmill_abi::event::{EVENT_COUNT, EVENT_FIRST_FREE};
use sawmill_abi::info::{CONNECTIONS_MAX, DEVICES_MAX};
use sawmill_abi::object::{SELECTOR_COUNT, SELECTOR_VCPU_BASE, VCPUS_MAX};
use sawmill_proto::system::{PARTITIONS_MAX, SYSTEM_CONNECTIONS_MAX};

/// Interrupts of one device by its pin, or by the lines of a PC.
pub const DEVICE_IRQS: u64 = 4;
/// Interrupts of one device by messages.
pub const DEVICE_MESSAGES: u64 = 4;

const ROOT_PORTAL: u64 = 32;
const CLIENT_PORTALS: u64 = 40;
const SIGNALS: u64 = CLIENT_PORTALS + SYSTEM_CONNECTIONS_MAX as u64;
const DEVICES: u64 = SIGNALS + 2 * SYSTEM_CONNECTIONS_MAX as u64;
const IRQS: u64 = DEVICES + DEVICES_MAX as u64;
const MESSAGES: u64 = IRQS + DEVICES_MAX as u64 * DEVICE_IRQS;
const ALLOCATED: u64 = MESSAGES + DEVICES_MAX as u64 * DEVICE_MESSAGES;

/// At the end of the table, where slots of the caller's choice come last.
const OBSERVED: u64 = SELECTOR_COUNT - PARTITIONS_MAX as u64 - 1;

const CLIENT_EVENTS: u64 = EVENT_FIRST_FREE;
const SERVER_EVENTS: u64 = CLIENT_EVENTS + SYSTEM_CONNECTIONS_MAX as u64;
const IRQ_EVENTS: u64 = SERVER_EVENTS + SYSTEM_CONNECTIONS_MAX as u64;
const MESSAGE_EVENTS: u64 = IRQ_EVENTS + DEVICES_MAX as u64 * DEVICE_IRQS;

const _: () = assert!(SELECTOR_VCPU_BASE + VCPUS_MAX <= ROOT_PORTAL);
const _: () = assert!(ALLOCATED < OBSERVED);
const _: () = assert!(MESSAGE_EVENTS + DEVICES_MAX as u64 * DEVICE_MESSAGES <= EVENT_COUNT);
const _: () = assert!(SYSTEM_CONNECTIONS_MAX <= CONNECTIONS_MAX);

/// Selector of the portal to root.
pub const fn root_portal() -> u64 {
    ROOT_PORTAL
}

/// Selector of the portal of a connection, in its client.
pub const fn client_portal(connection: usize) -> u64 {
    CLIENT_PORTALS + connection as u64
}

/// Selector by which the client signals the server.
pub const fn client_signal(connection: usize) -> u64 {
    SIGNALS + 2 * connection as u64
}

/// Selector by which the server signals the client.
pub const fn server_signal(connection: usize) -> u64 {
    SIGNALS + 2 * connection as u64 + 1
}

/// Selector of a device.
pub const fn device(index: usize) -> u64 {
    DEVICES + index as u64
}

/// Selector of an interrupt of a device.
pub const fn irq(device: usize, line: usize) -> u64 {
    IRQS + device as u64 * DEVICE_IRQS + line as u64
}

/// Selector by which an observer reads the counters of root (0) or of a partition of the description (from 1).
pub const fn observed(place: usize) -> u64 {
    OBSERVED + place as u64
}

/// Selector of an interrupt of a device that comes as a message.
pub const fn message(device: usize, number: u64) -> u64 {
    MESSAGES + device as u64 * DEVICE_MESSAGES + number
}

/// Event bit of the client by which the server signals.
pub const fn client_event(connection: usize) -> u64 {
    CLIENT_EVENTS + connection as u64
}

/// Event bit of the server by which the client signals.
pub const fn server_event(connection: usize) -> u64 {
    SERVER_EVENTS + connection as u64
}

/// Event bit of an interrupt of a device.
pub const fn irq_event(device: usize, line: usize) -> u64 {
    IRQ_EVENTS + device as u64 * DEVICE_IRQS + line as u64
}

/// Event bit of an interrupt of a device that comes as a message.
pub const fn message_event(device: usize, number: u64) -> u64 {
    MESSAGE_EVENTS + device as u64 * DEVICE_MESSAGES + number
}

/// Bit in the badge that tells a fault message from a call of the same partition.
const BADGE_FAULT: u64 = 1 << 32;

/// Badge of fault messages of a partition.
pub const fn fault_badge(partition: usize) -> u64 {
    BADGE_FAULT | (partition as u64 + 1)
}

/// Badge of a partition's calls to root.
pub const fn service_badge(partition: usize) -> u64 {
    partition as u64 + 1
}

/// Who sent a message to root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The hypervisor, about a fault of this partition.
    Fault(usize),
    /// This partition.
    Partition(usize),
}

/// Returns who is behind a badge.
pub fn sender(badge: u64) -> Option<Sender> {
    let index = usize::try_from((badge & !BADGE_FAULT).checked_sub(1)?).ok()?;
    match badge & BADGE_FAULT {
        0 => Some(Sender::Partition(index)),
        _ => Some(Sender::Fault(index)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn badges_tell_faults_from_calls() {
        assert_eq!(sender(fault_badge(3)), Some(Sender::Fault(3)));
        assert_eq!(sender(service_badge(3)), Some(Sender::Partition(3)));
        assert_eq!(sender(0), None);
    }

    #[test]
    fn selectors_and_bits_are_distinct() {
        let last = SYSTEM_CONNECTIONS_MAX - 1;
        assert!(client_portal(last) < client_signal(0));
        assert!(server_signal(last) < device(0));
        assert!(device(DEVICES_MAX - 1) < irq(0, 0));
        assert!(client_event(last) < server_event(0));
        assert!(server_event(last) < irq_event(0, 0));
        let (device, line) = (DEVICES_MAX - 1, DEVICE_IRQS as usize - 1);
        assert!(irq(device, line) < message(0, 0));
        assert!(irq_event(device, line) < message_event(0, 0));
    }
}
