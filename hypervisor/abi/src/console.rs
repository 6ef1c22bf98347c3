// SPDX-License-Identifier: MIT OR Apache-2.0
//! The console: channels of partitions multiplexed on one serial line.
//!
//! In the plain format lines of channel 0 carry `[name] `. In the framed
//! format (boot option `console=mux`) every chunk is a frame: [`FRAME_START`],
//! [`FRAME_BASE`] + partition id (0 = hypervisor), [`FRAME_BASE`] + channel,
//! then the bytes, in which the two special bytes are replaced by
//! [`FRAME_ESCAPE`] and the byte with bit 6 flipped, ended by the next
//! [`FRAME_START`]. Input uses the same format.

/// Begins a frame (and so ends the one before).
pub const FRAME_START: u8 = 0x1e;
/// The next byte is to be taken with bit 6 flipped.
pub const FRAME_ESCAPE: u8 = 0x1d;
/// Added to partition and channel numbers in a frame's header.
pub const FRAME_BASE: u8 = 0x40;

/// Kernel log and terminal of a partition.
pub const CHANNEL_TERMINAL: u64 = 0;
/// Framed protocol between the app partition's init and the host tool.
pub const CHANNEL_RUN: u64 = 1;
/// Number of channels per partition.
pub const CHANNEL_COUNT: u64 = 2;
/// Most bytes that one `console_write` or `console_read` moves.
pub const CONSOLE_CHUNK_MAX: u64 = 4096;
