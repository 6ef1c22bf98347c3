// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writes a partition's information page.

use arrayvec::ArrayVec;
use sawmill_abi::info::{
    CONNECTIONS_MAX, Connection, ConnectionRole, DMA_RANGES_MAX, DeviceInfo, DmaRange, INFO_MAGIC, INFO_PAGE_GPA,
    PartitionInfo, VcpuInfo,
};
use sawmill_abi::object::SELECTOR_VCPU_BASE;
use sawmill_proto::root::ROOT_SERVICE;
use sawmill_root::failure::Failure;
use sawmill_root::{aperture, failure, names, numbering};
use sawmill_rt::calls::{self, Selector};

use super::memory;
use super::state::{NULL, Root, State};

/// Writes the page into the partition's memory.
///
/// # Errors
/// A text for people, naming the partition.
pub fn write(root: &mut Root, index: usize) -> Result<(), Failure> {
    let info = build(root, index);
    let name = root.system.partitions[index].name;
    let bytes = root.system.partitions[index].memory_bytes;
    let region = root.partitions[index].memory;
    memory::with(&mut root.windows.target, region, bytes, INFO_PAGE_GPA, sawmill_abi::PAGE_SIZE, |window, offset| {
        window.write_record(offset, &info)
    })
    .map_err(|status| failure!("partition {name}: writing its information page: {status:?}"))
}

fn build(root: &Root, index: usize) -> PartitionInfo {
    let running = &root.partitions[index];
    let partition = &root.system.partitions[index];
    let mut info = PartitionInfo {
        magic: INFO_MAGIC,
        abi_version: sawmill_abi::ABI_VERSION,
        name: names::padded(&partition.name),
        partition_id: running.number,
        tsc_khz: root.info.tsc_khz,
        wall_clock_ns: root.clock.ns,
        wall_clock_tsc: root.clock.tsc,
        memory_bytes: partition.memory_bytes,
        restarts: running.restarts,
        vcpu_count: running.vcpus.len() as u64,
        vcpus: [VcpuInfo::default(); _],
        connection_count: 0,
        device_count: 0,
        dma_range_count: 0,
        connections: [Connection::default(); _],
        devices: [DeviceInfo::default(); _],
        dma_ranges: [DmaRange::default(); _],
    };
    for ((number, cpu), vcpu) in (0..).zip(&running.cpus).zip(&mut info.vcpus) {
        *vcpu = VcpuInfo { selector: SELECTOR_VCPU_BASE + number, cpu: *cpu };
    }
    let connections = connections(root, index);
    for (to, from) in info.connections.iter_mut().zip(connections) {
        *to = from;
        info.connection_count += 1;
    }
    for (to, device) in info.devices.iter_mut().zip(&running.devices) {
        *to = device.info;
        info.device_count += 1;
    }
    for (to, from) in info.dma_ranges.iter_mut().zip(dma_ranges(root, index)) {
        *to = from;
        info.dma_range_count += 1;
    }
    info
}

/// The connection to root, then those of the description in their order.
fn connections(root: &Root, index: usize) -> ArrayVec<Connection, CONNECTIONS_MAX> {
    let mut list = ArrayVec::new();
    // The description has at most as many connections per partition as fit beside this one.
    let _ = list.try_push(Connection {
        role: ConnectionRole::Client as u64,
        service: names::padded(ROOT_SERVICE),
        portal_selector: numbering::root_portal(),
        is_root: 1,
        ..Connection::default()
    });
    let places = aperture::plan(&root.system, index).connections;
    for ((number, connection), place) in root.system.connections.iter().enumerate().zip(places) {
        let common = Connection {
            service: names::padded(&connection.service),
            control_gpa: place.control_gpa,
            control_bytes: connection.control_bytes,
            pool_gpa: place.pool_gpa,
            pool_bytes: connection.pool_bytes,
            peer_deaths: root.links[number].deaths,
            ..Connection::default()
        };
        let entry = if usize::from(connection.client) == index {
            Connection {
                role: ConnectionRole::Client as u64,
                portal_selector: numbering::client_portal(number),
                signal_selector: numbering::client_signal(number),
                event_bit: numbering::client_event(number),
                ..common
            }
        } else if usize::from(connection.server) == index {
            // The regions of a dead client are none.
            let is_there = root.partitions[usize::from(connection.client)].state != State::Dead;
            Connection {
                role: if is_there { ConnectionRole::Server as u64 } else { 0 },
                badge: connection.badge,
                signal_selector: numbering::server_signal(number),
                event_bit: numbering::server_event(number),
                ..common
            }
        } else {
            continue;
        };
        let _ = list.try_push(entry);
    }
    list
}

/// What the partition's devices can reach, and where that is for them.
fn dma_ranges(root: &Root, index: usize) -> ArrayVec<DmaRange, DMA_RANGES_MAX> {
    let mut list = ArrayVec::new();
    if root.partitions[index].devices.is_empty() {
        return list;
    }
    let mut add = |region: Selector, gpa: u64, size_bytes: u64| {
        if region == NULL || size_bytes == 0 {
            return;
        }
        if let Ok((_, hpa)) = calls::region_info(region) {
            // What does not fit cannot be reached by a device: drivers fall back to copying.
            let _ = list.try_push(DmaRange { gpa, hpa, size_bytes });
        }
    };
    add(root.partitions[index].memory, 0, root.system.partitions[index].memory_bytes);
    let places = aperture::plan(&root.system, index).connections;
    for ((connection, link), place) in root.system.connections.iter().zip(&root.links).zip(places) {
        if usize::from(connection.client) == index || usize::from(connection.server) == index {
            add(link.control, place.control_gpa, connection.control_bytes);
            add(link.pool, place.pool_gpa, connection.pool_bytes);
        }
    }
    list
}
