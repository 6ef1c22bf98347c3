// SPDX-License-Identifier: MIT OR Apache-2.0
//! `print!` and `println!` to the partition's terminal channel.

use core::fmt::{self, Write};

use sawmill_abi::console::CHANNEL_TERMINAL;

use crate::calls;

/// Longest piece that goes out in one hypercall.
const PIECE: usize = 256;

/// Collects text, so that a line is one hypercall.
struct Line {
    bytes: [u8; PIECE],
    used: usize,
}

impl Line {
    fn flush(&mut self) {
        let mut rest = self.bytes.get(..self.used).unwrap_or(&[]);
        self.used = 0;
        while !rest.is_empty() {
            match calls::console_write(CHANNEL_TERMINAL, rest) {
                Ok(written) if written > 0 => {
                    rest = usize::try_from(written).ok().and_then(|n| rest.get(n..)).unwrap_or(&[]);
                }
                // Nothing better can be done with text that nobody takes.
                _ => return,
            }
        }
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if self.used == PIECE {
                self.flush();
            }
            if let Some(place) = self.bytes.get_mut(self.used) {
                *place = byte;
                self.used += 1;
            }
        }
        Ok(())
    }
}

/// Writes formatted text; the macros' other half.
pub fn write(arguments: fmt::Arguments<'_>) {
    let mut line = Line { bytes: [0; PIECE], used: 0 };
    // `Line` never fails.
    let _ = line.write_fmt(arguments);
    line.flush();
}

/// Writes formatted text to the partition's terminal channel.
#[macro_export]
macro_rules! print {
    ($($text:tt)*) => { $crate::console::write(format_args!($($text)*)) };
}

/// Writes a line of formatted text to the partition's terminal channel.
#[macro_export]
macro_rules! println {
    () => { $crate::print!("\n") };
    ($($text:tt)*) => { $crate::console::write(format_args!("{}\n", format_args!($($text)*))) };
}
