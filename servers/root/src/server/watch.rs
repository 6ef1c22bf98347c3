// SPDX-License-Identifier: MIT OR Apache-2.0
//! What happens when a partition has stopped.

use sawmill_abi::fault::FAULT_PARK;
use sawmill_abi::status::Status;
use sawmill_root::failure::Failure;
use sawmill_root::policy::{self, Action};
use sawmill_root::reason::{End, Reason};
use sawmill_rt::{calls, println};

use super::state::{Root, State};
use super::{connect, create, devices, end, image, info_page, launch};

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
        Action::EndRun(status) => {
            let text = sawmill_root::failure!("{name} {text}");
            end::finish(root, status, text.text());
        }
        Action::LeaveDead => {
            if owns_pool(root, index) {
                connect::partition_died(root, index);
            } else {
                take_apart(root, index);
            }
            println!("partition {name}: stays dead");
        }
        Action::StartAgain => {
            take_apart(root, index);
            root.partitions[index].restarts += 1;
            match start_again(root, index) {
                Ok(()) => println!("partition {name}: started again ({})", restarts + 1),
                Err(failure) => {
                    take_apart(root, index);
                    println!("{failure}; it stays dead");
                }
            }
        }
    }
}

/// True if servers have memory mapped that would vanish with this partition.
fn owns_pool(root: &Root, index: usize) -> bool {
    root.system.connections.iter().any(|it| usize::from(it.client) == index && it.control_bytes != 0)
}

fn take_apart(root: &mut Root, index: usize) {
    devices::take_back(root, index);
    connect::partition_died(root, index);
    connect::drop_regions(root, index);
    create::destroy(root, index);
}

fn start_again(root: &mut Root, index: usize) -> Result<(), Failure> {
    create::create(root, index)?;
    image::load(root, index)?;
    for connection in 0..root.links.len() {
        let ends = &root.system.connections[connection];
        let (client, server) = (usize::from(ends.client), usize::from(ends.server));
        let other = if client == index { server } else { client };
        let is_concerned = client == index || server == index;
        if is_concerned && root.partitions[other].state != State::Dead {
            connect::share(root, connection)?;
            // A client whose table is full has itself to blame; the server is there for the others.
            if !connect::has_state(root, connection)
                && let Err(failure) = connect::wire(root, connection)
            {
                println!("{failure}");
            }
        }
    }
    devices::assign(root, index)?;
    info_page::write(root, index)?;
    launch::start(root, index)
}
