// SPDX-License-Identifier: MIT OR Apache-2.0
//! Random hypercalls of hostile partitions: the kernel keeps its invariants, and everything is back afterwards.

use super::world::{Guest, ROOT, World};
use proptest::prelude::*;
use sawmill_abi::fault::FaultReason;
use sawmill_abi::hypercall::{Hypercall, TABLE};
use sawmill_abi::object::{RIGHT_ALL, SELECTOR_MACHINE};
use sawmill_logic::platform::{Exit, Registers};

/// One thing that a hostile guest does.
#[derive(Clone, Debug)]
enum Act {
    Call { number: u64, selector: u64, words: [u64; 6], level: u8 },
    Exit(Exit),
}

fn word() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0u64..64,
        2 => Just(0u64),
        1 => (0u64..0x200).prop_map(|page| page * 4096),
        1 => any::<u64>(),
        1 => (0u32..64).prop_map(|bit| 1u64 << bit),
        1 => Just(u64::MAX),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let number = prop_oneof![
        12 => (0..TABLE.len()).prop_map(|index| TABLE[index].call as u64),
        1 => any::<u64>(),
    ];
    let call = (number, word(), proptest::array::uniform6(word()), prop_oneof![9 => Just(0u8), 1 => Just(3u8)])
        .prop_map(|(number, selector, words, level)| Act::Call { number, selector, words, level });
    let exit = prop_oneof![
        Just(Exit::Cpuid),
        Just(Exit::MsrRead),
        Just(Exit::MsrWrite),
        Just(Exit::Skip),
        Just(Exit::Halt),
        Just(Exit::InterruptWindow),
        Just(Exit::DeadlineReached),
        (any::<u16>(), prop_oneof![Just(1u8), Just(2), Just(4)], any::<bool>(), any::<bool>())
            .prop_map(|(port, width, is_input, is_string)| Exit::Port { port, width, is_input, is_string }),
        any::<u8>().prop_map(|vector| Exit::ExternalInterrupt { vector }),
        (any::<u64>(), 0u64..8).prop_map(|(address, qualification)| Exit::Fault {
            reason: FaultReason::EptViolation,
            qualification,
            address
        }),
    ];
    prop_oneof![15 => call, 1 => exit.prop_map(Act::Exit)]
}

fn perform(world: &World, guest: Guest, act: &Act) {
    match act {
        Act::Exit(exit) => world.push(guest.vpid, *exit, None),
        Act::Call { number, selector, words, level } => {
            // The suite would end: only whoever has the right may stop the machine.
            let number = if *number == Hypercall::MachineShutdown as u64 { 0 } else { *number };
            let [rdi, rsi, rdx, r10, r8, r9] = *words;
            let registers =
                Registers { rax: number, rbx: *selector, rdi, rsi, rdx, r10, r8, r9, ..Registers::default() };
            world.machine.guests.script(guest.vpid, |script| script.level = *level);
            world.push(guest.vpid, Exit::Hypercall, Some(registers));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 200, ..ProptestConfig::default() })]
    #[test]
    fn hostile_partitions_harm_nobody(acts in proptest::collection::vec((0usize..3, act()), 1..250)) {
        let world = World::new(2);
        world.turns(1, 2);
        let before = world.resources();
        let guests = [world.guest("first", 0, 3), world.guest("second", 0, 3), world.guest("third", 1, 5)];
        for guest in guests {
            for other in guests {
                let portal = world.root_ok(Hypercall::PortalCreate, other.partition, &[2_000_000]);
                for selector in [other.partition, other.vcpu, portal] {
                    world.give(selector, guest, RIGHT_ALL, 0);
                }
            }
            world.give(SELECTOR_MACHINE, guest, RIGHT_ALL, 0);
            world.give(guest.memory, guest, RIGHT_ALL, 0);
        }
        world.park_root();
        for (who, act) in &acts {
            perform(&world, guests[*who], act);
            world.turn(0);
            world.turn(1);
        }
        world.turns(0, 4);
        world.turns(1, 4);
        // Root is untouched, and gets everything back.
        world.wake_root();
        for guest in guests {
            for selector in [guest.partition, guest.memory] {
                world.root(Hypercall::CapabilityRevoke, selector, &[1]);
            }
        }
        world.release_everything();
        world.turns(1, 2);
        prop_assert_eq!(world.resources(), before);
        prop_assert!(world.entries(ROOT) > 0);
    }
}
