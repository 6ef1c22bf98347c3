// SPDX-License-Identifier: MIT OR Apache-2.0
//! The run protocol (`sawmill_proto::run`) from the host's side.

use sawmill_proto::run::{
    CREDIT, ERROR_OUTPUT, EXITED, FAILED, FINISHED, HEADER_BYTES, HELLO, INPUT, INPUT_END, KILL, OUTPUT, PAYLOAD_MAX,
    SIGNALED, TERMINAL_SIZE, VERSION,
};

/// What init says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// It is there.
    Hello,
    /// The program's standard output.
    Output(Vec<u8>),
    /// The program's standard error.
    ErrorOutput(Vec<u8>),
    /// That many more bytes of input are welcome.
    Credit(usize),
    /// The program ended with this status.
    Exited(u8),
    /// The program was killed by this signal.
    Signaled(u8),
    /// The program could not be run, and why.
    Failed(String),
    /// Everything is written back.
    Finished,
    /// Bytes that are no frame of this protocol.
    Garbled,
}

/// Takes the run channel's bytes apart.
#[derive(Debug, Default)]
pub struct Receiver {
    pending: Vec<u8>,
}

impl Receiver {
    /// Takes received bytes and returns the frames that are complete.
    pub fn receive(&mut self, bytes: &[u8]) -> Vec<Report> {
        self.pending.extend_from_slice(bytes);
        let mut reports = Vec::new();
        while let &[kind, low, high, ..] = self.pending.as_slice() {
            let length = usize::from(u16::from_le_bytes([low, high]));
            if length > PAYLOAD_MAX {
                self.pending.clear();
                reports.push(Report::Garbled);
                break;
            }
            if self.pending.len() < HEADER_BYTES + length {
                break;
            }
            let payload: Vec<u8> = self.pending.drain(..HEADER_BYTES + length).skip(HEADER_BYTES).collect();
            reports.push(decode(kind, payload));
        }
        reports
    }
}

fn decode(kind: u8, payload: Vec<u8>) -> Report {
    match (kind, payload.as_slice()) {
        (HELLO, [VERSION]) => Report::Hello,
        (OUTPUT, _) => Report::Output(payload),
        (ERROR_OUTPUT, _) => Report::ErrorOutput(payload),
        (CREDIT, &[a, b, c, d]) => Report::Credit(u32::from_le_bytes([a, b, c, d]) as usize),
        (EXITED, [status]) => Report::Exited(*status),
        (SIGNALED, [signal]) => Report::Signaled(*signal),
        (FAILED, _) => Report::Failed(String::from_utf8_lossy(&payload).into_owned()),
        (FINISHED, []) => Report::Finished,
        _ => Report::Garbled,
    }
}

/// Standard input; at most [`PAYLOAD_MAX`] bytes.
pub fn input(bytes: &[u8]) -> Vec<u8> {
    frame(INPUT, bytes)
}

/// The end of standard input.
pub fn input_end() -> Vec<u8> {
    frame(INPUT_END, &[])
}

/// A signal for the program.
pub fn kill(signal: u8) -> Vec<u8> {
    frame(KILL, &[signal])
}

/// The terminal's size.
pub fn terminal_size(rows: u16, columns: u16) -> Vec<u8> {
    let ([a, b], [c, d]) = (rows.to_le_bytes(), columns.to_le_bytes());
    frame(TERMINAL_SIZE, &[a, b, c, d])
}

fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len().min(PAYLOAD_MAX);
    let mut frame = vec![kind];
    frame.extend((length as u16).to_le_bytes());
    frame.extend_from_slice(&payload[..length]);
    frame
}

#[cfg(test)]
mod tests {
    use super::{Receiver, Report, frame, input};
    use sawmill_proto::run::{EXITED, HELLO, OUTPUT, VERSION};

    #[test]
    fn frames_come_whole_whatever_the_pieces() {
        let mut line = frame(HELLO, &[VERSION]);
        line.extend(frame(OUTPUT, b"hi"));
        line.extend(frame(EXITED, &[3]));
        let mut receiver = Receiver::default();
        let reports: Vec<Report> = line.chunks(2).flat_map(|piece| receiver.receive(piece)).collect();
        assert_eq!(reports, [Report::Hello, Report::Output(b"hi".to_vec()), Report::Exited(3)]);
    }

    #[test]
    fn other_versions_and_long_frames_are_garbled() {
        let mut receiver = Receiver::default();
        assert_eq!(receiver.receive(&frame(HELLO, &[VERSION + 1])), [Report::Garbled]);
        assert_eq!(receiver.receive(&[OUTPUT, 0xff, 0xff]), [Report::Garbled]);
        assert_eq!(input(&[0; 5000]).len(), 1027);
    }
}
