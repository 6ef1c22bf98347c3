// SPDX-License-Identifier: MIT OR Apache-2.0
//! The framed console format of the hypervisor (`sawmill_abi::console`), seen from the host.

use sawmill_abi::console::{FRAME_BASE, FRAME_ESCAPE, FRAME_START};

/// Consecutive bytes of one partition's channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Partition id; 0 is the hypervisor.
    pub partition: u8,
    /// Channel of the partition.
    pub channel: u8,
    /// The bytes.
    pub bytes: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Outside,
    Partition,
    Channel(u8),
    Payload(u8, u8),
    Escaped(u8, u8),
}

/// Takes the serial line apart. What comes before the first frame counts as the hypervisor's words.
#[derive(Debug)]
pub struct Decoder {
    state: State,
}

impl Decoder {
    /// A decoder at the beginning of the line.
    pub fn new() -> Self {
        Self { state: State::Payload(0, 0) }
    }

    /// A decoder that takes nothing before the first frame.
    pub fn framed_only() -> Self {
        Self { state: State::Outside }
    }

    /// Takes received bytes and returns what they say.
    pub fn receive(&mut self, bytes: &[u8]) -> Vec<Chunk> {
        let mut chunks: Vec<Chunk> = Vec::new();
        for &byte in bytes {
            self.state = match (self.state, byte) {
                (_, FRAME_START) => State::Partition,
                (State::Outside, _) => State::Outside,
                (State::Partition, _) => State::Channel(byte.wrapping_sub(FRAME_BASE)),
                (State::Channel(partition), _) => State::Payload(partition, byte.wrapping_sub(FRAME_BASE)),
                (State::Payload(partition, channel), FRAME_ESCAPE) => State::Escaped(partition, channel),
                (State::Payload(partition, channel), _) => {
                    push(&mut chunks, partition, channel, byte);
                    State::Payload(partition, channel)
                }
                (State::Escaped(partition, channel), _) => {
                    push(&mut chunks, partition, channel, byte ^ FRAME_BASE);
                    State::Payload(partition, channel)
                }
            };
        }
        chunks
    }
}

fn push(chunks: &mut Vec<Chunk>, partition: u8, channel: u8, byte: u8) {
    match chunks.last_mut() {
        Some(last) if last.partition == partition && last.channel == channel => last.bytes.push(byte),
        _ => chunks.push(Chunk { partition, channel, bytes: vec![byte] }),
    }
}

/// A frame with input for a partition's channel.
pub fn encode(partition: u8, channel: u8, bytes: &[u8]) -> Vec<u8> {
    let mut frame = vec![FRAME_START, FRAME_BASE.wrapping_add(partition), FRAME_BASE.wrapping_add(channel)];
    for &byte in bytes {
        if byte == FRAME_START || byte == FRAME_ESCAPE {
            frame.extend([FRAME_ESCAPE, byte ^ FRAME_BASE]);
        } else {
            frame.push(byte);
        }
    }
    frame
}

#[cfg(test)]
mod tests {
    use super::{Chunk, Decoder, encode};

    #[test]
    fn what_is_encoded_comes_back_in_any_pieces() {
        let all: Vec<u8> = (0..=255).collect();
        let mut line = b"boot\r\n".to_vec();
        line.extend(encode(2, 1, &all));
        line.extend(encode(1, 0, b"x"));
        for piece in [1, 2, 3, 7, 1000] {
            let mut decoder = Decoder::new();
            let mut whole: Vec<Chunk> = Vec::new();
            for chunk in line.chunks(piece).flat_map(|bytes| decoder.receive(bytes)) {
                match whole.last_mut() {
                    Some(last) if (last.partition, last.channel) == (chunk.partition, chunk.channel) => {
                        last.bytes.extend(chunk.bytes);
                    }
                    _ => whole.push(chunk),
                }
            }
            let got: Vec<_> = whole.iter().map(|c| (c.partition, c.channel, c.bytes.as_slice())).collect();
            assert_eq!(got, [(0, 0, b"boot\r\n".as_slice()), (2, 1, &all), (1, 0, b"x")]);
        }
    }
}
