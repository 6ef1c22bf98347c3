// SPDX-License-Identifier: MIT OR Apache-2.0
//! Interrupt controllers: local APIC, I/O APIC, and the old PIC put to sleep.

pub mod io;
pub mod local;

use crate::cpu::port;

/// First vector that devices may get.
pub const FIRST_DEVICE_VECTOR: u8 = 0x30;
/// Vector of the serial line's receive interrupt.
pub const CONSOLE_VECTOR: u8 = 0xf0;
/// Vector that makes a CPU look at its state.
pub const KICK_VECTOR: u8 = 0xf2;
/// Vector of the local APIC timer.
pub const TIMER_VECTOR: u8 = 0xf1;
/// Vector of spurious interrupts; never ended.
pub const SPURIOUS_VECTOR: u8 = 0xff;

/// Masks the two 8259 PICs for good, after moving them off the exception vectors.
pub fn silence_pic() {
    const COMMANDS: [(u16, u8); 10] = [
        (0x20, 0x11),
        (0xa0, 0x11), // initialize, cascade
        (0x21, 0x20),
        (0xa1, 0x28), // vectors, should one arrive all the same
        (0x21, 4),
        (0xa1, 2),
        (0x21, 1),
        (0xa1, 1),
        (0x21, 0xff),
        (0xa1, 0xff),
    ];
    for (port, value) in COMMANDS {
        port::write_u8(port, value);
    }
}
