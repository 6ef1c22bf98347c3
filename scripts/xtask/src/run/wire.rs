// SPDX-License-Identifier: MIT OR Apache-2.0
//! How partitions' channels travel: framed on one serial port (and what Bochs shows of port 0xe9), or stock
//! Linux's one port each.

use super::log::HOST;
use super::mux::{self, Chunk, Decoder};

/// The wiring of a system.
#[derive(Debug)]
pub enum Wire {
    /// The hypervisor's framed format on the first port, and on the one after it if output is redirected.
    Framed {
        /// What arrives.
        decoders: [Decoder; 2],
        /// The partition with the terminal.
        foreground: u8,
        /// Whether the second port is the terminal of the Linux that runs the machine.
        has_host: bool,
    },
    /// Stock Linux: the port's number is the channel.
    Ports,
}

impl Wire {
    /// The multiserver's wiring.
    pub fn framed(foreground: u8) -> Self {
        Self::Framed { decoders: [Decoder::new(), Decoder::framed_only()], foreground, has_host: false }
    }

    /// The same, with the host's own terminal on one more port.
    pub fn with_host(mut self) -> Self {
        if let Self::Framed { has_host, .. } = &mut self {
            *has_host = true;
        }
        self
    }

    /// How many serial ports it takes.
    pub fn port_count(&self) -> usize {
        match self {
            Self::Framed { has_host, .. } => 1 + usize::from(*has_host),
            Self::Ports => 2,
        }
    }

    /// The partition with the terminal and the run channel.
    pub fn foreground(&self) -> u8 {
        match self {
            Self::Framed { foreground, .. } => *foreground,
            Self::Ports => 0,
        }
    }

    /// What bytes from a port say.
    pub fn receive(&mut self, port: usize, bytes: &[u8]) -> Vec<Chunk> {
        match self {
            Self::Framed { has_host: true, .. } if port == 1 => {
                vec![Chunk { partition: HOST, channel: 0, bytes: bytes.to_vec() }]
            }
            Self::Framed { decoders, .. } => decoders.get_mut(port).map_or_else(Vec::new, |it| it.receive(bytes)),
            Self::Ports => vec![Chunk { partition: 0, channel: port as u8, bytes: bytes.to_vec() }],
        }
    }

    /// The port and the bytes that bring input to a channel of the foreground partition.
    pub fn encode(&self, channel: u8, bytes: &[u8]) -> (usize, Vec<u8>) {
        match self {
            Self::Framed { foreground, .. } => (0, mux::encode(*foreground, channel, bytes)),
            Self::Ports => (usize::from(channel), bytes.to_vec()),
        }
    }
}
