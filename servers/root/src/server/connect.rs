// SPDX-License-Identifier: MIT OR Apache-2.0
//! Connects a client with a server: portal, events, control and pool regions.

use sawmill_abi::PAGE_SIZE;
use sawmill_abi::object::{
    RIGHT_EVENT_SIGNAL, RIGHT_PORTAL_CALL, RIGHT_REGION_EXECUTE, RIGHT_REGION_READ, RIGHT_REGION_WRITE,
};
use sawmill_abi::region::{REGION_ALIGN_2M, REGION_BELOW_4G};
use sawmill_abi::status::Status;
use sawmill_root::failure::Failure;
use sawmill_root::{aperture, failure, numbering};
use sawmill_rt::{calls, println};

use super::create::drop_capability;
use super::info_page;
use super::state::{NULL, Root, State};

/// Makes a connection.
///
/// # Errors
/// A text for people, naming the connection and the step.
pub fn connect(root: &mut Root, index: usize) -> Result<(), Failure> {
    share(root, index)?;
    wire(root, index)
}

/// Gives portal and events to both ends; takes back what was given if one end cannot take its own.
///
/// # Errors
/// A text for people, naming the connection and the step.
pub fn wire(root: &mut Root, index: usize) -> Result<(), Failure> {
    // An end can fill its table on purpose, again and again: nothing of root's may be used up by that.
    give_capabilities(root, index).inspect_err(|_| disconnect(root, index))
}

fn give_capabilities(root: &mut Root, index: usize) -> Result<(), Failure> {
    let connection = root.system.connections[index].clone();
    let service = connection.service;
    let step = |what: &'static str| move |status: Status| failure!("connection {service}: {what}: {status:?}");
    let (client, server) = (usize::from(connection.client), usize::from(connection.server));

    let (client_selector, server_selector) = (root.partitions[client].selector, root.partitions[server].selector);
    let server_vcpu = root.partitions[server].vcpus.first().copied().unwrap_or(NULL);
    let client_vcpu = root.partitions[client].vcpus.first().copied().unwrap_or(NULL);
    let link = &mut root.links[index];
    link.portal = calls::portal_create(server_selector, connection.budget_ns).map_err(step("create portal"))?;
    let slot = numbering::client_portal(index);
    calls::capability_copy(link.portal, client_selector, slot, RIGHT_PORTAL_CALL, connection.badge)
        .map_err(step("give portal to client"))?;

    link.to_server = calls::event_create(server_vcpu, numbering::server_event(index)).map_err(step("event"))?;
    let slot = numbering::client_signal(index);
    calls::capability_copy(link.to_server, client_selector, slot, RIGHT_EVENT_SIGNAL, 0)
        .map_err(step("give event to client"))?;
    link.to_client = calls::event_create(client_vcpu, numbering::client_event(index)).map_err(step("event"))?;
    let slot = numbering::server_signal(index);
    calls::capability_copy(link.to_client, server_selector, slot, RIGHT_EVENT_SIGNAL, 0)
        .map_err(step("give event to server"))?;
    Ok(())
}

/// Creates the regions on the client's account and maps them on both sides; regions that are there already (a
/// server was started again) stay as they are.
///
/// # Errors
/// A text for people, naming the connection and the region.
pub fn share(root: &mut Root, index: usize) -> Result<(), Failure> {
    let connection = root.system.connections[index].clone();
    let (client, server) = (usize::from(connection.client), usize::from(connection.server));
    let has_dma = root.has_unsafe_dma(server);
    let in_client = aperture::plan(&root.system, client).connections[index];
    let in_server = aperture::plan(&root.system, server).connections[index];
    let both = RIGHT_REGION_READ | RIGHT_REGION_WRITE;
    // The client runs its programs from the page cache in the pool; no server runs anything there.
    let all = both | RIGHT_REGION_EXECUTE;
    let pool_rights = if connection.server_writes_pool { both } else { RIGHT_REGION_READ };
    let has_server = root.partitions[server].state != State::Dead;
    let (client, server) = (root.partitions[client].selector, root.partitions[server].selector);
    let link = &mut root.links[index];
    let shares = [
        (
            "control region",
            &mut link.control,
            connection.control_bytes,
            in_client.control_gpa,
            in_server.control_gpa,
            both,
            both,
        ),
        ("pool", &mut link.pool, connection.pool_bytes, in_client.pool_gpa, in_server.pool_gpa, all, pool_rights),
    ];
    for (what, region, bytes, client_gpa, server_gpa, client_rights, server_rights) in shares {
        let step = |status: Status| failure!("connection {}: {what} of {bytes} bytes: {status:?}", connection.service);
        let pages = bytes.div_ceil(PAGE_SIZE);
        if pages == 0 {
            continue;
        }
        if *region == NULL {
            let flags = if has_dma { REGION_ALIGN_2M | REGION_BELOW_4G } else { REGION_ALIGN_2M };
            *region = calls::region_create(client, pages, flags).map_err(step)?;
            calls::region_map(*region, client, client_gpa, 0, pages, client_rights).map_err(step)?;
        }
        if has_server {
            calls::region_map(*region, server, server_gpa, 0, pages, server_rights).map_err(step)?;
        }
    }
    Ok(())
}

/// Takes the portal and events of a connection back; calls under way end with `PEER_DEAD` when the server goes.
fn disconnect(root: &mut Root, index: usize) {
    let link = &mut root.links[index];
    drop_capability(&mut link.portal);
    drop_capability(&mut link.to_server);
    drop_capability(&mut link.to_client);
}

/// True if the two ends keep state about each other, so that a new server must not get calls for the old one.
pub fn has_state(root: &Root, index: usize) -> bool {
    root.system.connections[index].control_bytes != 0
}

/// Tells the other ends of a partition's connections that it died, and takes the connections back.
pub fn partition_died(root: &mut Root, partition: usize) {
    for index in 0..root.links.len() {
        let ends = &root.system.connections[index];
        let (client, server) = (usize::from(ends.client), usize::from(ends.server));
        let (survivor, event) = if client == partition {
            (server, root.links[index].to_server)
        } else if server == partition {
            (client, root.links[index].to_client)
        } else {
            continue;
        };
        root.links[index].deaths += 1;
        let is_client = client == partition;
        root.links[index].is_held |=
            is_client && has_state(root, index) && root.partitions[server].state != State::Dead;
        if root.partitions[survivor].state != State::Dead {
            if let Err(failure) = info_page::write(root, survivor) {
                println!("{failure}");
            }
            // A survivor that dies right now needs no signal.
            let _ = calls::event_signal(event);
        }
        disconnect(root, index);
    }
}

/// True if this partition is a client whose regions servers use.
pub fn has_regions(root: &Root, client: usize) -> bool {
    (0..root.links.len()).any(|it| usize::from(root.system.connections[it].client) == client && has_state(root, it))
}

/// True if servers may still use regions of this client, which died.
pub fn is_held(root: &Root, client: usize) -> bool {
    root.system.connections.iter().zip(&root.links).any(|(it, link)| usize::from(it.client) == client && link.is_held)
}

/// Forgets the regions of a connection whose client is gone.
pub fn drop_regions(root: &mut Root, index: usize) {
    let link = &mut root.links[index];
    drop_capability(&mut link.control);
    drop_capability(&mut link.pool);
}

/// Tells the servers of a client that was started again that it is there.
pub fn announce(root: &mut Root, client: usize) {
    for index in 0..root.links.len() {
        let ends = &root.system.connections[index];
        let server = usize::from(ends.server);
        if usize::from(ends.client) != client || root.partitions[server].state == State::Dead {
            continue;
        }
        if let Err(failure) = info_page::write(root, server) {
            println!("{failure}");
        }
        // A server that dies right now needs no signal.
        let _ = calls::event_signal(root.links[index].to_server);
    }
}
