// SPDX-License-Identifier: MIT OR Apache-2.0
//! A hostile wire: answers as a neighbour does (ARP, DHCP, ping), and sends frames that no honest one sends.
//!
//! Frames travel as UDP datagrams to and from the emulator (`--net frames:PORT`).

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};

const GUEST: [u8; 4] = [10, 0, 2, 15];
const HOST: [u8; 4] = [10, 0, 2, 2];
const GUEST_MAC: [u8; 6] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];
const HOST_MAC: [u8; 6] = [0x52, 0x55, 0x0a, 0x00, 0x02, 0x02];
/// Bad frames between two looks at what arrives.
const BURST: u32 = 20;
const PAUSE: Duration = Duration::from_millis(5);

/// The wire; dropped, it falls silent.
pub struct Wire {
    port: u16,
    is_over: Arc<AtomicBool>,
    bad: Arc<AtomicU64>,
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

impl Wire {
    /// Opens a wire.
    pub fn open() -> Result<Self> {
        let (socket, port) = (0..100)
            .find_map(|_| {
                let port = super::peer::free_port().ok()?;
                let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, port.checked_add(1)?)).ok()?;
                Some((socket, port))
            })
            .context("no two neighbouring ports are free")?;
        socket.set_read_timeout(Some(PAUSE))?;
        let (is_over, bad) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stop, count) = (is_over.clone(), bad.clone());
        std::thread::spawn(move || {
            let mut end = End { socket, port, random: 0x2545_f491 };
            while !stop.load(Ordering::Relaxed) {
                end.turn(&count);
            }
        });
        Ok(Self { port, is_over, bad })
    }

    /// What `--net` is told.
    pub fn option(&self) -> String {
        format!("frames:{}", self.port)
    }

    /// How many bad frames went out.
    pub fn bad_frames(&self) -> u64 {
        self.bad.load(Ordering::Relaxed)
    }
}

struct End {
    socket: UdpSocket,
    port: u16,
    random: u32,
}

impl End {
    fn turn(&mut self, count: &AtomicU64) {
        let mut frame = [0; 2048];
        if let Ok(length) = self.socket.recv(&mut frame)
            && let Some(answer) = frame.get(..length).and_then(|frame| self.answer(frame))
        {
            self.send(&answer);
        }
        for _ in 0..BURST {
            let frame = self.bad_frame();
            self.send(&frame);
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn send(&self, frame: &[u8]) {
        // Lost frames are part of the game.
        let _ = self.socket.send_to(frame, (Ipv4Addr::LOCALHOST, self.port));
    }

    fn below(&mut self, limit: u32) -> u32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        self.random % limit
    }

    /// What a good neighbour says to `frame`.
    fn answer(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        match (frame.get(12..14)?, frame.get(23)) {
            ([8, 6], _) if frame.get(38..42)? == HOST => Some(arp_reply()),
            ([8, 0], Some(1)) if frame.get(34)? == &8 => {
                let mut message = frame.get(34..)?.to_vec();
                message[0] = 0;
                Some(ipv4(1, &with_checksum(message, 2), 0))
            }
            ([8, 0], Some(17)) if frame.get(36..38)? == [0, 67] => {
                let (message, kind) = (frame.get(42..)?, frame.get(284)?);
                Some(dhcp_reply(message.get(4..8)?, if *kind == 1 { 2 } else { 5 }))
            }
            _ => None,
        }
    }

    /// A good frame with something wrong in it.
    fn bad_frame(&mut self) -> Vec<u8> {
        let mut frame = match self.below(8) {
            0 => arp_reply(),
            1 => ipv4(1, &with_checksum([&[8, 0, 0, 0, 0, 1, 0, 1][..], &[7; 40]].concat(), 2), 0),
            2 => ipv4(17, &[&[0, 53, 0, 99, 0, 48, 0, 0][..], &[7; 40]].concat(), 0),
            3 => tcp(self.below(65536) as u16, self.below(256) as u8),
            // Pieces of one datagram that overlap, and never come to an end.
            4 => ipv4(17, &[5; 64], 0x2000 | self.below(24) as u16),
            5 => dhcp_reply(&self.below(u32::MAX).to_be_bytes(), self.below(8) as u8),
            6 => ipv6(self.below(256) as u8, &[0; 64]),
            _ => {
                let length = 14 + self.below(200) as usize;
                let bytes = (0..length).map(|_| self.below(256) as u8).collect();
                ethernet([8, self.below(256) as u8], bytes)
            }
        };
        for _ in 0..self.below(4) {
            let at = 12 + self.below(frame.len() as u32 - 12) as usize;
            frame[at] = self.below(256) as u8;
        }
        if self.below(3) == 0 {
            frame.truncate(14 + self.below(frame.len() as u32 - 13) as usize);
        }
        frame
    }
}

fn ethernet(kind: [u8; 2], payload: Vec<u8>) -> Vec<u8> {
    [&GUEST_MAC[..], &HOST_MAC, &kind, &payload].concat()
}

fn arp_reply() -> Vec<u8> {
    ethernet([8, 6], [&[0, 1, 8, 0, 6, 4, 0, 2][..], &HOST_MAC, &HOST, &GUEST_MAC, &GUEST].concat())
}

fn sum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = 0;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn with_checksum(mut bytes: Vec<u8>, at: usize) -> Vec<u8> {
    bytes[at..at + 2].fill(0);
    let sum = sum(&bytes);
    bytes[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// `fragment` is the header's field: flags, and offset in units of 8 bytes.
fn ipv4(protocol: u8, payload: &[u8], fragment: u16) -> Vec<u8> {
    let length = (20 + payload.len() as u16).to_be_bytes();
    let fragment = fragment.to_be_bytes();
    let header = [0x45, 0, length[0], length[1], 0, 1, fragment[0], fragment[1], 64, protocol, 0, 0];
    let header = with_checksum([&header[..], &HOST, &GUEST].concat(), 10);
    ethernet([8, 0], [&header[..], payload].concat())
}

fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let address = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0x50, 0x54, 0, 0xff, 0xfe, 0x12, 0x34, 0x56];
    let header = [0x60, 0, 0, 0, 0, payload.len() as u8, next, 64];
    ethernet([0x86, 0xdd], [&header[..], &address, &address, payload].concat())
}

/// A segment out of nowhere, with options of length zero.
fn tcp(port: u16, flags: u8) -> Vec<u8> {
    let port = port.to_be_bytes();
    let segment = [4, 0, port[0], port[1], 0, 0, 0, 1, 0, 0, 0, 2, 0xf0, flags, 1, 0, 0, 0, 0, 0, 2, 0, 3, 255, 8, 0];
    ipv4(6, &segment, 0)
}

/// An offer (2) or an acknowledgement (5) of the guest's address.
fn dhcp_reply(transaction: &[u8], kind: u8) -> Vec<u8> {
    let mut message = vec![0; 240];
    message[..4].copy_from_slice(&[2, 1, 6, 0]);
    message[4..8].copy_from_slice(transaction);
    message[16..20].copy_from_slice(&GUEST);
    message[28..34].copy_from_slice(&GUEST_MAC);
    message[236..].copy_from_slice(&[0x63, 0x82, 0x53, 0x63]);
    message
        .extend([53, 1, kind, 1, 4, 255, 255, 255, 0, 54, 4, 10, 0, 2, 2, 51, 4, 0, 1, 0, 0, 3, 4, 10, 0, 2, 2, 255]);
    let length = (8 + message.len() as u16).to_be_bytes();
    let datagram = [&[0, 67, 0, 68, length[0], length[1], 0, 0][..], &message].concat();
    ipv4(17, &datagram, 0)
}
