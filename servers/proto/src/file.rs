// SPDX-License-Identifier: MIT OR Apache-2.0
//! The file service on the wire: FUSE messages in a control area.
//!
//! A mirror of `linux-glue/include/sawmill/file.h`, which explains it; the test below reads that header and
//! compares. Both ends are Linux today; this is for a server or a fuzzer in Rust.

/// Revision of the layout; the client writes it into the header.
pub const VERSION: u32 = 3;
/// Requests that can be in flight on one connection.
pub const SLOTS: usize = 64;
/// Bytes of a slot.
pub const SLOT_SIZE: usize = 8192;
/// Bytes of inline arguments, and of inline results.
pub const INLINE: usize = 2048;
/// Segments that a slot has room for.
pub const SEGMENTS: usize = 512;
/// Bytes of a page of the pool or of the control area.
pub const PAGE: usize = 4096;
/// Where the slots begin.
pub const SLOTS_OFFSET: usize = PAGE;
/// Where the bounce pages begin.
pub const BOUNCE_OFFSET: usize = SLOTS_OFFSET + SLOTS * SLOT_SIZE;
/// The least size of a control area.
pub const CONTROL_MIN: usize = BOUNCE_OFFSET + 32 * PAGE;
/// Data pages of one request.
pub const PAGES_MAX: usize = 256;
/// Entries of the completion ring.
pub const RING: usize = 128;
/// Counters of changes by other clients.
pub const CHANGES: usize = 256;
/// Leases that can be asked back at a time.
pub const RECALLS: usize = 32;
/// The opcode beyond FUSE's own.
pub const LEASE: u32 = 60;
/// Flag of word 0: segments hold data to the server.
pub const DATA_IN: u16 = 1;
/// Flag of word 0: segments receive data.
pub const DATA_OUT: u16 = 2;
/// In `flags2` of INIT: the client goes on with what it knows from a server that died.
pub const INIT_RESUME: u32 = 0x8000_0000;
/// Word with the node of a forget that goes along; the next one has its lookups.
pub const FORGET_WORD: usize = 3;
/// In `write_flags` of WRITE: FSYNC of the file once all is written.
pub const WRITE_FSYNC: u32 = 0x8000_0000;
/// In `write_flags` of WRITE: FDATASYNC likewise.
pub const WRITE_DATASYNC: u32 = 0x4000_0000;
/// In `read_flags` of READDIR: no entry crosses a page of the answer.
pub const LIST_PAGES: u32 = 0x8000_0000;
/// In `valid` of SETATTR: times that the client has kept, and no change of the inode.
pub const SETATTR_TIMES: u32 = 0x8000_0000;
/// In a segment's page: of the control area, not of the pool.
pub const SEGMENT_CONTROL: u32 = 0x8000_0000;

/// A piece of a page.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Page of the pool, or of the control area with [`SEGMENT_CONTROL`].
    pub page: u32,
    /// Bytes into the page.
    pub offset: u16,
    /// 1 to 4096; `offset + length` is at most 4096.
    pub length: u16,
}

/// A late answer.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// Whose request it answers.
    pub slot: u32,
    /// 0 or a negative errno.
    pub error: i32,
    /// Inline bytes of the answer.
    pub out_size: u32,
    /// Data bytes of the answer.
    pub data_size: u32,
}

/// One request: arguments, results, and where its data is.
#[repr(C)]
pub struct Slot {
    /// `fuse_in_header` and what follows it.
    pub arguments: [u8; INLINE],
    /// Results without a `fuse_out_header`.
    pub results: [u8; INLINE],
    /// Where the data is.
    pub segments: [Segment; SEGMENTS],
}

/// Page 0 of a control area. The lines apart keep the writers' cache lines apart.
#[repr(C)]
pub struct Header {
    /// Written by the client.
    pub version: u32,
    _pad0: [u8; 60],
    /// Completions ever written, by the server.
    pub head: u32,
    _pad1: [u8; 60],
    /// Written by the client.
    pub wants_event: u32,
    _pad2: [u8; 124],
    /// Late answers.
    pub ring: [Completion; RING],
    /// There are other clients: written by the server.
    pub is_shared: u32,
    /// Raised with each recall.
    pub recall_count: u32,
    /// Raised when another client takes a lease.
    pub take_count: u32,
    _pad3: u32,
    /// Largest size of a file; before INIT is answered.
    pub size_max: u64,
    /// Blocks that the file system has free, as far as this client may promise them.
    pub free_blocks: u32,
    /// Of these, for root.
    pub reserved_blocks: u32,
    /// Bytes of a block; before INIT is answered.
    pub block_size: u32,
    _pad4: [u8; 28],
    /// Node ids whose leases are wanted back.
    pub recalls: [u64; RECALLS],
    /// Raised when another client has changed something.
    pub changes: [u32; CHANGES],
}

/// The words of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words {
    /// Where the request lies.
    pub slot: u32,
    /// [`DATA_IN`], [`DATA_OUT`] or neither.
    pub flags: u16,
    /// The FUSE opcode, for traces only: the server looks at the header.
    pub opcode: u16,
    /// Inline bytes of the request.
    pub in_size: u32,
    /// Room for inline results.
    pub out_size: u32,
    /// Segments in the slot.
    pub segment_count: u32,
    /// Data bytes in all segments.
    pub data_size: u32,
}

impl Words {
    /// Packs the words of a call.
    #[must_use]
    pub const fn encode(self) -> [u64; 6] {
        [
            pair(self.slot, self.flags as u32 | (self.opcode as u32) << 16),
            pair(self.in_size, self.out_size),
            pair(self.segment_count, self.data_size),
            0,
            0,
            0,
        ]
    }
}

const fn pair(low: u32, high: u32) -> u64 {
    low as u64 | (high as u64) << 32
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::{mem::offset_of, mem::size_of, string::String, vec::Vec};

    const HEADER: &str = include_str!("../../../linux-glue/include/sawmill/file.h");

    /// The value text of `#define SAWMILL_FILE_<name>`, continuation lines joined, comment cut off.
    fn define(name: &str) -> String {
        let joined = HEADER.replace("\\\n", " ");
        let prefix = std::format!("#define SAWMILL_FILE_{name}");
        let line = joined
            .lines()
            .find(|line| line.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.starts_with([' ', '\t'])))
            .unwrap_or_else(|| std::panic!("no {name} in file.h"));
        let value = line[prefix.len()..].split("/*").next().unwrap_or("");
        value.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn constants_are_those_of_the_header() {
        for (name, value) in [
            ("VERSION", VERSION as usize),
            ("SLOTS", SLOTS),
            ("SLOT_SIZE", SLOT_SIZE),
            ("INLINE", INLINE),
            ("SEGMENTS", SEGMENTS),
            ("PAGE", PAGE),
            ("PAGES_MAX", PAGES_MAX),
            ("RING", RING),
            ("FORGET_WORD", FORGET_WORD),
            ("CHANGES", CHANGES),
            ("RECALLS", RECALLS),
            ("LEASE", LEASE as usize),
        ] {
            assert_eq!(define(name), std::format!("{value}"), "{name}");
        }
        assert_eq!(define("DATA_IN"), std::format!("{DATA_IN:#x}"));
        assert_eq!(define("DATA_OUT"), std::format!("{DATA_OUT:#x}"));
        assert_eq!(define("SEGMENT_CONTROL"), std::format!("{SEGMENT_CONTROL:#x}u"));
        assert_eq!(define("INIT_RESUME"), std::format!("{INIT_RESUME:#x}u"));
        assert_eq!(define("WRITE_FSYNC"), std::format!("{WRITE_FSYNC:#x}u"));
        assert_eq!(define("WRITE_DATASYNC"), std::format!("{WRITE_DATASYNC:#x}u"));
        assert_eq!(define("SETATTR_TIMES"), std::format!("{SETATTR_TIMES:#x}u"));
        assert_eq!(define("LIST_PAGES"), std::format!("{LIST_PAGES:#x}u"));
        assert_eq!(define("SLOTS_OFFSET"), "SAWMILL_FILE_PAGE");
        assert_eq!(define("CONTROL_MIN"), "(SAWMILL_FILE_BOUNCE_OFFSET + 32 * SAWMILL_FILE_PAGE)");
    }

    #[test]
    fn layout_is_that_of_the_header() {
        assert_eq!(size_of::<Segment>(), 8);
        assert_eq!(size_of::<Completion>(), 16);
        assert_eq!(size_of::<Slot>(), SLOT_SIZE);
        assert_eq!(offset_of!(Slot, results), INLINE);
        assert_eq!(offset_of!(Slot, segments), 2 * INLINE);
        assert_eq!(offset_of!(Header, head), 64);
        assert_eq!(offset_of!(Header, wants_event), 128);
        assert_eq!(offset_of!(Header, ring), 256);
        assert_eq!(offset_of!(Header, is_shared), 256 + 16 * RING);
        assert_eq!(offset_of!(Header, recalls), 320 + 16 * RING);
        assert!(size_of::<Header>() <= PAGE);
        /* The C side's paddings add up to the same. */
        for pad in ["_pad0[60]", "_pad1[60]", "_pad2[124]", "_pad4[28]"] {
            assert!(HEADER.contains(pad), "{pad}");
        }
    }

    #[test]
    fn words_are_halves() {
        let words = Words {
            slot: 3,
            flags: DATA_OUT,
            opcode: 15,
            in_size: 80,
            out_size: 16,
            segment_count: 2,
            data_size: 8192,
        };
        assert_eq!(words.encode()[..3], [3 | 2 << 32 | 15 << 48, 80 | 16 << 32, 2 | 8192 << 32]);
    }
}
