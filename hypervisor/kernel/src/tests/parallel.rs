// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two CPUs at once: calls by lease on one, everything that breaks leases on the other.

use super::world::World;
use sawmill_abi::hypercall::Hypercall::{self, PortalCall, PortalReplyWait};
use sawmill_abi::object::{RIGHT_ALL, RIGHT_COPY, RIGHT_EVENT_SIGNAL, RIGHT_PARTITION_CONTROL, SELECTOR_SELF};
use sawmill_abi::status::{REPLY_NONE, Status};
use sawmill_logic::platform::{Exit, Registers};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const CALLS: u64 = 8_000;

#[test]
fn no_call_is_lost_while_another_cpu_signals_and_revokes() {
    let world = World::new(2);
    let server = world.guest("server", 0, 3);
    let client = world.guest("client", 0, 3);
    let other = world.guest("other", 1, 3);
    let portal = world.connect(server, client, 50_000_000_000_000, 7);
    let event = world.root_ok(Hypercall::EventCreate, server.vcpu, &[40]);
    let event = world.give(event, other, RIGHT_EVENT_SIGNAL, 0);
    let partition = world.give(server.partition, other, RIGHT_PARTITION_CONTROL, 0);
    let memory = world.give(server.memory, other, RIGHT_ALL, 0);
    let done = Arc::new(AtomicU64::new(0));
    let is_over = Arc::new(AtomicBool::new(false));

    // The client counts; the server adds one; both check what they get.
    let mut sent = 0;
    let finished = done.clone();
    world.machine.guests.script(client.vpid, |script| {
        script.habit = Some(Box::new(move |registers| {
            if sent > 0 {
                assert_eq!((registers.rax, registers.rdi, registers.r9), (0, sent + 1, sent), "reply {sent}");
                finished.store(sent, Ordering::SeqCst);
            }
            sent += 1;
            *registers = Registers { rax: PortalCall as u64, rbx: portal, rdi: sent, r9: sent, ..*registers };
            Exit::Hypercall
        }));
    });
    let mut is_first = true;
    let mut received = 0;
    world.machine.guests.script(server.vpid, |script| {
        script.habit = Some(Box::new(move |registers| {
            let has_call = !std::mem::take(&mut is_first) && registers.rax == 0;
            assert!(has_call || registers.rax == Status::Interrupted as u64 || received == 0, "{registers:?}");
            if has_call {
                received += 1;
                assert_eq!((registers.rbx, registers.rdi), (7, received), "each call arrives once");
            }
            registers.rbx = if has_call { Status::Ok as u64 } else { REPLY_NONE };
            registers.rdi += 1;
            registers.rax = PortalReplyWait as u64;
            Exit::Hypercall
        }));
    });
    let mut turn = 0u64;
    let mut copy = 0;
    world.machine.guests.script(other.vpid, |script| {
        script.habit = Some(Box::new(move |registers| {
            turn += 1;
            if turn % 6 == 4 {
                copy = registers.rbx;
            }
            let (call, rbx, words) = match turn % 6 {
                0 => (Hypercall::EventSignal, event, [0; 6]),
                1 => (Hypercall::RegionMap, memory, [partition, 1 << 30, 0, 4, 3, 0]),
                2 => (Hypercall::RegionUnmap, partition, [1 << 30, 4, 0, 0, 0, 0]),
                3 => (Hypercall::CapabilityCopy, memory, [SELECTOR_SELF, 0, RIGHT_COPY, 0, 0, 0]),
                4 => (Hypercall::CapabilityRevoke, copy, [1, 0, 0, 0, 0, 0]),
                _ => (Hypercall::TimerSet, 0, [turn, 0, 0, 0, 0, 0]),
            };
            let [rdi, rsi, rdx, r10, r8, r9] = words;
            *registers = Registers { rax: call as u64, rbx, rdi, rsi, rdx, r10, r8, r9, ..Registers::default() };
            Exit::Hypercall
        }));
    });
    world.park_root();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut local = world.kernel.locals[0].lock();
            while done.load(Ordering::SeqCst) < CALLS {
                world.kernel.turn(&mut local);
                // The server takes its events, as its guest would after INTERRUPTED.
                world.clear_events(server.vpid);
            }
            is_over.store(true, Ordering::SeqCst);
        });
        scope.spawn(|| {
            let mut local = world.kernel.locals[1].lock();
            while !is_over.load(Ordering::SeqCst) {
                world.kernel.turn(&mut local);
            }
        });
    });
    world.kernel.state.lock().settle(0);
    world.check();
    let state = world.kernel.state.lock();
    let booked: u64 = state.vcpus.iter().map(|(_, vcpu)| vcpu.statistics.served).sum();
    // Calls of the last lease are booked when its exit is answered, which no turn does any more.
    let served = booked + world.kernel.locals[0].lock().fast_calls;
    assert!(served >= CALLS, "{served}");
}
