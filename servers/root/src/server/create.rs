// SPDX-License-Identifier: MIT OR Apache-2.0
//! Creates a partition with its memory, vCPUs and the portals to root, and takes it apart again.

use sawmill_abi::PAGE_SIZE;
use sawmill_abi::info::EVENT_PAGE_GPA;
use sawmill_abi::object::{
    RIGHT_ALL, RIGHT_PORTAL_CALL, RIGHT_PORTAL_CONTROL, RIGHT_REGION_EXECUTE, RIGHT_REGION_READ, RIGHT_REGION_WRITE,
    SELECTOR_MACHINE, SELECTOR_VCPU_BASE,
};
use sawmill_abi::region::{REGION_ALIGN_2M, REGION_BELOW_4G};
use sawmill_abi::status::Status;
use sawmill_proto::system::SELECTOR_OWN_CONTROL;
use sawmill_root::failure::Failure;
use sawmill_root::{failure, hang, names, numbering};
use sawmill_rt::calls::{self, MACHINE, SELF, Selector};
use sawmill_rt::println;

use super::sentry;
use super::state::{NULL, Root, Running, State};

/// Region pages that a partition has to pay for.
fn quota_pages(root: &Root, index: usize) -> u64 {
    let partition = &root.system.partitions[index];
    let paid = root.system.connections.iter().filter(|connection| usize::from(connection.client) == index);
    let regions: u64 = paid.map(|it| it.control_bytes.div_ceil(PAGE_SIZE) + it.pool_bytes.div_ceil(PAGE_SIZE)).sum();
    partition.memory_bytes / PAGE_SIZE + regions + partition.extra_pages
}

/// Creates a partition.
///
/// # Errors
/// A text for people, naming the partition and the step.
pub fn create(root: &mut Root, index: usize) -> Result<(), Failure> {
    let partition = root.system.partitions[index].clone();
    let name = partition.name;
    let step = |what: &'static str| move |status: Status| failure!("partition {name}: {what}: {status:?}");

    let pages = quota_pages(root, index);
    let (selector, number) =
        calls::partition_create(SELF, names::padded(&name), partition.kernel_frames, pages).map_err(step("create"))?;
    let running = &mut root.partitions[index];
    sentry::forget(index);
    let kept = (running.restarts, running.status);
    *running = Running { selector, number, restarts: kept.0, ..Running::new() };

    let flags = if root.has_unsafe_dma(index) { REGION_ALIGN_2M | REGION_BELOW_4G } else { REGION_ALIGN_2M };
    let pages = partition.memory_bytes / PAGE_SIZE;
    let memory = calls::region_create(selector, pages, flags).map_err(step("allocate memory"))?;
    let rights = RIGHT_REGION_READ | RIGHT_REGION_WRITE | RIGHT_REGION_EXECUTE;
    calls::region_map(memory, selector, 0, 0, pages, rights).map_err(step("map memory"))?;

    let fault_rights = RIGHT_PORTAL_CALL | RIGHT_PORTAL_CONTROL;
    let fault_portal = calls::capability_copy(root.portal, SELF, 0, fault_rights, numbering::fault_badge(index))
        .map_err(step("fault portal"))?;
    calls::partition_set_handler(selector, fault_portal).map_err(step("set handler"))?;
    let badge = numbering::service_badge(index);
    calls::capability_copy(root.portal, selector, numbering::root_portal(), RIGHT_PORTAL_CALL, badge)
        .map_err(step("portal to root"))?;
    let mut ping_portal = NULL;
    if partition.hang_after_ns != 0 {
        ping_portal = calls::portal_create(selector, hang::PING_BUDGET_NS).map_err(step("portal to watch it"))?;
    }
    if partition.controls_itself {
        calls::capability_copy(selector, selector, SELECTOR_OWN_CONTROL, RIGHT_ALL, 0)
            .map_err(step("own capability"))?;
    }
    if partition.controls_machine {
        println!("WARNING: partition {name} holds the machine: it must be trusted as the hypervisor is");
        calls::capability_copy(MACHINE, selector, SELECTOR_MACHINE, RIGHT_ALL, 0).map_err(step("the machine"))?;
    }
    if partition.is_foreground {
        calls::partition_take_foreground(selector).map_err(step("take the terminal"))?;
    }

    let running = &mut root.partitions[index];
    running.memory = memory;
    running.fault_portal = fault_portal;
    running.ping_portal = ping_portal;
    let mask = partition.cpus.mask(root.info.cpu_count);
    for cpu in (0..u64::from(u64::BITS)).filter(|cpu| mask >> cpu & 1 == 1) {
        let place = running.vcpus.len() as u64;
        let event_gpa = EVENT_PAGE_GPA + place * PAGE_SIZE;
        let vcpu = calls::vcpu_create(selector, place, cpu, u64::from(partition.priority), event_gpa)
            .map_err(step("create vCPU"))?;
        calls::capability_copy(vcpu, selector, SELECTOR_VCPU_BASE + place, RIGHT_ALL, 0)
            .map_err(step("vCPU selector"))?;
        let is_full = running.vcpus.try_push(vcpu).is_err() || running.cpus.try_push(cpu).is_err();
        if is_full {
            return Err(failure!("partition {name}: too many CPUs"));
        }
    }
    let (mib, cpus) = (partition.memory_bytes >> 20, running.vcpus.len());
    println!("partition {name}: number {number}, {mib} MiB, {cpus} vCPUs");
    Ok(())
}

/// Removes a capability of root's and what was derived from it, if it is there.
pub fn drop_capability(selector: &mut Selector) {
    if *selector != NULL {
        // Gone already is as good as gone now: destroying a partition takes its objects along.
        let _ = calls::capability_destroy(*selector);
        *selector = NULL;
    }
}

/// Stops a partition whose regions are still in use elsewhere: without memory, none of its vCPUs runs on.
pub fn stop(root: &mut Root, index: usize) {
    let running = &mut root.partitions[index];
    running.state = State::Dead;
    drop_capability(&mut running.memory);
}

/// Destroys what [`create`] made. Connections and devices have to be gone before.
pub fn destroy(root: &mut Root, index: usize) {
    let running = &mut root.partitions[index];
    running.state = State::Dead;
    if let Err(status) = calls::partition_destroy(running.selector) {
        println!("partition {}: cannot be destroyed: {status:?}", root.name(index));
    }
    let running = &mut root.partitions[index];
    drop_capability(&mut running.fault_portal);
    drop_capability(&mut running.ping_portal);
    drop_capability(&mut running.memory);
    for mut vcpu in running.vcpus.drain(..) {
        drop_capability(&mut vcpu);
    }
    running.cpus.clear();
    running.selector = NULL;
}
