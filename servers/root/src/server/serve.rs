// SPDX-License-Identifier: MIT OR Apache-2.0
//! Requests of partitions to root.

use sawmill_abi::PAGE_SIZE;
use sawmill_abi::object::{RIGHT_COPY, RIGHT_PARTITION_INFO, RIGHT_REGION_READ, RIGHT_REGION_WRITE};
use sawmill_abi::status::Status;
use sawmill_proto::root::{
    LIFE_DEAD, LIFE_NEW, LIFE_READY, LIFE_STARTED, ROOT_ALLOCATIONS_MAX, ROOT_LET_GO, ROOT_LOOKUP_NAME,
    ROOT_NUMBER_OPTION, ROOT_PARTITION, ROOT_RECONNECT, ROOT_REGION_ALLOCATE, ROOT_REPORT_READY, ROOT_REPORT_STATUS,
};
use sawmill_proto::system::Connection;
use sawmill_root::{inject, names, numbering};
use sawmill_rt::calls::{self, SELF, Selector};
use sawmill_rt::println;

use super::state::{NULL, Root, State};
use super::{connect, launch, watch};

/// Answers one request of a partition.
///
/// # Errors
/// The status that the caller gets.
pub fn call(root: &mut Root, index: usize, words: [u64; 6]) -> Result<[u64; 6], Status> {
    let [request, first, second, ..] = words;
    let answer = match request {
        ROOT_REPORT_READY => report_ready(root, index),
        ROOT_REPORT_STATUS => {
            root.partitions[index].status = Some(first);
            0
        }
        ROOT_LOOKUP_NAME => lookup(root, index, &names::from_words(first, second))?,
        ROOT_REGION_ALLOCATE => allocate(root, index, first, second)?,
        ROOT_RECONNECT => reconnect(root, index, &names::from_words(first, second))?,
        ROOT_LET_GO => let_go(root, index, first)?,
        ROOT_PARTITION => return partition(root, index, first),
        ROOT_NUMBER_OPTION => {
            let command_line = names::unpadded(&root.info.command_line);
            let name = names::from_words(first, second);
            inject::number(command_line, names::unpadded(&name)).ok_or(Status::Unsupported)?
        }
        _ => return Err(Status::Unsupported),
    };
    Ok([answer, 0, 0, 0, 0, 0])
}

fn report_ready(root: &mut Root, index: usize) -> u64 {
    launch::is_ready(root, index);
    if let Err(failure) = launch::start_next(root) {
        println!("{failure}");
    }
    0
}

/// Position in the caller's information page: the connection to root is the first.
fn lookup(root: &Root, index: usize, service: &[u8]) -> Result<u64, Status> {
    let name = names::unpadded(service);
    let ends = root.system.connections.iter();
    let own = ends.filter(|it| usize::from(it.client) == index || usize::from(it.server) == index);
    let found = own.zip(1..).find(|(it, _)| it.service.as_str() == name);
    found.map(|(_, place)| place).ok_or(Status::BadArgument)
}

fn reconnect(root: &mut Root, index: usize, service: &[u8]) -> Result<u64, Status> {
    let name = names::unpadded(service);
    let is_own = |it: &&Connection| usize::from(it.client) == index && it.service.as_str() == name;
    let found = root.system.connections.iter().position(|it| is_own(&it)).ok_or(Status::BadArgument)?;
    let server = usize::from(root.system.connections[found].server);
    match root.partitions[server].state {
        State::Dead => return Err(Status::PeerDead),
        State::New | State::Started => return Err(Status::Busy),
        // Its death may be known to its client before it is known here.
        State::Ready if root.links[found].portal != NULL => return Err(Status::Busy),
        State::Ready => {}
    }
    connect::wire(root, found).map_err(|failure| {
        println!("{failure}");
        Status::PeerDead
    })?;
    Ok(0)
}

fn let_go(root: &mut Root, server: usize, badge: u64) -> Result<u64, Status> {
    let is_own = |it: &Connection| usize::from(it.server) == server && it.badge == badge;
    let found = root.system.connections.iter().position(is_own).ok_or(Status::BadArgument)?;
    watch::let_go(root, found);
    Ok(0)
}

/// Tells an observer of root (0) or of a partition of the description, and lets it read the counters.
fn partition(root: &Root, index: usize, place: u64) -> Result<[u64; 6], Status> {
    if !root.system.partitions[index].sees_statistics {
        return Err(Status::NoRight);
    }
    let place = usize::try_from(place).map_err(|_| Status::BadArgument)?;
    let (selector, name, number, life, restarts) = match place.checked_sub(1) {
        None => (SELF, "root", ROOT_NUMBER, LIFE_READY, 0),
        Some(of) => {
            let running = root.partitions.get(of).ok_or(Status::BadArgument)?;
            (running.selector, root.name(of), running.number, life(running.state), running.restarts)
        }
    };
    let [low, high] = names::to_words(name);
    Ok([observed(root, index, selector, place)?, low, high, number, life, restarts])
}

/// Root's number in traces and on the console.
pub const ROOT_NUMBER: u64 = 1;

/// A state as observers read it.
pub fn life(state: State) -> u64 {
    match state {
        State::New => LIFE_NEW,
        State::Started => LIFE_STARTED,
        State::Ready => LIFE_READY,
        State::Dead => LIFE_DEAD,
    }
}

/// The selector by which an observer reads a partition's counters; it vanishes with the partition.
fn observed(root: &Root, observer: usize, partition: Selector, place: usize) -> Result<u64, Status> {
    let slot = numbering::observed(place);
    if partition == NULL {
        return Ok(NULL.0);
    }
    match calls::capability_copy(partition, root.partitions[observer].selector, slot, RIGHT_PARTITION_INFO, 0) {
        // It has it already.
        Ok(_) | Err(Status::Busy) => Ok(slot),
        Err(status) => Err(status),
    }
}

fn allocate(root: &mut Root, index: usize, pages: u64, gpa: u64) -> Result<u64, Status> {
    if pages == 0 || !gpa.is_multiple_of(PAGE_SIZE) {
        return Err(Status::BadArgument);
    }
    let running = &mut root.partitions[index];
    if running.allocations == ROOT_ALLOCATIONS_MAX {
        return Err(Status::NoSlot);
    }
    let partition = running.selector;
    let region = calls::region_create(partition, pages, 0)?;
    let rights = RIGHT_REGION_READ | RIGHT_REGION_WRITE;
    let given = calls::region_map(region, partition, gpa, 0, pages, rights)
        .and_then(|()| calls::capability_copy(region, partition, 0, rights | RIGHT_COPY, 0));
    match given {
        Ok(selector) => {
            running.allocations += 1;
            Ok(selector.0)
        }
        Err(status) => {
            // Undo: nothing has happened when an error is returned.
            let _ = calls::capability_destroy(region);
            Err(status)
        }
    }
}
