// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads the text on a machine's screen: QEMU's picture of it, compared with the hypervisor's font.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use font8x8::legacy::BASIC_LEGACY;

/// Socket and picture, in the machine's own directory.
const MONITOR: &str = "monitor";
const PICTURE: &str = "screen.ppm";
/// Pixels of a character in each direction, and of a dot of the font.
const CELL: usize = 16;
const DOT: usize = 2;
const PICTURE_LIMIT: Duration = Duration::from_secs(30);

/// Gives a machine a screen, and a monitor that can take pictures of it.
pub fn attach(command: &mut Command) {
    command.args(["-vga", "std", "-monitor", &format!("unix:{MONITOR},server=on,wait=off")]);
}

/// Takes a picture of the screen of the machine that runs in `directory`, and reads it.
///
/// # Errors
/// When the machine gives no picture.
pub fn read(directory: &Path) -> Result<String> {
    let mut monitor = UnixStream::connect(directory.join(MONITOR)).context("the machine has no monitor")?;
    writeln!(monitor, "screendump {PICTURE}")?;
    monitor.set_read_timeout(Some(Duration::from_millis(100)))?;
    let deadline = Instant::now() + PICTURE_LIMIT;
    loop {
        // What the monitor says does not matter, but it has to get rid of it.
        let _ = monitor.read(&mut [0; 4096]);
        if let Some(text) = std::fs::read(directory.join(PICTURE)).ok().and_then(|picture| text(&picture)) {
            return Ok(text);
        }
        if Instant::now() > deadline {
            bail!("no picture of the screen within {} s", PICTURE_LIMIT.as_secs());
        }
    }
}

/// Memory of the text screen, all of it: Linux moves the part that is shown.
const TEXT_BYTES: usize = 32768;
const TEXT_ADDRESS: usize = 0xb8000;
/// Bytes in a line of a listing of it.
const LISTED_BYTES: usize = 8;

/// The debugger's or monitor's command that lists the memory of the text screen.
pub fn list_command() -> String {
    format!("xp /{TEXT_BYTES}bx {TEXT_ADDRESS:#x}")
}

/// Has the machine that runs in `directory` list the memory of its text screen.
///
/// # Errors
/// When it does not within the limit.
pub fn memory(directory: &Path) -> Result<String> {
    let mut monitor = UnixStream::connect(directory.join(MONITOR)).context("the machine has no monitor")?;
    writeln!(monitor, "{}", list_command())?;
    monitor.set_read_timeout(Some(PICTURE_LIMIT))?;
    let last = format!("{:x}: ", TEXT_ADDRESS + TEXT_BYTES - LISTED_BYTES);
    let (mut listing, mut piece) = (String::new(), [0; 4096]);
    while !listing.lines().rev().skip(1).any(|line| line.contains(&last)) {
        match monitor.read(&mut piece)? {
            0 => bail!("the machine's monitor closed"),
            length => listing.push_str(&String::from_utf8_lossy(&piece[..length])),
        }
    }
    Ok(listing)
}

/// Waits until `end` is on the text screen whose memory `list` lists; returns all of the text.
pub fn expect_text(end: &str, list: impl Fn() -> Result<String>) -> Result<String> {
    let deadline = Instant::now() + PICTURE_LIMIT;
    loop {
        let shown = listed_text(&list()?);
        if shown.contains(end) {
            return Ok(shown);
        }
        if Instant::now() > deadline {
            bail!("`{end}` is not on the screen, but: {}", shown.trim());
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// The characters in lines `ADDRESS: 0x41 0x07 ...` of the text screen's memory: of each two bytes the first one.
fn listed_text(listing: &str) -> String {
    let byte = |word: &str| u8::from_str_radix(word.strip_prefix("0x").filter(|digits| digits.len() == 2)?, 16).ok();
    let bytes = |line: &str| -> Vec<u8> {
        let listed = line.rsplit_once(':').map_or("", |(_, listed)| listed);
        listed.split_whitespace().filter_map(byte).collect()
    };
    let shown = listing.lines().flat_map(bytes).step_by(2);
    shown.map(|byte| if byte.is_ascii_graphic() { char::from(byte) } else { ' ' }).collect()
}

/// Text in a picture in the portable pixmap format; none while it is incomplete.
fn text(picture: &[u8]) -> Option<String> {
    let mut parts = picture.splitn(4, |byte| *byte == b'\n');
    let (format, size, _) = (parts.next()?, parts.next()?, parts.next()?);
    let pixels = parts.next()?;
    let (width, height) = std::str::from_utf8(size).ok()?.split_once(' ')?;
    let (width, height): (usize, usize) = (width.parse().ok()?, height.parse().ok()?);
    if format != b"P6" || pixels.len() < width * height * 3 {
        return None;
    }
    let is_white = |x: usize, y: usize| pixels[(y * width + x) * 3..][..3] == [255; 3];
    let glyph = |column: usize, row: usize| -> [u8; 8] {
        std::array::from_fn(|y| {
            let is_set = |x: &usize| is_white(column * CELL + x * DOT, row * CELL + y * DOT);
            (0..8).filter(is_set).map(|x| 1 << x).sum()
        })
    };
    let is_like = |code: &u8, glyph: &[u8; 8]| BASIC_LEGACY[usize::from(*code)] == *glyph;
    let read = |glyph: [u8; 8]| (b' '..0x7f).find(|code| is_like(code, &glyph)).map_or('?', char::from);
    let cells = (0..height / CELL).flat_map(|row| (0..width / CELL).map(move |column| (column, row)));
    Some(cells.map(|(column, row)| read(glyph(column, row))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_in_listed_memory_is_read() {
        let listing =
            "0x00000000000b8000 <bogus+       0>:\t0x6f\t0x07\t0x6b\t0x07\n00000000000b8004: 0x21 0x07 0x00 0x07\n";
        assert_eq!(listed_text(listing), "ok! ");
    }

    #[test]
    fn picture_of_a_letter_is_read() {
        let mut picture = b"P6\n16 16\n255\n".to_vec();
        for y in 0..16 {
            for x in 0..16 {
                let is_set = BASIC_LEGACY[usize::from(b'k')][y / 2] >> (x / 2) & 1 != 0;
                picture.extend([if is_set { 255 } else { 0 }; 3]);
            }
        }
        assert_eq!(text(&picture).as_deref(), Some("k"));
        assert_eq!(text(&picture[..700]), None);
    }
}
