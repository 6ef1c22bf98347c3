// SPDX-License-Identifier: MIT OR Apache-2.0
//! The screen: what a console of plain text says, and in any case the last words.
//!
//! Pixels where the boot loader says that there are some (UEFI), else VGA
//! text. Takes no lock: whoever writes here holds the console's or is the last to speak.

use core::sync::atomic::{AtomicU64, Ordering};

use font8x8::legacy::BASIC_LEGACY;
use spin::Once;

const VGA_TEXT: *mut u16 = 0xb8000 as *mut u16;
const VGA_COLUMNS_AND_ROWS: (u64, u64) = (80, 25);
const VGA_ATTRIBUTE: u16 = 0x0f00;
/// Pixels of a character in each direction; a dot of the font is two by two.
const CELL: u64 = 16;
const FOUR_GIB: u64 = 4 << 30;

/// A framebuffer with a byte for each colour.
#[derive(Clone, Copy, Debug)]
pub struct Framebuffer {
    /// Its first byte.
    pub address: u64,
    /// Bytes from one line to the next.
    pub pitch: u64,
    /// Pixels in a line, and lines.
    pub size: (u64, u64),
    /// Bytes of a pixel.
    pub pixel_bytes: u64,
}

static FRAMEBUFFER: Once<Framebuffer> = Once::new();
/// Cells written.
static POSITION: AtomicU64 = AtomicU64::new(0);

/// Draws into a framebuffer from now on, if all of it can be reached.
pub fn use_framebuffer(new: Framebuffer) {
    let end = new.size.1.checked_mul(new.pitch).and_then(|bytes| new.address.checked_add(bytes));
    if new.size.0.min(new.size.1) >= CELL
        && new.size.0 * new.pixel_bytes <= new.pitch
        && end.is_some_and(|end| end <= FOUR_GIB)
    {
        FRAMEBUFFER.call_once(|| new);
    }
}

/// Writes text from the top of the screen on, wrapping at its end.
pub fn write(bytes: &[u8]) {
    let framebuffer = FRAMEBUFFER.get();
    let (columns, rows) = framebuffer.map_or(VGA_COLUMNS_AND_ROWS, |it| (it.size.0 / CELL, it.size.1 / CELL));
    let mut position = POSITION.load(Ordering::Relaxed);
    for &byte in bytes {
        // A line blanks what an earlier one left in its place; a form feed blanks all, and the next line is the first.
        let (byte, cells) = match byte {
            b'\n' => (b' ', columns - position % columns),
            b'\x0c' => (b' ', 2 * columns * rows - position),
            _ => (byte, u64::from(byte >= b' ')),
        };
        for _ in 0..cells {
            match framebuffer {
                Some(framebuffer) => draw(framebuffer, position % columns, position / columns, byte),
                // SAFETY: (1) the cell lies in the 4000 bytes at 0xb8000, reduced modulo the screen below;
                // (2) that range is below 1 MiB, identity mapped and never given to Rust objects.
                None => unsafe { VGA_TEXT.add(position as usize).write_volatile(VGA_ATTRIBUTE | u16::from(byte)) },
            }
            position = (position + 1) % (columns * rows);
        }
    }
    POSITION.store(position, Ordering::Relaxed);
}

fn draw(framebuffer: &Framebuffer, column: u64, row: u64, byte: u8) {
    let glyph = BASIC_LEGACY[usize::from(byte & 0x7f)];
    for (y, x) in (0..CELL).flat_map(|y| (0..CELL).map(move |x| (y, x))) {
        let is_set = glyph[y as usize / 2] >> (x / 2) & 1 != 0;
        let Framebuffer { address, pitch, pixel_bytes, .. } = *framebuffer;
        let at = address + (row * CELL + y) * pitch + (column * CELL + x) * pixel_bytes;
        for byte in at..at + pixel_bytes {
            // SAFETY: (1) inside of the framebuffer, which `use_framebuffer` found to lie below 4 GiB, where everything
            // is identity mapped; (2) it is device memory, so no Rust object lives there.
            unsafe { (byte as *mut u8).write_volatile(if is_set { u8::MAX } else { 0 }) };
        }
    }
}
