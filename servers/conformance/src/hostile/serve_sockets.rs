// SPDX-License-Identifier: MIT OR Apache-2.0
//! Serves sockets: answers that could be true and others that could not, indices, states and records from nowhere,
//! late answers, double ones, and at times none.

use core::mem::offset_of;

use fastrand::Rng;
use sawmill_abi::fault::ExitKind;
use sawmill_abi::status::{REPLY_NONE, Status};
use sawmill_conformance::connection;
use sawmill_proto::socket::{self, Mailbox, Operation, SLOTS, SlotPage};
use sawmill_rt::calls::{self, Selector};
use sawmill_rt::event::Events;
use sawmill_rt::memory::Area;
use sawmill_rt::println;

sawmill_rt::entry!(start);

const SEED: u64 = 20_261_123;
/// Calls between two lines.
const LOOK: u64 = 5_000;
/// Slots that are attacked; others of the same remainder replace them.
const KNOWN: usize = 64;
/// `EAGAIN`, `EINPROGRESS`, `EALREADY`, `ECONNREFUSED`, `EIO`, `ERESTARTSYS`, the smallest error, and none.
const ERRORS: [i64; 8] = [-11, -115, -114, -111, -5, -512, -4095, -4096];
/// TCP states, with and without flags, and one that is none.
const STATES: [u32; 7] = [1, 2, 7, 8, 10, 12, 200];

/// A slot's page and rings, as the client told of them.
#[derive(Clone, Copy)]
struct Slot {
    number: u64,
    page: u64,
    transmit: u64,
    receive: u64,
}

struct Server {
    rng: Rng,
    control: Area,
    signal: Selector,
    slots: [Option<Slot>; KNOWN],
    served: u64,
}

fn start(_info: u64) -> ! {
    let events = Events::of_vcpu(0);
    let client = connection::find("ip");
    let Some((client, control)) = client.as_ref().and_then(|client| Some((client, Area::control(client)?))) else {
        println!("FAILED hostile: no connection, or no shared memory");
        calls::partition_exit(ExitKind::Panic, 1);
    };
    let signal = Selector(client.signal_selector);
    let mut server = Server { rng: Rng::with_seed(SEED), control, signal, slots: [None; KNOWN], served: 0 };
    println!("hostile socket server: seed {SEED}");
    let (mut status, mut words) = (REPLY_NONE, [0; 6]);
    loop {
        // Nobody waits for addresses.
        server.put(offset_of!(socket::Area, is_settled) as u64, 1);
        match calls::portal_reply_wait(status, words) {
            Ok(message) => (status, words) = server.serve(message.words),
            Err(Status::Interrupted) => {
                events.take();
                server.scribble();
                status = REPLY_NONE;
            }
            // The caller's time was up.
            Err(_) => status = REPLY_NONE,
        }
    }
}

impl Server {
    fn serve(&mut self, words: [u64; 6]) -> (u64, [u64; 6]) {
        let operation = words[0] & 0xffff;
        let (slot, sequence) = (words[0] >> 16 & 0xffff, words[0] >> 32);
        self.served += 1;
        if self.served.is_multiple_of(LOOK) {
            println!("hostile socket server: {} calls", self.served);
        }
        if operation == Operation::Create as u64 || operation == Operation::Hello as u64 {
            self.learn(slot, words[2], words[3], words[4]);
        } else if operation == Operation::Accept as u64 {
            self.learn(words[1], words[2], words[3], words[4]);
        }
        let answer = self.answer(operation);
        self.scribble();
        // Without a server there is nothing to attack.
        if operation == Operation::Hello as u64 {
            return (Status::Ok as u64, [0, self.rng.u64(..), 0, 0, 0, 0]);
        }
        match self.rng.u8(..32) {
            0..28 => (Status::Ok as u64, answer),
            28 => (self.rng.u64(1..24), answer),
            _ => {
                let _ = calls::portal_reply(Status::Pending as u64, [0; 6]);
                self.complete(slot, sequence, answer);
                (REPLY_NONE, [0; 6])
            }
        }
    }

    fn learn(&mut self, number: u64, page: u64, transmit: u64, receive: u64) {
        if let Some(slot) = self.slots.get_mut(number as usize % KNOWN) {
            *slot = Some(Slot { number, page, transmit, receive });
        }
    }

    fn answer(&mut self, operation: u64) -> [u64; 6] {
        let mut answer = [0, self.rng.u64(..200), self.rng.u64(..200), 0, 0, 0];
        if operation != Operation::Create as u64 || self.rng.u8(..16) == 0 {
            match self.rng.u8(..16) {
                0..3 => answer[0] = ERRORS[self.rng.usize(..ERRORS.len())] as u64,
                3 => answer[0] = self.rng.u64(..),
                4 => answer[0] = self.rng.u64(..1 << 20),
                5 => answer[1] = self.rng.u64(..),
                _ => {}
            }
        }
        answer
    }

    /// Writes into pages, rings and mailboxes, and signals at times.
    fn scribble(&mut self) {
        for _ in 0..self.rng.u8(..4) {
            let chosen = self.rng.usize(..KNOWN);
            if let Some(slot) = self.slots.get(chosen).copied().flatten() {
                self.scribble_slot(slot);
            }
        }
        if self.rng.u8(..8) == 0 {
            let asleep = self.rng.u32(..2);
            self.put((offset_of!(socket::Area, to_server) + offset_of!(Mailbox, is_asleep)) as u64, asleep);
        }
        if self.rng.u8(..64) == 0 {
            // Slots that are there and others, and summaries that do not fit.
            let at = self.rng.u64(..SLOTS as u64 / 8);
            let bits = self.rng.u32(..);
            self.put(offset_of!(socket::Area, to_client) as u64 + at / 4 * 4, bits);
        }
        if self.rng.bool() {
            let _ = calls::event_signal(self.signal);
        }
    }

    fn scribble_slot(&mut self, slot: Slot) {
        let line = slot.page + offset_of!(SlotPage, server) as u64;
        let head = self.control.read_number::<4>(slot.page) as u32;
        let tail = self.control.read_number::<4>(slot.page + 4) as u32;
        // All sent bytes are gone, some bytes have come: true, mostly.
        let (lie, more) = (self.rng.u8(..16), self.rng.u32(..4096));
        let gone = if lie == 0 { self.rng.u32(..) } else { head };
        let come = if lie == 1 { self.rng.u32(..) } else { tail.wrapping_add(more) };
        let flags = if self.rng.u8(..4) == 0 { self.rng.u32(..) } else { 0 };
        let state = STATES[self.rng.usize(..STATES.len())] | flags & 0xffff_ff00;
        self.put(line, gone);
        self.put(line + 4, come);
        self.put(line + 8, state);
        if self.rng.u8(..4) == 0 {
            for at in [12, 16, 20] {
                let word = self.rng.u32(..);
                self.put(line + at, word);
            }
        }
        let wants = self.rng.u32(..);
        self.put(slot.page + offset_of!(SlotPage, wants) as u64 + 4, wants);
        self.record(slot, tail);
        let scratch = slot.page + offset_of!(SlotPage, scratch) as u64;
        for at in (0..64).step_by(4) {
            let word = if self.rng.bool() { self.rng.u32(..64) } else { self.rng.u32(..) };
            self.put(scratch + at, word);
        }
        // Posts it.
        let mailbox = offset_of!(socket::Area, to_client) as u64;
        let word = mailbox + offset_of!(Mailbox, words) as u64 + slot.number / 64 * 8;
        self.control.write(word + slot.number % 64 / 8, 1 << (slot.number % 8));
        self.control.write(mailbox + slot.number / 64 / 8, 1 << (slot.number / 64 % 8));
    }

    /// Writes a header that could be a record's at the tail of the receive ring.
    fn record(&mut self, slot: Slot, tail: u32) {
        let (offset, size) = (slot.receive & 0xffff_ffff, slot.receive >> 32);
        let start = if self.rng.u8(..16) == 0 { slot.transmit & 0xffff_ffff } else { offset };
        let at = start + u64::from(tail) % size.max(4096);
        let length = if self.rng.u8(..4) == 0 { self.rng.u32(..) } else { self.rng.u32(..2000) };
        let lengths = u32::from(self.rng.u8(..40)) | u32::from(self.rng.u8(..)) << 16;
        for (at, word) in (at..).step_by(4).zip([length, length, lengths, 0]) {
            self.put(at, word);
        }
        for at in (at + 16..at + 256).step_by(4) {
            let word = self.rng.u32(..300);
            self.put(at, word);
        }
    }

    /// Completes a call late, at times with another's sequence first, or with nothing at all.
    fn complete(&mut self, slot: u64, sequence: u64, answer: [u64; 6]) {
        let Some(slot) = self.slots.get(slot as usize % KNOWN).copied().flatten() else { return };
        let line = slot.page + offset_of!(SlotPage, completion) as u64;
        if self.rng.u8(..4) == 0 {
            let wrong = self.rng.u32(..);
            self.put(line, wrong);
            let _ = calls::event_signal(self.signal);
        }
        for (at, word) in (line + 8..).step_by(8).zip(answer) {
            self.control.write_all(at, &word.to_le_bytes());
        }
        if self.rng.u8(..16) != 0 {
            self.put(line, sequence as u32);
        }
        let mailbox = offset_of!(socket::Area, to_client) as u64;
        for at in 0..64 + SLOTS as u64 / 8 {
            self.control.write(mailbox + at, 0xff);
        }
        let _ = calls::event_signal(self.signal);
    }

    fn put(&self, at: u64, number: u32) {
        self.control.write_all(at, &number.to_le_bytes());
    }
}
