// SPDX-License-Identifier: MIT OR Apache-2.0
//! A client that does all as it should, but never gives a lease back.

use core::mem::offset_of;

use sawmill_proto::file::{Header, LEASE};
use sawmill_rt::{calls, println};

use super::attack::Attack;
use super::request::{CREATE, LOOKUP, MKDIR, ROOT, Request};

/// What a client says of a lease.
const TAKE: u64 = 1;
const READY: u64 = 3;
/// Time between two looks, microseconds.
const LOOK_INTERVAL: u64 = 20_000;

impl Attack {
    /// Takes the lease of `/hkept`, says so by `/hready`, and never gives it back. Says when it is cut off.
    pub(super) fn keep(&mut self) -> ! {
        while self.shared_number(offset_of!(Header, is_shared)) == 0 {
            self.pause(LOOK_INTERVAL);
        }
        self.say_of_lease(ROOT, READY);
        // Before INIT is answered there are errors.
        let node = loop {
            let mut create = Request::new(CREATE, ROOT, 0);
            create.number::<4>(0).number::<4>(0o100_644).number::<4>(0).number::<4>(0).text(b"hkept\0");
            match self.send(0, &create, 0, 0, 0) {
                Some(node) if node > ROOT => break node,
                _ => self.pause(LOOK_INTERVAL),
            }
        };
        let is_taken = self.say_of_lease(node, TAKE).is_some();
        println!("hostile client: keeps the lease of node {node}: {is_taken}");
        let mut mkdir = Request::new(MKDIR, ROOT, 0);
        mkdir.number::<4>(0o755).number::<4>(0).text(b"hready\0");
        self.send(0, &mkdir, 0, 0, 0);
        let mut lookup = Request::new(LOOKUP, ROOT, 0);
        lookup.text(b"hready\0");
        while self.send(0, &lookup, 0, 0, 0).is_some() {
            self.pause(LOOK_INTERVAL);
        }
        println!("hostile client: cut off");
        loop {
            let _ = calls::vcpu_wait();
        }
    }

    fn say_of_lease(&mut self, node: u64, what: u64) -> Option<u64> {
        let mut lease = Request::new(LEASE, node, 0);
        lease.number::<4>(what).number::<4>(0);
        self.send(0, &lease, 0, 0, 0)
    }
}
