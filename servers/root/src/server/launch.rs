// SPDX-License-Identifier: MIT OR Apache-2.0
//! Starts partitions, servers before their clients.

use sawmill_proto::system::Ready;
use sawmill_root::failure;
use sawmill_root::failure::Failure;
use sawmill_rt::calls;
use sawmill_rt::println;

use super::alarm;
use super::state::{Root, State};

/// Starts one partition's first vCPU.
///
/// # Errors
/// A text for people, naming the partition.
pub fn start(root: &mut Root, index: usize) -> Result<(), Failure> {
    let name = root.system.partitions[index].name;
    let start = root.partitions[index].start;
    let vcpu = *root.partitions[index].vcpus.first().ok_or_else(|| failure!("partition {name} has no vCPU"))?;
    calls::vcpu_start(vcpu, start.rip, start.rsp, start.cr3, start.argument)
        .map_err(|status| failure!("partition {name}: cannot be started: {status:?}"))?;
    root.partitions[index].state = State::Started;
    if root.system.partitions[index].ready == Ready::Started {
        is_ready(root, index);
    }
    Ok(())
}

/// Notes that a partition's clients may start.
pub fn is_ready(root: &mut Root, index: usize) {
    if root.partitions[index].state == State::Started {
        root.partitions[index].state = State::Ready;
        println!("READY {}", root.name(index));
        alarm::partition_is_ready(root, index);
    }
}

/// Starts new partitions in their order, up to one that has to report first.
///
/// # Errors
/// A text for people, naming the partition.
pub fn start_next(root: &mut Root) -> Result<(), Failure> {
    for index in 0..root.partitions.len() {
        match root.partitions[index].state {
            State::New => start(root, index)?,
            State::Started => return Ok(()),
            State::Ready | State::Dead => continue,
        }
        if root.partitions[index].state == State::Started {
            return Ok(());
        }
    }
    Ok(())
}
