// SPDX-License-Identifier: MIT OR Apache-2.0
//! FUSE requests as bytes: one that could work for each opcode, and their mutations.
//!
//! The client may do what any client may. So that the other client's files stay as they are, names that are
//! created, changed or removed begin with `h`, and nodes of the root are never learned by reading the root.

use fastrand::Rng;
use sawmill_proto::file::INLINE;

/// Opcodes, from Linux's `include/uapi/linux/fuse.h`.
pub const LOOKUP: u32 = 1;
pub const MKDIR: u32 = 9;
pub const READ: u32 = 15;
pub const WRITE: u32 = 16;
pub const INIT: u32 = 26;
pub const READDIR: u32 = 28;
pub const CREATE: u32 = 35;
pub const DESTROY: u32 = 38;
pub const READDIRPLUS: u32 = 44;
const IOCTL: u32 = 39;
/// All that the server knows, and some that it does not.
const OPCODES: [u32; 36] = [
    1, 1, 1, 2, 3, 4, 4, 5, 6, 8, 9, 10, 11, 12, 13, 15, 15, 16, 16, 17, 20, 21, 22, 23, 24, 28, 30, 35, 35, 39, 42,
    44, 45, 50, 51, 0,
];
/// The node of the root directory.
pub const ROOT: u64 = 1;
/// Bytes of a request's header.
const HEADER: usize = 40;
/// `FS_IOC_SETFLAGS`, `FS_IOC_GETFLAGS`, `FS_IOC_FSSETXATTR`, `FS_IOC_GETVERSION`, `FS_IOC_SETVERSION`.
const COMMANDS: [u64; 5] = [0x4008_6602, 0x8008_6601, 0x401c_5820, 0x8008_7601, 0x4008_7602];
const ATTRIBUTES: [&[u8]; 5] =
    [b"user.h", b"trusted.h", b"security.h", b"system.posix_acl_access", b"system.posix_acl_default"];

/// A request under construction.
pub struct Request {
    bytes: [u8; INLINE],
    /// Bytes in use.
    pub length: usize,
}

impl Request {
    /// A header without arguments.
    pub fn new(opcode: u32, node: u64, unique: u64) -> Self {
        let mut request = Self { bytes: [0; INLINE], length: 0 };
        request.number::<4>(0).number::<4>(opcode.into()).number::<8>(unique).number::<8>(node);
        // Owner and process: root.
        request.number::<8>(0).number::<8>(0);
        request
    }

    /// Appends a number of `N` bytes.
    pub fn number<const N: usize>(&mut self, number: u64) -> &mut Self {
        self.text(number.to_le_bytes().get(..N).unwrap_or(&[]))
    }

    /// Appends bytes.
    pub fn text(&mut self, bytes: &[u8]) -> &mut Self {
        for byte in bytes {
            if let Some(place) = self.bytes.get_mut(self.length) {
                *place = *byte;
                self.length += 1;
            }
        }
        self
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&[])
    }

    fn read<const N: usize>(&self, at: usize) -> u64 {
        self.bytes.iter().skip(at).take(N).rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// Its opcode, as it stands there.
    pub fn opcode(&self) -> u32 {
        self.read::<4>(4) as u32
    }

    fn node(&self) -> u64 {
        self.read::<8>(16)
    }

    fn set<const N: usize>(&mut self, at: usize, number: u64) {
        for (place, byte) in self.bytes.iter_mut().skip(at).zip(number.to_le_bytes()).take(N) {
            *place = byte;
        }
    }
}

/// A name of the hostile client's own.
fn name(rng: &mut Rng, request: &mut Request) {
    match rng.u8(..40) {
        0 => drop(request.text(&[b'h'; 300][..rng.usize(1..300)])),
        1 => drop(request.text(b"h").number::<8>(rng.u64(..))),
        _ => drop(request.text(&[b'h', b'a' + rng.u8(..8), b'0' + rng.u8(..8)])),
    }
    request.text(&[0]);
}

/// A number that is small, near a limit, or anything.
fn size(rng: &mut Rng) -> u64 {
    match rng.u8(..16) {
        0 => rng.u64(..),
        1 => u64::MAX >> rng.u32(..64),
        2 => rng.u64(..1 << 34),
        3..=6 => rng.u64(..64) * 4096,
        _ => rng.u64(..100_000),
    }
}

/// A request that could work; `node` and `other` are nodes that may exist.
pub fn valid(rng: &mut Rng, node: u64, other: u64, unique: u64) -> Request {
    let opcode = OPCODES.get(rng.usize(..OPCODES.len())).copied().unwrap_or(0);
    let mut request = Request::new(opcode, node, unique);
    let r = &mut request;
    match opcode {
        LOOKUP | 10 | 11 => name(rng, r),
        2 => drop(r.number::<8>(rng.u64(..3))),
        3 => drop(r.number::<8>(0).number::<8>(0)),
        4 => {
            r.number::<4>(rng.u64(..0x1000)).number::<4>(0).number::<8>(0).number::<8>(size(rng)).number::<8>(0);
            r.number::<8>(size(rng)).number::<8>(size(rng)).number::<8>(size(rng));
            r.number::<4>(rng.u64(..1 << 30)).number::<4>(0).number::<4>(0);
            // The type of a file is not the client's to change.
            r.number::<4>(rng.u64(..0x1_0000)).number::<4>(0).number::<4>(rng.u64(..3)).number::<4>(rng.u64(..3));
            r.number::<4>(0);
        }
        6 => {
            name(rng, r);
            r.text(b"target\0");
        }
        8 => {
            let kind = [0o100_000, 0o010_000, 0o020_000, 0o060_000, 0o140_000, 0o040_000, 0][rng.usize(..7)];
            r.number::<4>(kind | rng.u64(..0o10_000)).number::<4>(rng.u64(..1 << 32)).number::<8>(0o22);
            name(rng, r);
        }
        MKDIR => {
            r.number::<4>(0o755).number::<4>(0);
            name(rng, r);
        }
        12 => {
            r.number::<8>(other);
            name(rng, r);
            name(rng, r);
        }
        13 => {
            r.number::<8>(other);
            name(rng, r);
        }
        READ | READDIR | READDIRPLUS | WRITE => {
            let flags = rng.u64(..4) | rng.u64(..4) << 30;
            r.number::<8>(0).number::<8>(size(rng)).number::<4>(size(rng)).number::<4>(flags);
            r.number::<8>(0).number::<8>(0);
        }
        20 | 30 => drop(r.number::<8>(0).number::<8>(rng.u64(..2))),
        21 => {
            let length = rng.usize(..1500);
            r.number::<4>(length as u64).number::<4>(rng.u64(..3)).number::<8>(0);
            r.text(ATTRIBUTES[rng.usize(..5)]).text(&[0]);
            for _ in 0..length {
                r.number::<1>(rng.u64(..256));
            }
        }
        22 => drop(r.number::<8>(rng.u64(..2000)).text(ATTRIBUTES[rng.usize(..5)]).text(&[0])),
        23 => drop(r.number::<8>(rng.u64(..2000))),
        24 => drop(r.text(ATTRIBUTES[rng.usize(..5)]).text(&[0])),
        CREATE | 51 => {
            r.number::<4>(rng.u64(..0o20_000)).number::<4>(0o100_644).number::<8>(0o22);
            name(rng, r);
        }
        IOCTL => {
            r.number::<8>(0).number::<4>(0).number::<4>(COMMANDS[rng.usize(..5)]).number::<8>(0);
            r.number::<4>(4).number::<4>(4).number::<8>(rng.u64(..1 << 20));
        }
        42 => {
            let count = rng.u64(..20);
            r.number::<8>(count);
            for _ in 0..count {
                r.number::<8>(if rng.bool() { other } else { rng.u64(..) }).number::<8>(rng.u64(..3));
            }
        }
        45 => {
            r.number::<8>(other).number::<8>(rng.u64(..8));
            name(rng, r);
            name(rng, r);
        }
        _ => drop(r.number::<8>(rng.u64(..))),
    }
    request
}

/// Changes bytes and lengths.
pub fn mutate(rng: &mut Rng, request: &mut Request) {
    for _ in 0..rng.u8(1..5) {
        // Names stay the client's own: only what is before and around them changes.
        let at = if rng.bool() { rng.usize(4..HEADER) } else { HEADER + rng.usize(..48) };
        match rng.u8(..4) {
            0 => request.set::<1>(at, rng.u64(..256)),
            1 => request.set::<4>(at & !3, size(rng)),
            2 => request.set::<8>(at & !7, rng.u64(..)),
            _ => request.length = rng.usize(..INLINE),
        }
    }
}

/// Takes back what would touch the other client's files, or would end this client.
pub fn spare(rng: &mut Rng, request: &mut Request, home: u64) {
    match request.opcode() {
        INIT | DESTROY if rng.u8(..64) != 0 => request.set::<4>(4, 3),
        // A client that says it goes on after a server's death may name any inode of the disk.
        INIT => request.set::<8>(HEADER + 8, 0),
        READDIRPLUS | IOCTL if request.node() == ROOT => request.set::<8>(16, home),
        _ => {}
    }
}
