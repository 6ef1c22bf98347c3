// SPDX-License-Identifier: MIT OR Apache-2.0
//! The console formats: many channels on one serial line, both ways.
//!
//! Owns [`Output`] (plain lines with a prefix, or frames) and [`Input`] (bytes
//! to a partition's channel). The framed format is in `sawmill_abi::console`.
//! Guarded by the kernel's console lock.

use arrayvec::ArrayVec;
use sawmill_abi::console::{CHANNEL_TERMINAL, FRAME_BASE, FRAME_ESCAPE, FRAME_START};

/// Partitions that can write (0 = the hypervisor).
pub const SOURCES: usize = 33;
const LINE_MAX: usize = 240;

/// Format of the serial line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Lines with the partition's name; the foreground partition raw.
    Plain,
    /// Frames for the host tool.
    Framed,
}

/// Who writes.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Partition number, 0 = hypervisor.
    pub id: u8,
    /// Its name, padded with zeros.
    pub name: &'a [u8],
    /// Channel.
    pub channel: u8,
}

/// State of the output side.
pub struct Output {
    format: Format,
    foreground: u8,
    lines: [ArrayVec<u8, LINE_MAX>; SOURCES],
    is_mid_line: bool,
}

impl Output {
    /// Creates a plain console without a foreground partition.
    pub const fn new() -> Self {
        Output {
            format: Format::Plain,
            foreground: 0,
            lines: [const { ArrayVec::new_const() }; SOURCES],
            is_mid_line: false,
        }
    }

    /// Chooses the format.
    pub fn set_format(&mut self, format: Format) {
        self.format = format;
    }

    /// Gives the terminal to a partition (0 = nobody).
    pub fn set_foreground(&mut self, id: u8) {
        self.foreground = id;
    }

    /// Formats what a source wrote.
    pub fn write(&mut self, source: Source<'_>, bytes: &[u8], mut put: impl FnMut(&[u8])) {
        match self.format {
            Format::Framed => write_frame(source, bytes, put),
            Format::Plain if u64::from(source.channel) != CHANNEL_TERMINAL => {}
            Format::Plain if source.id != 0 && source.id == self.foreground => {
                put(bytes);
                self.is_mid_line = bytes.last().map_or(self.is_mid_line, |last| *last != b'\n');
            }
            Format::Plain => self.write_lines(source, bytes, &mut put),
        }
    }

    fn write_lines(&mut self, source: Source<'_>, bytes: &[u8], put: &mut impl FnMut(&[u8])) {
        for byte in bytes {
            let Some(line) = self.lines.get_mut(usize::from(source.id)) else { return };
            match byte {
                b'\r' => {}
                b'\n' => self.end_line(source, put),
                _ => {
                    line.push(*byte);
                    if line.is_full() {
                        self.end_line(source, put);
                    }
                }
            }
        }
    }

    fn end_line(&mut self, source: Source<'_>, put: &mut impl FnMut(&[u8])) {
        let Some(line) = self.lines.get_mut(usize::from(source.id)) else { return };
        if self.is_mid_line {
            put(b"\r\n");
            self.is_mid_line = false;
        }
        put(b"[");
        put(source.name.split(|byte| *byte == 0).next().unwrap_or_default());
        put(b"] ");
        put(line);
        put(b"\r\n");
        line.clear();
    }
}

fn write_frame(source: Source<'_>, bytes: &[u8], mut put: impl FnMut(&[u8])) {
    put(&[FRAME_START, FRAME_BASE.wrapping_add(source.id), FRAME_BASE.wrapping_add(source.channel)]);
    for run in bytes.chunk_by(|a, b| !is_special(*a) && !is_special(*b)) {
        match run {
            [byte] if is_special(*byte) => put(&[FRAME_ESCAPE, byte ^ FRAME_BASE]),
            _ => put(run),
        }
    }
}

fn is_special(byte: u8) -> bool {
    byte == FRAME_START || byte == FRAME_ESCAPE
}

#[derive(Clone, Copy, Debug)]
enum InputState {
    Outside,
    Id,
    Channel(u8),
    Bytes(u8, u8),
    Escaped(u8, u8),
}

/// A byte for a partition's channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Partition number.
    pub id: u8,
    /// Channel.
    pub channel: u8,
    /// The byte.
    pub byte: u8,
}

/// State of the input side.
pub struct Input {
    state: InputState,
}

impl Input {
    /// Creates the input side, outside of any frame.
    pub const fn new() -> Self {
        Input { state: InputState::Outside }
    }

    /// Takes a received byte; tells where it belongs, if it is payload.
    pub fn receive(&mut self, format: Format, foreground: u8, byte: u8) -> Option<Arrival> {
        if format == Format::Plain {
            let id = foreground;
            return (id != 0).then_some(Arrival { id, channel: CHANNEL_TERMINAL as u8, byte });
        }
        if byte == FRAME_START {
            self.state = InputState::Id;
            return None;
        }
        let arrival;
        (self.state, arrival) = match self.state {
            InputState::Outside => (InputState::Outside, None),
            InputState::Id => (InputState::Channel(byte.wrapping_sub(FRAME_BASE)), None),
            InputState::Channel(id) => (InputState::Bytes(id, byte.wrapping_sub(FRAME_BASE)), None),
            InputState::Bytes(id, channel) if byte == FRAME_ESCAPE => (InputState::Escaped(id, channel), None),
            InputState::Bytes(id, channel) => (InputState::Bytes(id, channel), Some(Arrival { id, channel, byte })),
            InputState::Escaped(id, channel) => {
                (InputState::Bytes(id, channel), Some(Arrival { id, channel, byte: byte ^ FRAME_BASE }))
            }
        };
        arrival
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(writes: &[(u8, &str)], foreground: u8) -> String {
        let mut output = Output::new();
        output.set_foreground(foreground);
        let mut bytes = Vec::new();
        for (id, text) in writes {
            let name = [b'a' + *id, 0, 0];
            let source = Source { id: *id, name: &name, channel: 0 };
            output.write(source, text.as_bytes(), |part| bytes.extend_from_slice(part));
        }
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn lines_of_partitions_do_not_mix() {
        assert_eq!(plain(&[(1, "one "), (2, "two\n"), (1, "more\r\n")], 0), "[c] two\r\n[b] one more\r\n");
    }

    #[test]
    fn log_line_does_not_land_in_a_terminal_line() {
        assert_eq!(plain(&[(1, "$ ls"), (2, "log\n"), (1, "\n")], 1), "$ ls\r\n[c] log\r\n\n");
    }

    #[test]
    fn endless_line_is_cut() {
        assert_eq!(plain(&[(1, &"x".repeat(LINE_MAX + 5))], 0), format!("[b] {}\r\n", "x".repeat(LINE_MAX)));
    }

    proptest! {
        /// What is framed out comes in again unchanged, whatever the bytes.
        #[test]
        fn frames_survive(chunks in proptest::collection::vec((0u8..33, 0u8..2, proptest::collection::vec(any::<u8>(), 0..40)), 0..12)) {
            let mut output = Output::new();
            output.set_format(Format::Framed);
            let mut line = Vec::new();
            for (id, channel, bytes) in &chunks {
                output.write(Source { id: *id, name: b"x", channel: *channel }, bytes, |part| line.extend_from_slice(part));
            }
            let mut input = Input::new();
            let arrived: Vec<Arrival> = line.iter().filter_map(|byte| input.receive(Format::Framed, 0, *byte)).collect();
            let sent: Vec<Arrival> = chunks.iter()
                .flat_map(|(id, channel, bytes)| bytes.iter().map(|byte| Arrival { id: *id, channel: *channel, byte: *byte }))
                .collect();
            prop_assert_eq!(arrived, sent);
        }
    }
}
