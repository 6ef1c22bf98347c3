// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls and replies: directly, queued, late, and with a death at each moment.

use super::world::{Guest, World};
use crate::vcpu::Activity;
use sawmill_abi::fault::{FAULT_PARK, FAULT_RESUME, FaultReason};
use sawmill_abi::hypercall::Hypercall::{self, PartitionDestroy, PortalCall, PortalReply, PortalReplyWait, VcpuWait};
use sawmill_abi::object::SELECTOR_SELF;
use sawmill_abi::status::{REPLY_NONE, Status};
use sawmill_logic::platform::{Exit, Registers};

fn status(registers: &Registers) -> Status {
    Status::from_raw(registers.rax).expect("a status")
}

fn words(registers: &Registers) -> [u64; 6] {
    let Registers { rdi, rsi, rdx, r10, r8, r9, .. } = *registers;
    [rdi, rsi, rdx, r10, r8, r9]
}

/// A client and a server on CPUs of one's choice; root waits.
fn pair(client_cpu: u64, server_cpu: u64, budget_ns: u64) -> (World, Guest, Guest, u64) {
    let world = World::new(2);
    let server = world.guest("server", server_cpu, 3);
    let client = world.guest("client", client_cpu, 3);
    let portal = world.connect(server, client, budget_ns, 77);
    world.park_root();
    (world, client, server, portal)
}

/// Brings the server into `portal_reply_wait`.
fn receive(world: &World, cpu: usize, server: Guest) {
    world.push_call(server.vpid, PortalReplyWait, REPLY_NONE, &[]);
    for _ in 0..10 {
        world.turn(cpu);
        world.clear_events(server.vpid);
        if world.activity(server.vpid) == Activity::Receiving {
            return;
        }
    }
    panic!("the server does not receive: {:?}", world.activity(server.vpid));
}

const TRIPLE_FAULT: Exit = Exit::Fault { reason: FaultReason::TripleFault, qualification: 0, address: 0 };

#[test]
fn call_and_reply_carry_six_words_and_the_badge() {
    for (client_cpu, server_cpu) in [(0, 0), (0, 1), (1, 1)] {
        let (world, client, server, portal) = pair(client_cpu, server_cpu, 0);
        receive(&world, server_cpu as usize, server);
        for round in 0..3 {
            world.push_call(client.vpid, PortalCall, portal, &[round, 2, 3, 4, 5, 6]);
            world.turns(client_cpu as usize, 4);
            world.turns(server_cpu as usize, 4);
            let call = world.last_entry(server.vpid);
            assert_eq!((status(&call), call.rbx, words(&call)), (Status::Ok, 77, [round, 2, 3, 4, 5, 6]));
            world.push_call(server.vpid, PortalReplyWait, Status::Pending as u64, &[7, 8, 9, 10, 11, round]);
            world.turns(server_cpu as usize, 3);
            world.turns(client_cpu as usize, 3);
            let reply = world.last_entry(client.vpid);
            assert_eq!((status(&reply), words(&reply)), (Status::Pending, [7, 8, 9, 10, 11, round]));
            assert_eq!(world.activity(server.vpid), Activity::Receiving);
        }
    }
}

#[test]
fn call_between_waiting_vcpus_needs_no_scheduler_round() {
    let (world, client, server, portal) = pair(0, 0, 0);
    receive(&world, 0, server);
    // The first call goes the slow way and makes the server known.
    for _ in 0..2 {
        world.push_call(client.vpid, PortalCall, portal, &[1]);
        world.push_call(server.vpid, PortalReplyWait, 0, &[2]);
        world.turns(0, 3);
    }
    world.push_call(client.vpid, PortalCall, portal, &[5]);
    world.push_call(server.vpid, PortalReplyWait, 0, &[6]);
    let before = world.entries(client.vpid);
    world.turn(0);
    assert_eq!(world.entries(client.vpid), before + 2, "call and reply happen within one round");
    assert_eq!(words(&world.last_entry(client.vpid))[0], 6);
}

#[test]
fn busy_server_gets_the_call_when_it_asks() {
    let (world, client, server, portal) = pair(0, 0, 0);
    world.push_call(client.vpid, PortalCall, portal, &[1, 2]);
    world.turns(0, 4);
    assert!(matches!(world.activity(client.vpid), Activity::Calling(_)));
    world.clear_events(server.vpid);
    let call = world.call(0, server.vpid, PortalReplyWait, REPLY_NONE, &[]).expect("the queued call");
    assert_eq!((status(&call), call.rbx, call.rsi), (Status::Ok, 77, 2));
    let refused = world.call(0, server.vpid, PortalReplyWait, REPLY_NONE, &[]).unwrap();
    assert_eq!(status(&refused), Status::Busy);
    assert_eq!(status(&world.call(0, server.vpid, PortalReply, 0, &[9]).unwrap()), Status::Ok);
    world.turns(0, 3);
    assert_eq!(world.last_entry(client.vpid).rdi, 9);
    assert_eq!(status(&world.call(0, server.vpid, PortalReply, 0, &[]).unwrap()), Status::Stale);
}

#[test]
fn event_interrupts_a_server_that_waits() {
    let (world, _, server, _) = pair(0, 0, 0);
    receive(&world, 0, server);
    world.signal(server.vpid, 40);
    world.turns(0, 3);
    assert_eq!(status(&world.last_entry(server.vpid)), Status::Interrupted);
    let again = world.call(0, server.vpid, PortalReplyWait, REPLY_NONE, &[]).unwrap();
    assert_eq!(status(&again), Status::Interrupted, "the bit has not been taken");
}

#[test]
fn call_past_its_budget_times_out_and_the_reply_goes_nowhere() {
    let (world, client, server, portal) = pair(0, 0, 1_000_000);
    receive(&world, 0, server);
    world.push_call(client.vpid, PortalCall, portal, &[1]);
    world.turns(0, 6);
    assert_eq!(status(&world.last_entry(client.vpid)), Status::Timeout);
    assert_eq!(world.last_entry(client.vpid).rbx, 1, "the server had taken it");
    assert_eq!(status(&world.call(0, server.vpid, PortalReply, 0, &[]).unwrap()), Status::Stale);
    let late = world.call(0, server.vpid, PortalReplyWait, 0, &[]).unwrap();
    assert_eq!(status(&late), Status::Stale, "told, without waiting");
    let (world, client, server, portal) = pair(0, 0, 1_000_000);
    world.push_call(client.vpid, PortalCall, portal, &[1]);
    world.turns(0, 6);
    assert_eq!(status(&world.last_entry(client.vpid)), Status::Timeout, "while it was queued");
    assert_eq!(world.last_entry(client.vpid).rbx, 0, "the server never saw it");
    world.clear_events(server.vpid);
    receive(&world, 0, server);
}

#[test]
fn server_that_dies_at_any_moment_leaves_peer_dead() {
    for (moment, other_cpu) in [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1)] {
        let (world, client, server, portal) = pair(0, other_cpu, 0);
        match moment {
            0 => {}
            _ => receive(&world, other_cpu as usize, server),
        }
        if moment != 2 {
            world.push_call(client.vpid, PortalCall, portal, &[1]);
            world.turns(0, 4);
            world.turns(other_cpu as usize, 2);
        }
        world.wake_root();
        world.root_ok(PartitionDestroy, server.partition, &[]);
        world.park_root();
        if moment == 2 {
            world.push_call(client.vpid, PortalCall, portal, &[1]);
        }
        world.turns(0, 4);
        assert_eq!(status(&world.last_entry(client.vpid)), Status::PeerDead, "moment {moment}");
        let again = world.call(0, client.vpid, PortalCall, portal, &[1]).unwrap();
        assert_eq!(status(&again), Status::PeerDead);
        world.turns(other_cpu as usize, 2);
        assert!(world.machine.guests.script(server.vpid, |script| script.is_retired));
    }
}

#[test]
fn caller_that_dies_leaves_a_reply_that_is_dropped() {
    let (world, client, server, portal) = pair(0, 0, 0);
    receive(&world, 0, server);
    world.push_call(client.vpid, PortalCall, portal, &[1]);
    world.turns(0, 3);
    world.wake_root();
    world.root_ok(PartitionDestroy, client.partition, &[]);
    world.park_root();
    let reply = world.call(0, server.vpid, PortalReply, 0, &[]).unwrap();
    assert_eq!(status(&reply), Status::Stale);
    receive(&world, 0, server);
}

#[test]
fn calls_that_would_wait_for_each_other_are_refused() {
    let (world, client, server, portal) = pair(0, 0, 0);
    world.wake_root();
    let back = world.connect(client, server, 0, 5);
    world.park_root();
    receive(&world, 0, server);
    world.push_call(client.vpid, PortalCall, portal, &[1]);
    world.turns(0, 3);
    let refused = world.call(0, server.vpid, PortalCall, back, &[]).unwrap();
    assert_eq!(status(&refused), Status::Busy);
}

#[test]
fn server_runs_at_its_callers_priority() {
    let world = World::new(1);
    let server = world.guest("server", 0, 1);
    let other = world.guest("other", 0, 3);
    let client = world.guest("client", 0, 5);
    let portal = world.connect(server, client, 0, 1);
    world.park_root();
    world.push_call(client.vpid, VcpuWait, 0, &[]);
    world.push_call(other.vpid, VcpuWait, 0, &[]);
    world.turns(0, 4);
    receive(&world, 0, server);
    world.signal(other.vpid, 50);
    world.signal(client.vpid, 50);
    world.push_call(client.vpid, PortalCall, portal, &[]);
    world.turns(0, 2);
    let (served, others) = (world.entries(server.vpid), world.entries(other.vpid));
    world.turns(0, 5);
    assert!(world.entries(server.vpid) >= served + 5, "the server runs in its caller's place");
    assert_eq!(world.entries(other.vpid), others);
    world.push_call(server.vpid, PortalReply, 0, &[]);
    world.push_call(client.vpid, VcpuWait, 0, &[]);
    world.clear_events(client.vpid);
    world.turns(0, 4);
    assert!(world.entries(other.vpid) > others, "and falls back afterwards");
}

#[test]
fn caller_gets_its_timeout_from_a_server_above_it() {
    for is_taken in [true, false] {
        let world = World::new(1);
        let server = world.guest("server", 0, 5);
        let client = world.guest("client", 0, 3);
        let portal = world.connect(server, client, 1_000_000, 1);
        world.park_root();
        if is_taken {
            receive(&world, 0, server);
        } else {
            // The call wakes it, but it is at something else.
            world.push_call(server.vpid, VcpuWait, 0, &[]);
            world.clear_events(server.vpid);
        }
        world.push_call(client.vpid, PortalCall, portal, &[1]);
        world.turns(0, 12);
        assert_eq!(status(&world.last_entry(client.vpid)), Status::Timeout);
        assert_eq!(world.last_entry(client.vpid).rbx, u64::from(is_taken));
        let (served, gone_on) = (world.entries(server.vpid), world.entries(client.vpid));
        world.turns(0, 10);
        assert!(world.entries(server.vpid) > served && world.entries(client.vpid) > gone_on, "they take turns");
        receive(&world, 0, server);
        world.signal(server.vpid, 41);
        world.turns(0, 2);
        let gone_on = world.entries(client.vpid);
        world.turns(0, 5);
        assert_eq!(world.entries(client.vpid), gone_on, "it has its own priority again");
    }
}

/// A guest whose faults its twin handles.
fn handled() -> (World, Guest, Guest) {
    let world = World::new(1);
    let handler = world.guest("handler", 0, 3);
    let guest = world.guest("guest", 0, 3);
    let portal = world.root_ok(Hypercall::PortalCreate, handler.partition, &[0]);
    let badged = world.root_ok(Hypercall::CapabilityCopy, portal, &[SELECTOR_SELF, 0, 0xff, 9]);
    world.root_ok(Hypercall::PartitionSetHandler, guest.partition, &[badged]);
    world.park_root();
    receive(&world, 0, handler);
    (world, handler, guest)
}

#[test]
fn fault_becomes_a_call_and_resumes() {
    let (world, handler, guest) = handled();
    let violation = Exit::Fault { reason: FaultReason::EptViolation, qualification: 2, address: 0x4000_0000 };
    world.push(guest.vpid, violation, None);
    world.turns(0, 4);
    let message = world.last_entry(handler.vpid);
    assert!(World::is_fault(&message) && message.rbx == 9);
    assert_eq!(words(&message)[1..], [FaultReason::EptViolation as u64, 0, 0x1234, 2, 0x4000_0000]);
    let before = world.entries(guest.vpid);
    world.push_call(handler.vpid, PortalReplyWait, 0, &[FAULT_RESUME]);
    world.turns(0, 3);
    assert!(world.entries(guest.vpid) > before);
}

#[test]
fn fault_that_is_not_resumed_parks_the_partition() {
    let (world, handler, guest) = handled();
    world.push(guest.vpid, TRIPLE_FAULT, None);
    world.turns(0, 4);
    world.push_call(handler.vpid, PortalReplyWait, 0, &[FAULT_PARK]);
    world.turns(0, 3);
    assert_eq!(world.activity(guest.vpid), Activity::Parked);
}

#[test]
fn handlers_that_wait_for_handlers_all_end_with_the_last() {
    let world = World::new(1);
    let guests: Vec<Guest> = (0..3).map(|number| world.guest(&format!("guest{number}"), 0, 3)).collect();
    for pair in guests.windows(2) {
        let portal = world.root_ok(Hypercall::PortalCreate, pair[1].partition, &[0]);
        world.root_ok(Hypercall::PartitionSetHandler, pair[0].partition, &[portal]);
    }
    world.park_root();
    let (last, others) = guests.split_last().unwrap();
    for guest in others {
        world.push(guest.vpid, TRIPLE_FAULT, None);
    }
    world.turns(0, 20);
    assert!(others.iter().all(|guest| matches!(world.activity(guest.vpid), Activity::Calling(_))));
    world.push(last.vpid, TRIPLE_FAULT, None);
    world.turns(0, 3);
    assert!(guests.iter().all(|guest| world.activity(guest.vpid) == Activity::Parked));
}

#[test]
fn fault_without_a_handler_is_told_on_the_console() {
    let world = World::new(1);
    let guest = world.guest("guest", 0, 3);
    world.park_root();
    world.push(guest.vpid, Exit::Fault { reason: FaultReason::EntryFailure, qualification: 4, address: 33 }, None);
    world.turns(0, 3);
    let console = String::from_utf8_lossy(&world.machine.console.lock().unwrap()).into_owned();
    assert!(console.contains("[hypervisor] partition guest: vCPU 0 stopped: EntryFailure"), "{console}");
}

#[test]
#[should_panic(expected = "machine stopped")]
fn machine_stops_when_root_ends() {
    let world = World::new(1);
    world.push(super::world::ROOT, TRIPLE_FAULT, None);
    world.turns(0, 3);
}
