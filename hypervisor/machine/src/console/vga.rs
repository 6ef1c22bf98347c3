// SPDX-License-Identifier: MIT OR Apache-2.0
//! The VGA text screen, for the sentence of a machine that cannot start.
//!
//! On machines without one (UEFI) the writes go to memory that nobody shows.

use core::sync::atomic::{AtomicU16, Ordering};

const SCREEN: *mut u16 = 0xb8000 as *mut u16;
const COLUMNS: u16 = 80;
const ROWS: u16 = 25;
const ATTRIBUTE: u16 = 0x0f00;

static POSITION: AtomicU16 = AtomicU16::new(0);

/// Writes text from the top of the screen on, wrapping at its end.
pub fn write(bytes: &[u8]) {
    let mut position = POSITION.load(Ordering::Relaxed);
    for &byte in bytes {
        match byte {
            b'\r' => {}
            b'\n' => position = (position / COLUMNS + 1) * COLUMNS,
            _ => {
                // SAFETY: (1) the cell lies in the 4000 bytes at 0xb8000, reduced modulo the screen below;
                // (2) that range is below 1 MiB, identity mapped and never given to Rust objects.
                unsafe { SCREEN.add(usize::from(position)).write_volatile(ATTRIBUTE | u16::from(byte)) };
                position += 1;
            }
        }
        position %= COLUMNS * ROWS;
    }
    POSITION.store(position, Ordering::Relaxed);
}
