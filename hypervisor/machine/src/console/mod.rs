// SPDX-License-Identifier: MIT OR Apache-2.0
//! The way to people: a serial line, or Bochs's port 0xe9, and the screen.
//!
//! Running state goes to counters and traces; this is for boot, for the
//! partitions' console channels, and for the epitaph. Lock: [`SERIAL`], a leaf.

pub mod screen;
pub mod serial;

use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};

use sawmill_abi::console::{CHANNEL_TERMINAL, FRAME_BASE, FRAME_START};
use spin::Mutex;

use crate::cpu::port;

/// The line itself; held while one piece of text goes out so that CPUs do not mix. A leaf: nothing is locked inside.
static SERIAL: Mutex<()> = Mutex::new(());
static IS_REDIRECTED: AtomicBool = AtomicBool::new(false);
static IS_FRAMED: AtomicBool = AtomicBool::new(false);

/// What precedes a line of this crate when the line carries frames: partition 0, terminal channel.
const FRAME: [u8; 3] = [FRAME_START, FRAME_BASE, FRAME_BASE + CHANNEL_TERMINAL as u8];

/// Sends every byte to port 0xe9 from now on: in Bochs it costs one instruction, on the serial line 7,000.
pub fn redirect() {
    IS_REDIRECTED.store(true, Ordering::Relaxed);
}

/// Puts the lines of this crate into frames of the hypervisor, as all other output is.
pub fn enable_frames() {
    IS_FRAMED.store(true, Ordering::Relaxed);
}

fn begin_frame() {
    if IS_FRAMED.load(Ordering::Relaxed) {
        write_unlocked(&FRAME);
    }
}

/// Writes bytes to the serial line, as they are.
///
/// # Locks
/// Takes the console lock.
pub fn write_bytes(bytes: &[u8]) {
    let _guard = SERIAL.lock();
    write_unlocked(bytes);
}

/// Returns a byte that arrived on the serial line, if there is one.
pub fn read_byte() -> Option<u8> {
    serial::receive()
}

fn write_unlocked(bytes: &[u8]) {
    for &byte in bytes {
        if IS_REDIRECTED.load(Ordering::Relaxed) { port::write_u8(0xe9, byte) } else { serial::send(byte) }
    }
    // Text is for whoever sits before the machine, too.
    if !IS_FRAMED.load(Ordering::Relaxed) {
        screen::write(bytes);
    }
}

/// Prints a line; lines of several CPUs do not mix.
///
/// # Locks
/// Takes the console lock.
pub fn print_line(arguments: fmt::Arguments) {
    let _guard = SERIAL.lock();
    begin_frame();
    // A formatting error cannot happen: `Line` never fails.
    let _ = fmt::write(&mut Line, arguments);
    write_unlocked(b"\r\n");
}

/// Text output while the lock is held.
struct Line;

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        write_unlocked(text.as_bytes());
        Ok(())
    }
}

/// Text output for last words: takes no lock, and shows on the screen in any case.
pub struct LastWords;

impl LastWords {
    /// Begins them, whatever was being said.
    pub fn begin() -> LastWords {
        begin_frame();
        // They are text, whatever follows on the line.
        IS_FRAMED.store(false, Ordering::Relaxed);
        LastWords
    }
}

impl fmt::Write for LastWords {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        write_unlocked(text.as_bytes());
        Ok(())
    }
}

/// Prints a line to the serial console.
#[macro_export]
macro_rules! log {
    ($($argument:tt)*) => {
        $crate::console::print_line(format_args!($($argument)*))
    };
}
