// SPDX-License-Identifier: MIT OR Apache-2.0
//! COM1, a 16550: polled transmission, received bytes by interrupt.
//!
//! Small on purpose: the epitaph and NMI context use it, where a driver with
//! state or a lock could hang. Neighbour: `console`, which owns the lock.

use crate::cpu::port;

const BASE: u16 = 0x3f8;
const DATA: u16 = BASE;
const INTERRUPT_ENABLE: u16 = BASE + 1;
const FIFO_CONTROL: u16 = BASE + 2;
const LINE_CONTROL: u16 = BASE + 3;
const MODEM_CONTROL: u16 = BASE + 4;
const LINE_STATUS: u16 = BASE + 5;

const RECEIVED_AVAILABLE: u8 = 1;
const TRANSMITTER_EMPTY: u8 = 1 << 5;
const LINE_IDLE: u8 = 1 << 6;
const FIFO_DEPTH: u8 = 16;
/// Polls before a byte is given up: a missing UART must not hang the machine.
const POLL_LIMIT: u32 = 1_000_000;

/// ISA interrupt of COM1.
pub const IRQ: u8 = 4;

/// Programs 115200 baud 8N1 with FIFOs, no interrupts.
pub fn initialize() {
    port::write_u8(INTERRUPT_ENABLE, 0);
    port::write_u8(LINE_CONTROL, 0x80);
    port::write_u8(DATA, 1);
    port::write_u8(INTERRUPT_ENABLE, 0);
    port::write_u8(LINE_CONTROL, 3);
    // Trigger level 1: interactive input should not wait for more.
    port::write_u8(FIFO_CONTROL, 0x07);
    // OUT2 connects the interrupt line.
    port::write_u8(MODEM_CONTROL, 0x0b);
}

/// Lets received bytes interrupt.
pub fn enable_receive_interrupt() {
    port::write_u8(INTERRUPT_ENABLE, 1);
}

/// Sends one byte.
pub fn send(byte: u8) {
    use core::sync::atomic::{AtomicU8, Ordering};
    // Room left in the FIFO as far as we know; wrong values only cost a poll.
    static ROOM: AtomicU8 = AtomicU8::new(0);
    let mut room = ROOM.load(Ordering::Relaxed);
    if room == 0 {
        let mut polls = 0;
        while port::read_u8(LINE_STATUS) & TRANSMITTER_EMPTY == 0 && polls < POLL_LIMIT {
            polls += 1;
            core::hint::spin_loop();
        }
        room = FIFO_DEPTH;
    }
    ROOM.store(room - 1, Ordering::Relaxed);
    port::write_u8(DATA, byte);
}

/// Waits until the last byte is on the line: powering off would lose what is still in the FIFO.
pub fn drain() {
    let mut polls = 0;
    while port::read_u8(LINE_STATUS) & LINE_IDLE == 0 && polls < POLL_LIMIT {
        polls += 1;
        core::hint::spin_loop();
    }
}

/// Returns a received byte, if there is one.
pub fn receive() -> Option<u8> {
    // 0xff: no UART answers at this address.
    let status = port::read_u8(LINE_STATUS);
    (status != 0xff && status & RECEIVED_AVAILABLE != 0).then(|| port::read_u8(DATA))
}
