// SPDX-License-Identifier: MIT OR Apache-2.0
//! What only the whole description shows: limits, duplicates, overlaps, order.

use std::collections::HashSet;

use arrayvec::ArrayVec;
use sawmill_abi::info::CONNECTIONS_MAX;
use sawmill_abi::object::VCPUS_MAX;
use sawmill_proto::system::{Connection, Device, PARTITIONS_MAX, Partition, Restart, SYSTEM_CONNECTIONS_MAX};

use crate::document::{Document, Machine};
use crate::error::{Error, Locator};
use crate::{Overrides, value};

/// What the description assumes of the machine.
pub(crate) struct Limits {
    /// Largest number of CPUs.
    pub cpus: u64,
    /// Memory for all partitions and pools, bytes.
    pub memory: u64,
    /// True if DMA is confined.
    pub has_iommu: bool,
}

impl Limits {
    /// Reads the `[machine]` table.
    pub(crate) fn new(at: &Locator, machine: Option<&Machine>, overrides: &Overrides) -> Result<Limits, Error> {
        let memory = match machine.and_then(|machine| machine.memory.as_ref()) {
            Some(memory) => value::size_in(at, "memory of the machine", memory, value::LARGE_PAGE)?,
            None => u64::MAX,
        };
        let cpus = match machine.and_then(|machine| machine.cpus.as_ref()) {
            Some(cpus) => {
                let is_in_range = |n: &i64| (1..=VCPUS_MAX as i64).contains(n);
                cpus.get_ref().as_integer().filter(is_in_range).ok_or_else(|| {
                    at.error(cpus.span(), format!("CPU count of the machine is out of range (1 to {VCPUS_MAX})"))
                })?
            }
            None => VCPUS_MAX as i64,
        };
        Ok(Limits {
            cpus: cpus.unsigned_abs(),
            memory: overrides.machine_memory.unwrap_or(memory),
            has_iommu: machine.is_some_and(|machine| machine.iommu),
        })
    }
}

/// Checks what concerns several entries.
pub(crate) fn check(
    at: &Locator,
    document: &Document,
    partitions: &[Partition],
    connections: &[Connection],
    limits: &Limits,
) -> Result<(), Error> {
    if partitions.is_empty() {
        return Err(at.error(0..0, "there is no partition"));
    }
    check_single(at, document, partitions)?;
    check_devices(at, document, partitions)?;
    check_connections(at, document, partitions, connections)?;
    check_memory(at, document, partitions, connections, limits)
}

/// Checks that no two partitions have the same name.
pub(crate) fn check_names(at: &Locator, document: &Document, partitions: &[Partition]) -> Result<(), Error> {
    let mut seen = HashSet::new();
    for (entry, partition) in document.partition.iter().zip(partitions) {
        if !seen.insert(partition.name) {
            return Err(at.error(entry.name.span(), format!("there are two partitions named `{}`", partition.name)));
        }
    }
    Ok(())
}

fn check_single(at: &Locator, document: &Document, partitions: &[Partition]) -> Result<(), Error> {
    let both = || document.partition.iter().zip(partitions);
    if let Some((entry, _)) = both().filter(|(_, partition)| partition.is_foreground).nth(1) {
        return Err(at.error(entry.name.span(), "only one partition can have the terminal (`foreground = true`)"));
    }
    if let Some((entry, _)) = both().find(|(_, it)| it.ends_run && it.restart != Restart::Never) {
        let reason = "a partition that ends the run cannot have a restart policy";
        return Err(at.error(entry.name.span(), reason));
    }
    Ok(())
}

fn can_overlap(one: &Device, other: &Device) -> bool {
    let differ = |a: Option<u16>, b: Option<u16>| matches!((a, b), (Some(a), Some(b)) if a != b);
    one.classes.iter().any(|class| other.classes.contains(class))
        && !differ(one.vendor, other.vendor)
        && !differ(one.device, other.device)
}

fn check_devices(at: &Locator, document: &Document, partitions: &[Partition]) -> Result<(), Error> {
    let mut seen: Vec<(&Partition, &Device)> = Vec::new();
    for (entry, partition) in document.partition.iter().zip(partitions) {
        for (place, device) in entry.device.iter().zip(&partition.devices) {
            if let Some((owner, _)) = seen.iter().find(|(_, other)| can_overlap(device, other)) {
                let reason = format!("device of `{}` overlaps with a device of `{}`", partition.name, owner.name);
                return Err(at.error(place.span(), reason));
            }
            seen.push((partition, device));
        }
    }
    Ok(())
}

fn check_connections(
    at: &Locator,
    document: &Document,
    partitions: &[Partition],
    connections: &[Connection],
) -> Result<(), Error> {
    let mut services = HashSet::new();
    let mut badges = HashSet::new();
    let mut ends = vec![0usize; partitions.len()];
    for (entry, connection) in document.connection.iter().zip(connections) {
        let (client, server) = (usize::from(connection.client), usize::from(connection.server));
        if !services.insert((client, connection.service)) {
            let reason = format!("`{}` has two connections named `{}`", partitions[client].name, connection.service);
            return Err(at.error(entry.service.span(), reason));
        }
        if !badges.insert((server, connection.badge)) {
            let place = entry.badge.as_ref().map_or(entry.service.span(), |badge| badge.span());
            let reason = format!("`{}` has two connections with badge {}", partitions[server].name, connection.badge);
            return Err(at.error(place, reason));
        }
        for end in [client, server] {
            ends[end] += 1;
            // One entry of the information page is the connection to root.
            if ends[end] >= CONNECTIONS_MAX {
                let reason = format!("`{}` has more than {} connections", partitions[end].name, CONNECTIONS_MAX - 1);
                return Err(at.error(entry.service.span(), reason));
            }
        }
    }
    Ok(())
}

fn check_memory(
    at: &Locator,
    document: &Document,
    partitions: &[Partition],
    connections: &[Connection],
    limits: &Limits,
) -> Result<(), Error> {
    let mut sum = 0u64;
    let mut add = |bytes: u64, place: std::ops::Range<usize>, what: String| {
        sum = sum.saturating_add(bytes);
        if sum <= limits.memory {
            return Ok(());
        }
        let (sum, limit) = (sum >> 20, limits.memory >> 20);
        Err(at.error(place, format!("with {what} the system needs {sum} MiB, the machine has {limit} MiB for it")))
    };
    for (entry, partition) in document.partition.iter().zip(partitions) {
        let bytes = partition.memory_bytes.saturating_add(partition.extra_pages.saturating_mul(4096));
        add(bytes, entry.memory.span(), format!("the memory of `{}`", partition.name))?;
    }
    for (entry, connection) in document.connection.iter().zip(connections) {
        let place = entry.pool.as_ref().map_or(entry.service.span(), |pool| pool.span());
        let bytes = connection.pool_bytes.saturating_add(connection.control_bytes);
        add(bytes, place, format!("the pool of `{}`", connection.service))?;
    }
    Ok(())
}

type Ordered = (ArrayVec<Partition, PARTITIONS_MAX>, ArrayVec<Connection, SYSTEM_CONNECTIONS_MAX>);

/// Puts servers before their clients and renumbers the connections.
pub(crate) fn order(
    at: &Locator,
    document: &Document,
    partitions: Vec<Partition>,
    connections: Vec<Connection>,
) -> Result<Ordered, Error> {
    let too_many = |what, place| at.error(place, format!("too many {what}"));
    let mut placed: Vec<usize> = Vec::new();
    while placed.len() < partitions.len() {
        let waits = |index: usize| {
            connections.iter().find(|it| usize::from(it.client) == index && !placed.contains(&usize::from(it.server)))
        };
        let next = (0..partitions.len()).find(|index| !placed.contains(index) && waits(*index).is_none());
        let Some(next) = next else {
            let stuck = (0..partitions.len()).find(|index| !placed.contains(index)).unwrap_or(0);
            let place = connections
                .iter()
                .position(|it| usize::from(it.client) == stuck)
                .map_or(0..0, |index| document.connection[index].server.span());
            let reason = format!("`{}` is in a circle of clients and servers", partitions[stuck].name);
            return Err(at.error(place, reason));
        };
        placed.push(next);
    }
    let place_of = |old: u8| {
        let new = placed.iter().position(|index| *index == usize::from(old));
        new.and_then(|index| u8::try_from(index).ok()).unwrap_or(u8::MAX)
    };
    let mut ordered = (ArrayVec::new(), ArrayVec::new());
    for index in &placed {
        let span = document.partition[*index].name.span();
        ordered.0.try_push(partitions[*index].clone()).map_err(|_| too_many("partitions", span))?;
    }
    for (index, connection) in connections.iter().enumerate() {
        let span = document.connection[index].service.span();
        let (client, server) = (place_of(connection.client), place_of(connection.server));
        let renumbered = Connection { client, server, ..connection.clone() };
        ordered.1.try_push(renumbered).map_err(|_| too_many("connections", span))?;
    }
    Ok(ordered)
}
