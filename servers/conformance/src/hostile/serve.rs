// SPDX-License-Identifier: MIT OR Apache-2.0
//! Serves: answers that could be true, others that could not, late ones, double ones, and such to nobody.

use core::mem::offset_of;

use fastrand::Rng;
use sawmill_abi::fault::ExitKind;
use sawmill_abi::status::{REPLY_NONE, Status};
use sawmill_conformance::connection;
use sawmill_proto::file::{Header, INLINE, PAGE, RING, SEGMENT_CONTROL, SLOT_SIZE, SLOTS, SLOTS_OFFSET};
use sawmill_rt::calls::{self, Selector};
use sawmill_rt::event::Events;
use sawmill_rt::memory::Area;
use sawmill_rt::println;

sawmill_rt::entry!(start);

const SEED: u64 = 20_261_123;
/// Calls between two lines.
const LOOK: u64 = 5_000;
/// Offsets in the control area: the ring's head, whether the client waits, the ring.
const HEAD: u64 = 64;
const WANTS_EVENT: u64 = 128;
const ENTRIES: u64 = 256;
/// Opcodes that have an answer of their own here.
const GETATTR: u64 = 3;
const SETATTR: u64 = 4;
const READ: u64 = 15;
const INIT: u64 = 26;
const READDIR: u64 = 28;
const READDIRPLUS: u64 = 44;
/// `ENOENT`, `EIO`, `ERESTARTSYS`, one that is no error, the smallest, and none.
const ERRORS: [i32; 6] = [-2, -5, -512, 7, i32::MIN, -4096];

struct Server {
    rng: Rng,
    control: Area,
    pool: Area,
    signal: Selector,
    head: u32,
    served: u64,
}

/// An answer: error, bytes of inline results, bytes of data.
type Answer = (i32, u32, u32);

fn start(_info: u64) -> ! {
    let events = Events::of_vcpu(0);
    let client = connection::find("bad-fs");
    let areas = client.as_ref().and_then(|client| Area::control(client).zip(Area::pool(client)));
    let (Some(client), Some((control, pool))) = (client, areas) else {
        println!("FAILED hostile: no connection, or no shared memory");
        calls::partition_exit(ExitKind::Panic, 1);
    };
    let signal = Selector(client.signal_selector);
    let mut server = Server { rng: Rng::with_seed(SEED), control, pool, signal, head: 0, served: 0 };
    println!("hostile server: seed {SEED}");
    let (mut status, mut words) = (REPLY_NONE, [0; 6]);
    loop {
        match calls::portal_reply_wait(status, words) {
            Ok(message) => (status, words) = server.serve(message.words),
            Err(Status::Interrupted) => {
                events.take();
                (status, words) = (REPLY_NONE, [0; 6]);
            }
            // The caller's time was up.
            Err(_) => status = REPLY_NONE,
        }
    }
}

impl Server {
    fn serve(&mut self, words: [u64; 6]) -> (u64, [u64; 6]) {
        let slot = words[0] as u32 % SLOTS as u32;
        let (room, count) = ((words[1] >> 32) as u32, words[2] as u32);
        let size = (words[2] >> 32) as u32;
        let base = SLOTS_OFFSET as u64 + u64::from(slot) * SLOT_SIZE as u64;
        let opcode = self.control.read_number::<4>(base + 4);
        self.served += 1;
        if self.served.is_multiple_of(LOOK) {
            println!("hostile server: {} calls", self.served);
        }
        let mut answer = self.results(opcode, base, room);
        if matches!(opcode, READ | READDIR | READDIRPLUS) {
            self.data(opcode, base, count);
            answer.2 = if self.rng.u8(..4) == 0 { self.rng.u32(..) } else { self.rng.u32(..size.saturating_add(1)) };
        }
        // Without a mount there is nothing to attack.
        let is_kind = opcode == INIT && self.rng.u8(..4) != 0;
        if !is_kind {
            self.spoil(&mut answer);
        }
        if self.rng.u8(..4) != 0 {
            return (Status::Ok as u64, encode(answer));
        }
        let _ = calls::portal_reply(Status::Pending as u64, [0; 6]);
        self.complete(slot, answer);
        (REPLY_NONE, [0; 6])
    }

    /// Writes inline results that could be true.
    fn results(&mut self, opcode: u64, base: u64, room: u32) -> Answer {
        let out = base + INLINE as u64;
        for offset in 0..u64::from(room).min(INLINE as u64) {
            self.control.write(out + offset, if self.rng.bool() { 0 } else { self.rng.u8(..) });
        }
        match opcode {
            INIT => {
                let flags = if self.rng.bool() { self.rng.u32(..) } else { 0x0021_e020 };
                for (at, number) in [(0, 7), (4, 37), (8, 0x2_0000), (12, flags), (20, 0x10_0000), (24, 1)] {
                    self.put(out + at, number);
                }
                // A full disk and an endless one, in turns.
                self.put(
                    offset_of!(Header, free_blocks) as u64,
                    if self.served.is_multiple_of(2) { 0 } else { u32::MAX },
                );
                self.put(offset_of!(Header, block_size) as u64, PAGE as u32);
            }
            GETATTR | SETATTR => self.attributes(out + 16, base),
            _ => {
                // A node that could be, with attributes that could be.
                if self.rng.u8(..4) != 0 {
                    let node = self.rng.u32(..64);
                    self.put(out, node);
                    self.put(out + 4, 0);
                    self.attributes(out + 40, base);
                }
            }
        }
        (0, room, 0)
    }

    fn attributes(&mut self, at: u64, base: u64) {
        let is_root = self.control.read_number::<8>(base + 16) == 1;
        let kinds = [0o040_755, 0o100_644, 0o120_777, 0o020_644, 0o010_644, 0];
        let kind = kinds[self.rng.usize(..kinds.len())];
        let kind = if is_root && self.rng.u8(..8) != 0 { 0o040_755 } else { kind };
        let links = self.rng.u32(..4);
        self.put(at + 60, kind);
        self.put(at + 64, links);
        if self.rng.bool() {
            // A size that programs get to the end of.
            let size = self.rng.u32(..100_000);
            self.put(at + 8, size);
            self.put(at + 12, 0);
        }
    }

    fn put(&self, at: u64, number: u32) {
        self.control.write_all(at, &number.to_le_bytes());
    }

    /// Fills what the segments name, as far as it is there.
    fn data(&mut self, opcode: u64, base: u64, count: u32) {
        for index in 0..u64::from(count).min(8) {
            let segment = base + 2 * INLINE as u64 + index * 8;
            let page = self.control.read_number::<4>(segment);
            let (area, page) = match page & u64::from(SEGMENT_CONTROL) {
                0 => (self.pool, page),
                _ => (self.control, page & !u64::from(SEGMENT_CONTROL)),
            };
            let start = page * PAGE as u64;
            let mut offset = 0;
            while offset < 512 {
                let kind = if self.rng.u8(..8) == 0 { self.rng.u32(..) } else { self.rng.u32(..40) };
                let entry =
                    [self.rng.u32(..64), 0, offset as u32 + 32, 0, kind, self.rng.u32(..16), 0x6162_6364, 0x65_2f66];
                let skip = if opcode == READDIRPLUS { 128 } else { 0 };
                for (at, word) in (0..).step_by(4).zip(entry) {
                    area.write_all(start + offset + skip + at, &word.to_le_bytes());
                }
                offset += 32 + skip;
            }
        }
    }

    /// Makes an answer wrong, half of the time.
    fn spoil(&mut self, answer: &mut Answer) {
        match self.rng.u8(..16) {
            0..=2 => answer.0 = ERRORS[self.rng.usize(..ERRORS.len())],
            3 => answer.0 = self.rng.i32(..),
            4 => answer.1 = self.rng.u32(..),
            5 => answer.1 = answer.1.wrapping_sub(self.rng.u32(..64)),
            6 => answer.2 = self.rng.u32(..),
            7 => answer.2 = u32::MAX,
            _ => {}
        }
    }

    /// Completes a request late; at times others, that were never asked for, before it.
    fn complete(&mut self, slot: u32, answer: Answer) {
        if self.rng.u8(..4) == 0 {
            let other = if self.rng.bool() { self.rng.u32(..) } else { self.rng.u32(..SLOTS as u32) };
            // The right one comes after it all the same.
            if other != slot {
                let wrong = (self.rng.i32(..), self.rng.u32(..), self.rng.u32(..));
                self.push(other, wrong);
            }
        }
        self.push(slot, answer);
        if self.rng.u8(..8) == 0 {
            self.push(slot, answer);
        }
        if self.rng.u8(..64) == 0 {
            // A head from nowhere, for a moment.
            let wild = self.rng.u32(..);
            self.put(HEAD, wild);
            let _ = calls::event_signal(self.signal);
            self.put(HEAD, self.head);
        }
        if self.control.read(WANTS_EVENT) != 0 || self.rng.bool() {
            let _ = calls::event_signal(self.signal);
        }
    }

    fn push(&mut self, slot: u32, (error, out_size, data_size): Answer) {
        let at = ENTRIES + u64::from(self.head % RING as u32) * 16;
        for (offset, word) in (0..).step_by(4).zip([slot, error as u32, out_size, data_size]) {
            self.put(at + offset, word);
        }
        self.head = self.head.wrapping_add(1);
        self.put(HEAD, self.head);
    }
}

fn encode((error, out_size, data_size): Answer) -> [u64; 6] {
    [u64::from(error as u32), out_size.into(), data_size.into(), 0, 0, 0]
}
