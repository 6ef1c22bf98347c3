// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where pools, control regions and memory disks lie in a partition.

use sawmill_proto::system::{Connection, ImageKind, SYSTEM_CONNECTIONS_MAX, System};

/// Pools begin at such boundaries: a memory section of Linux, and a multiple of every large page that matters.
const POOL_ALIGN: u64 = 128 << 20;
/// Between pools: a server's Linux merges transfers of neighbouring pages, but what follows a pool in this partition need not
/// follow it in the machine's memory, where a device goes on.
const POOL_GAP: u64 = 4096;
/// Control regions begin at such boundaries.
const CONTROL_ALIGN: u64 = 2 << 20;
/// First address in a Linux partition: above everything that is RAM or a device window.
const LINUX_BASE: u64 = 1 << 32;
/// First address in a flat partition: inside its page tables.
const FLAT_BASE: u64 = 1 << 30;

/// Where one connection lies in one partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// Control region.
    pub control_gpa: u64,
    /// Pool region.
    pub pool_gpa: u64,
}

/// Where everything lies in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aperture {
    /// The connections, by their index in the description; unused for those of others.
    pub connections: [Placement; SYSTEM_CONNECTIONS_MAX],
    /// The memory disk.
    pub disk_gpa: u64,
}

fn concerns(connection: &Connection, partition: usize) -> bool {
    usize::from(connection.client) == partition || usize::from(connection.server) == partition
}

/// Computes where everything lies in a partition.
pub fn plan(system: &System, partition: usize) -> Aperture {
    let is_flat = system.partitions.get(partition).is_some_and(|it| it.kind == ImageKind::Flat);
    let mut next = if is_flat { FLAT_BASE } else { LINUX_BASE };
    let mut take = |bytes: u64, align: u64| {
        let start = next.next_multiple_of(align);
        next = start + bytes;
        if bytes == 0 { 0 } else { start }
    };
    let mut connections = [Placement::default(); SYSTEM_CONNECTIONS_MAX];
    for (connection, place) in system.connections.iter().zip(&mut connections) {
        if concerns(connection, partition) {
            place.control_gpa = take(connection.control_bytes, CONTROL_ALIGN);
        }
    }
    for (connection, place) in system.connections.iter().zip(&mut connections) {
        if concerns(connection, partition) {
            let gap = if connection.pool_bytes == 0 { 0 } else { POOL_GAP };
            place.pool_gpa = take(connection.pool_bytes + gap, POOL_ALIGN);
        }
    }
    Aperture { connections, disk_gpa: take(1, POOL_ALIGN) }
}
