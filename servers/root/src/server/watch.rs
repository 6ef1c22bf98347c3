// SPDX-License-Identifier: MIT OR Apache-2.0
//! What happens when a partition has stopped.

use sawmill_abi::fault::FAULT_PARK;
use sawmill_abi::status::Status;
use sawmill_root::failure::Failure;
use sawmill_root::policy::{self, Action};
use sawmill_root::reason::{End, Reason};
use sawmill_rt::{calls, println};

use super::state::{Root, State};
use super::{alarm, connect, create, devices, end, image, info_page, launch};

/// Handles a fault message; its reply is sent here.
pub fn on_fault(root: &mut Root, index: usize, words: [u64; 6]) {
    // The vCPU stays parked. Answered first: it must not be waiting in a call while its partition is taken apart.
    let _ = calls::portal_reply(Status::Ok as u64, [FAULT_PARK, 0, 0, 0, 0, 0]);
    let name = root.system.partitions[index].name;
    let Some(reason) = Reason::decode(words) else {
        println!("partition {name}: message without the fault tag, ignored");
        return;
    };
    if root.partitions[index].state == State::Dead {
        // Another of its vCPUs stopped, too.
        return;
    }
    let text = sawmill_root::failure!("{reason}");
    stopped(root, index, reason.end(), text.text());
}

/// Does what policy says about a partition that has stopped, or counts as stopped.
pub fn stopped(root: &mut Root, index: usize, how: End, text: &str) {
    let name = root.system.partitions[index].name;
    println!("partition {name}: {text}");
    root.partitions[index].state = State::Dead;
    let restarts = root.partitions[index].restarts;
    let status = root.partitions[index].status;
    match policy::decide(&root.system.partitions[index], how, restarts, status) {
        _ if root.ending.is_some() => {}
        Action::EndRun(status) => return end_run(root, index, status, sawmill_root::failure!("{name} {text}")),
        Action::LeaveDead => println!("partition {name}: stays dead"),
        Action::StartAgain => root.partitions[index].is_expected = true,
    }
    take_apart(root, index);
}

/// Ends the run as soon as servers have let go of the other clients: their files without a name go with that.
fn end_run(root: &mut Root, index: usize, status: u64, reason: Failure) {
    for other in 0..root.partitions.len() {
        if other != index && root.partitions[other].state != State::Dead && connect::has_regions(root, other) {
            root.partitions[other].state = State::Dead;
            take_apart(root, other);
        }
    }
    root.ending = Some((status, reason));
    alarm::expect_end(root);
    end_if_free(root);
}

/// Ends a run that is to end, unless servers still hold something of clients.
fn end_if_free(root: &mut Root) {
    if root.links.iter().all(|link| !link.is_held) {
        end_now(root);
    }
}

/// Ends a run that is to end.
pub fn end_now(root: &mut Root) {
    if let Some((status, reason)) = root.ending.take() {
        end::finish(root, status, reason.text());
    }
}

fn take_apart(root: &mut Root, index: usize) {
    devices::take_back(root, index);
    connect::partition_died(root, index);
    if connect::is_held(root, index) {
        // What it pays for would vanish under its servers.
        create::stop(root, index);
        return;
    }
    finish(root, index);
}

/// A server has let go of a dead client's regions.
pub fn let_go(root: &mut Root, connection: usize) {
    let client = usize::from(root.system.connections[connection].client);
    if !core::mem::take(&mut root.links[connection].is_held) {
        return;
    }
    connect::drop_regions(root, connection);
    if !connect::is_held(root, client) {
        finish(root, client);
    }
}

/// Takes the rest of a dead partition apart, and starts it again if that is expected.
fn finish(root: &mut Root, index: usize) {
    for connection in 0..root.links.len() {
        // Selectors of regions that it paid for will soon name something else.
        if usize::from(root.system.connections[connection].client) == index {
            connect::drop_regions(root, connection);
        }
    }
    create::destroy(root, index);
    if core::mem::take(&mut root.partitions[index].is_expected) {
        root.partitions[index].restarts += 1;
        let (name, restarts) = (root.system.partitions[index].name, root.partitions[index].restarts);
        match start_again(root, index) {
            Ok(()) => println!("partition {name}: started again ({restarts})"),
            Err(failure) => {
                println!("{failure}; it stays dead");
                root.partitions[index].state = State::Dead;
                take_apart(root, index);
            }
        }
    }
    for connection in 0..root.links.len() {
        if usize::from(root.system.connections[connection].server) == index {
            // What the server had mapped is not mapped any more.
            let_go(root, connection);
        }
    }
    end_if_free(root);
}

fn start_again(root: &mut Root, index: usize) -> Result<(), Failure> {
    create::create(root, index)?;
    image::load(root, index)?;
    for connection in 0..root.links.len() {
        let ends = &root.system.connections[connection];
        let (client, server) = (usize::from(ends.client), usize::from(ends.server));
        let other = if client == index { server } else { client };
        let is_there = root.partitions[other].state != State::Dead;
        if client == index || (server == index && is_there) {
            connect::share(root, connection)?;
        }
        if (client == index || server == index) && is_there {
            // A new server gets no calls for the old one: its client asks when it has ended them. A client whose table
            // is full has itself to blame; the server is there for the others.
            if (client == index || !connect::has_state(root, connection))
                && let Err(failure) = connect::wire(root, connection)
            {
                println!("{failure}");
            }
        }
    }
    devices::assign(root, index)?;
    info_page::write(root, index)?;
    launch::start(root, index)?;
    connect::announce(root, index);
    Ok(())
}
