// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads the compiled description and checks it against this machine.

use sawmill_abi::PAGE_SIZE;
use sawmill_abi::machine::{MODULES_MAX, Module, RootInfo};
use sawmill_proto::system::{SYSTEM_MAGIC, SYSTEM_VERSION, System};

use crate::failure;
use crate::failure::Failure;
use crate::names;

/// Name of the boot module with the description.
pub const SYSTEM_MODULE: &str = "system";

/// Finds a boot module.
///
/// # Errors
/// A text for people when there is none of this name.
pub fn module<'a>(info: &'a RootInfo, name: &str) -> Result<&'a Module, Failure> {
    let count = usize::try_from(info.module_count).unwrap_or(0).min(MODULES_MAX);
    info.modules
        .iter()
        .take(count)
        .find(|module| names::unpadded(&module.name) == name)
        .ok_or_else(|| failure!("there is no boot module `{name}`"))
}

/// Decodes a description.
///
/// # Errors
/// A text for people.
pub fn decode(bytes: &[u8]) -> Result<System, Failure> {
    let damaged = |error: postcard::Error| failure!("module `system` is damaged ({} bytes): {error}", bytes.len());
    // The first two fields alone: what follows them may be laid out in another way.
    let ((magic, found), _) = postcard::take_from_bytes::<(u32, u32)>(bytes).map_err(damaged)?;
    if magic != SYSTEM_MAGIC {
        return Err(failure!("module `system` is no system description (it begins with {magic:#x})"));
    }
    if found != SYSTEM_VERSION {
        return Err(failure!("module `system` has version {found}, this root reads version {SYSTEM_VERSION}"));
    }
    postcard::from_bytes(bytes).map_err(damaged)
}

/// Checks a description against this machine: modules, memory, CPUs, references.
///
/// # Errors
/// A text for people, naming the partition or connection.
pub fn check(system: &System, info: &RootInfo) -> Result<(), Failure> {
    if system.partitions.is_empty() {
        return Err(failure!("the description has no partition"));
    }
    let mut pages = 0u64;
    for partition in &system.partitions {
        let name = &partition.name;
        let needed = [Some(&partition.image), partition.initrd.as_ref()];
        for image in needed.into_iter().flatten() {
            module(info, image).map_err(|failure| failure!("partition {name}: {failure}"))?;
        }
        if let Some(disk) = partition.memory_disk.as_ref().filter(|disk| !disk.is_optional) {
            module(info, &disk.module).map_err(|failure| failure!("partition {name}: {failure}"))?;
        }
        if partition.memory_bytes == 0 || !partition.memory_bytes.is_multiple_of(2 << 20) {
            return Err(failure!(
                "partition {name}: memory of {} bytes is not a multiple of 2 MiB",
                partition.memory_bytes
            ));
        }
        if partition.priority > 7 {
            return Err(failure!("partition {name}: priority {} is out of range", partition.priority));
        }
        if partition.cpus.mask(info.cpu_count) == 0 {
            return Err(failure!("partition {name}: none of its CPUs is there ({} CPUs)", info.cpu_count));
        }
        pages = pages.saturating_add(partition.memory_bytes / PAGE_SIZE).saturating_add(partition.extra_pages);
    }
    for connection in &system.connections {
        let (client, server) = (usize::from(connection.client), usize::from(connection.server));
        if client.max(server) >= system.partitions.len() || client == server {
            return Err(failure!("connection {}: its ends are not two partitions", connection.service));
        }
        pages = pages.saturating_add((connection.control_bytes.saturating_add(connection.pool_bytes)) / PAGE_SIZE);
    }
    if pages > info.free_pages {
        let (needed, free) = (pages >> 8, info.free_pages >> 8);
        return Err(failure!("the system needs {needed} MiB, this machine has {free} MiB free"));
    }
    Ok(())
}
