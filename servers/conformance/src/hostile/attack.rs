// SPDX-License-Identifier: MIT OR Apache-2.0
//! The attack: requests by the hundred thousand, and scribbling over all that both ends share.

use core::sync::atomic::{AtomicBool, Ordering::SeqCst};

use fastrand::Rng;
use sawmill_abi::fault::ExitKind;
use sawmill_abi::status::Status;
use sawmill_conformance::connection;
use sawmill_proto::file::{
    BOUNCE_OFFSET, DATA_IN, DATA_OUT, FORGET_WORD, INLINE, PAGE, SEGMENT_CONTROL, SLOT_SIZE, SLOTS, SLOTS_OFFSET,
    VERSION, Words,
};
use sawmill_proto::root::{ROOT_NUMBER_OPTION, ROOT_SERVICE};
use sawmill_rt::calls::{self, Selector};
use sawmill_rt::event::Events;
use sawmill_rt::memory::Area;
use sawmill_rt::{println, time, vcpu};

use super::request::{self, CREATE, DESTROY, INIT, LOOKUP, MKDIR, READ, READDIR, READDIRPLUS, ROOT, Request, WRITE};

sawmill_rt::entry!(start);

/// Requests that are sent, unless the boot option `requests=` gives another number.
const REQUESTS: u64 = 100_000;
/// Seed, unless the boot option `seed=` gives another one.
const SEED: u64 = 20_261_123;
/// Nodes that are remembered.
const NODES: usize = 64;
/// Requests between two lines.
const LOOK: u64 = 20_000;
/// Attempts to say that it is done.
const SAY_MAX: u32 = 100;
/// Between such attempts, in microseconds.
const SAY_PAUSE_US: u64 = 100_000;
/// Where the head of the completion ring is.
const HEAD: u64 = 64;
/// FUSE's version that the server takes.
const MAJOR: u64 = 7;
const MINOR: u64 = 37;
/// No slot has this index.
const BEYOND: u64 = SLOTS as u64;

static IS_DONE: AtomicBool = AtomicBool::new(false);

pub(super) struct Attack {
    rng: Rng,
    events: Events,
    portal: Selector,
    control: Area,
    pool_pages: u64,
    tsc_khz: u64,
    nodes: [u64; NODES],
    home: u64,
    sent: u64,
    /// By what the call said: done, error of the server, later, refused by the carrier.
    ends: [u64; 4],
}

fn start(_info: u64) -> ! {
    let (Some(info), Some(server)) = (connection::info(), connection::find("root-fs")) else {
        println!("FAILED hostile: no information page, or no connection");
        calls::partition_exit(ExitKind::Panic, 1);
    };
    let Some(control) = Area::control(&server) else {
        println!("FAILED hostile: no control area");
        calls::partition_exit(ExitKind::Panic, 1);
    };
    let (seed, requests) = (option(*b"seed\0\0\0\0", SEED), option(*b"requests", REQUESTS));
    for index in 1..info.vcpu_count {
        // Without it there is less to scribble.
        let _ = vcpu::start(index, scribble_forever, index);
    }
    let mut attack = Attack {
        rng: Rng::with_seed(seed),
        events: Events::of_vcpu(0),
        portal: Selector(server.portal_selector),
        control,
        pool_pages: server.pool_bytes / PAGE as u64,
        tsc_khz: info.tsc_khz,
        nodes: [ROOT; NODES],
        home: ROOT,
        sent: 0,
        ends: [0; 4],
    };
    println!("hostile client: seed {seed}, {requests} requests, {} CPU(s)", info.vcpu_count);
    attack.begin();
    if option(*b"keep\0\0\0\0", 0) != 0 {
        attack.keep();
    }
    while attack.sent < requests {
        attack.step();
        if attack.sent.is_multiple_of(LOOK) {
            println!("{} requests: {:?}", attack.sent, attack.ends);
        }
    }
    IS_DONE.store(true, SeqCst);
    if !attack.end() {
        println!("FAILED hostile: the server does not take /hdone, said {SAY_MAX} times");
        calls::partition_exit(ExitKind::Panic, 1);
    }
    let [done, errors, later, refused] = attack.ends;
    println!(
        "hostile client: seed {seed}, {} requests: {done} done, {errors} errors, {later} later, {refused} refused",
        attack.sent
    );
    calls::partition_exit(ExitKind::PowerOff, 0)
}

/// A number that stands on the hypervisor's command line.
fn option(name: [u8; 8], default: u64) -> u64 {
    let Some(root) = connection::find(ROOT_SERVICE) else { return default };
    let words = [ROOT_NUMBER_OPTION, u64::from_le_bytes(name), 0, 0, 0, 0];
    let outcome = calls::portal_call(Selector(root.portal_selector), words);
    if outcome.status == Status::Ok as u64 { outcome.words[0] } else { default }
}

/// Writes random bytes over everything that is shared, but for slot 0, as long as the attack goes on.
extern "C" fn scribble_forever(index: u64) -> ! {
    let mut rng = Rng::with_seed(index);
    if let Some(control) = connection::find("root-fs").as_ref().and_then(Area::control) {
        while !IS_DONE.load(SeqCst) {
            scribble(&mut rng, control);
        }
    }
    loop {
        let _ = calls::vcpu_wait();
    }
}

fn scribble(rng: &mut Rng, control: Area) {
    // A page at a time, so that what is not hit by chance is hit on purpose: the ring, slots in use, their segments.
    let at = match rng.u8(..4) {
        0 => rng.u64(4..SLOTS_OFFSET as u64),
        1 => rng.u64((SLOTS_OFFSET + SLOT_SIZE) as u64..control.len()),
        _ => {
            let slot = rng.u64(1..SLOTS as u64);
            SLOTS_OFFSET as u64 + slot * SLOT_SIZE as u64 + 2 * INLINE as u64 + rng.u64(..256)
        }
    };
    for offset in 0..rng.u64(1..32) {
        control.write(at + offset, rng.u8(..));
    }
}

impl Attack {
    /// Introduces itself as a client should, and makes a directory of its own.
    fn begin(&mut self) {
        self.introduce();
        let mut mkdir = Request::new(MKDIR, ROOT, 2);
        mkdir.number::<4>(0o755).number::<4>(0).text(b"hostile\0");
        self.send(0, &mkdir, 0, 0, 0);
        self.find_home();
        self.nodes = [self.home; NODES];
    }

    /// Says the version of the carrier and that of FUSE.
    fn introduce(&mut self) {
        for (at, byte) in (0..).zip(VERSION.to_le_bytes()) {
            self.control.write(at, byte);
        }
        let mut init = Request::new(INIT, 0, 1);
        init.number::<4>(MAJOR).number::<4>(MINOR).number::<8>(0);
        for _ in 0..6 {
            init.number::<8>(0);
        }
        self.send(0, &init, 0, 0, 0);
    }

    /// Looks its own directory up: it may have forgotten it.
    fn find_home(&mut self) {
        let mut lookup = Request::new(LOOKUP, ROOT, 3);
        lookup.text(b"hostile\0");
        self.home = self.send(0, &lookup, 0, 0, 0).unwrap_or(self.home);
        let place = self.rng.usize(..NODES);
        if let Some(place) = self.nodes.get_mut(place) {
            *place = self.home;
        }
    }

    /// Tells the honest client, which waits for it, and takes leave. Whether the server took it.
    ///
    /// What was sent before may still be under way, a DESTROY among it, an INIT waits for all of that, and what comes
    /// before the INIT is answered is refused: so it is said, with time for each, until it can be seen.
    fn end(&mut self) -> bool {
        let is_seen = (0..SAY_MAX).any(|_| {
            self.introduce();
            self.pause(SAY_PAUSE_US);
            let mut mkdir = Request::new(MKDIR, ROOT, 4);
            mkdir.number::<4>(0o755).number::<4>(0).text(b"hdone\0");
            self.send(0, &mkdir, 0, 0, 0);
            self.pause(SAY_PAUSE_US);
            let mut lookup = Request::new(LOOKUP, ROOT, 5);
            lookup.text(b"hdone\0");
            // Node 0 is a name that is not there.
            self.send(0, &lookup, 0, 0, 0).is_some_and(|node| node != 0)
        });
        let destroy = Request::new(DESTROY, 0, 6);
        self.send(0, &destroy, 0, 0, 0);
        is_seen
    }

    /// One request.
    fn step(&mut self) {
        if self.rng.u8(..16) == 0 {
            self.find_home();
        }
        let (node, other) = (self.node(), self.node());
        let mut request = request::valid(&mut self.rng, node, other, self.sent);
        let is_mutated = self.rng.u8(..3) == 0;
        if is_mutated {
            request::mutate(&mut self.rng, &mut request);
        }
        request::spare(&mut self.rng, &mut request, self.home);
        let opcode = request.opcode();
        let slot = self.rng.u64(1..SLOTS as u64);
        let (mut flags, mut count, mut size) = (0, 0, 0);
        if matches!(opcode, READ | WRITE | READDIR | READDIRPLUS) || self.rng.u8(..16) == 0 {
            flags = if opcode == WRITE { DATA_IN } else { DATA_OUT };
            count = self.rng.u64(1..9);
            size = self.segments(slot, count);
        }
        if is_mutated && self.rng.bool() {
            match self.rng.u8(..4) {
                0 => flags = self.rng.u16(..),
                1 => count = self.rng.u64(..600),
                2 => size = self.rng.u64(..1 << 32),
                _ => {
                    let beyond = BEYOND + self.rng.u64(..1 << 20);
                    self.send(beyond, &request, flags, count, size);
                }
            }
        }
        let found = self.send(slot, &request, flags, count, size);
        if let (Some(found), LOOKUP | CREATE | MKDIR | 6 | 8 | 13) = (found, opcode) {
            let place = self.rng.usize(..NODES);
            if let Some(place) = self.nodes.get_mut(place).filter(|_| found > 1 && found < 1 << 32) {
                *place = found;
            }
        }
        if opcode == INIT || opcode == DESTROY {
            self.begin();
        }
        if self.rng.u8(..4) == 0 {
            scribble(&mut self.rng, self.control);
        }
    }

    fn node(&mut self) -> u64 {
        match self.rng.u8(..24) {
            0 => self.rng.u64(..),
            1 => self.rng.u64(..4),
            2 => ROOT,
            3..=6 => self.home,
            _ => self.nodes.get(self.rng.usize(..NODES)).copied().unwrap_or(ROOT),
        }
    }

    /// Writes a list of segments; returns their bytes.
    fn segments(&mut self, slot: u64, count: u64) -> u64 {
        let base = SLOTS_OFFSET as u64 + slot * SLOT_SIZE as u64 + 2 * INLINE as u64;
        let is_pool = self.rng.bool();
        let bounce = (BOUNCE_OFFSET / PAGE) as u64;
        let mut size = 0;
        for index in 0..count {
            let (page, mut length) = if is_pool {
                (self.rng.u64(..self.pool_pages.max(1)), PAGE as u64)
            } else {
                (u64::from(SEGMENT_CONTROL) | (bounce + self.rng.u64(..32)), PAGE as u64)
            };
            let mut page = page;
            if self.rng.u8(..40) == 0 {
                page = self.rng.u64(..1 << 32);
            }
            if self.rng.u8(..20) == 0 {
                length = self.rng.u64(..0x1_0000);
            }
            let offset = if self.rng.u8(..40) == 0 { self.rng.u64(..0x1_0000) } else { 0 };
            let segment = page | offset << 32 | length << 48;
            self.control.write_all(base + index * 8, &segment.to_le_bytes());
            size += length;
        }
        size
    }

    /// Sends a request; returns the first eight bytes of its results if it was done at once.
    pub(super) fn send(&mut self, slot: u64, request: &Request, flags: u16, count: u64, size: u64) -> Option<u64> {
        let base = SLOTS_OFFSET as u64 + slot * SLOT_SIZE as u64;
        if slot < BEYOND {
            self.control.write_all(base, request.bytes());
        }
        if slot == 0 {
            // What is read there afterwards is the answer, or nothing.
            self.control.write_all(base + INLINE as u64, &[0; 8]);
        }
        let out_size = if self.rng.u8(..16) == 0 { self.rng.u32(..4000) } else { 256 };
        let length = if self.rng.u8(..64) == 0 && slot != 0 { self.rng.u32(..) } else { request.length as u32 };
        let words = Words {
            slot: slot as u32,
            flags,
            opcode: 0,
            in_size: length,
            out_size: if slot == 0 { 256 } else { out_size },
            segment_count: count as u32,
            data_size: size as u32,
        };
        let head = self.control.read_number::<4>(HEAD);
        let mut words = words.encode();
        if slot != 0 && self.rng.u8(..64) == 0 {
            // A forget that goes along.
            let node = self.node();
            for (word, value) in words.iter_mut().skip(FORGET_WORD).zip([node, self.rng.u64(..3)]) {
                *word = value;
            }
        }
        let outcome = calls::portal_call(self.portal, words);
        self.sent += 1;
        match Status::from_raw(outcome.status) {
            Some(Status::Ok) if outcome.words[0] == 0 => {
                self.ends[0] += 1;
                return Some(self.control.read_number::<8>(base + INLINE as u64));
            }
            Some(Status::Ok) => self.ends[1] += 1,
            Some(Status::Pending | Status::Timeout) => {
                self.ends[2] += 1;
                // Half of the time the next request comes before this one is done.
                if slot == 0 || self.rng.bool() {
                    self.wait(head);
                }
                if slot == 0 {
                    return Some(self.control.read_number::<8>(base + INLINE as u64));
                }
            }
            _ => {
                self.ends[3] += 1;
                self.pause(1000);
            }
        }
        None
    }

    /// A number of the shared header.
    pub(super) fn shared_number(&self, offset: usize) -> u64 {
        self.control.read_number::<4>(offset as u64)
    }

    /// Waits for a completion, not for ever.
    fn wait(&mut self, head: u64) {
        for _ in 0..200 {
            if self.control.read_number::<4>(HEAD) != head {
                return;
            }
            self.pause(50);
        }
    }

    pub(super) fn pause(&self, microseconds: u64) {
        let end = time::tsc() + time::ticks(microseconds * 1000, self.tsc_khz);
        while time::tsc() < end {
            // A timer always works.
            let _ = calls::timer_set(end);
            let _ = calls::vcpu_wait();
            self.events.take();
        }
    }
}
