// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames between the app partition's init and the host tool, on console channel 1.
//!
//! A frame is a kind byte, a little-endian 16-bit payload length, and the payload. The guest speaks first
//! (HELLO). Standard input is bounded: the host sends no more bytes than the guest has given credit for.
//! Either side ends the run on a frame it does not understand.

/// Revision of this protocol, the first payload byte of HELLO.
pub const VERSION: u8 = 1;
/// Bytes before the payload.
pub const HEADER_BYTES: usize = 3;
/// Most payload bytes of one frame.
pub const PAYLOAD_MAX: usize = 1024;
/// Standard input that the guest buffers, and so the first credit.
pub const INPUT_BUFFER_BYTES: u32 = 2048;

/// Guest: init is there. Payload: version (1 byte).
pub const HELLO: u8 = b'H';
/// Guest: the program's standard output.
pub const OUTPUT: u8 = b'O';
/// Guest: the program's standard error.
pub const ERROR_OUTPUT: u8 = b'E';
/// Guest: that many more bytes of standard input are welcome (32 bits, little-endian).
pub const CREDIT: u8 = b'C';
/// Guest: the program ended with this exit status (1 byte).
pub const EXITED: u8 = b'X';
/// Guest: the program was killed by this signal (1 byte).
pub const SIGNALED: u8 = b'S';
/// Guest: the program could not be started or the root not be mounted; payload: why, as text.
pub const FAILED: u8 = b'F';
/// Guest: file systems are in order, power goes off next. Empty.
pub const FINISHED: u8 = b'Q';
/// Host: standard input.
pub const INPUT: u8 = b'I';
/// Host: standard input has ended. Empty.
pub const INPUT_END: u8 = b'Z';
/// Host: send this signal to the program (1 byte).
pub const KILL: u8 = b'K';
/// Host: the terminal's size: rows, columns (16 bits each, little-endian).
pub const TERMINAL_SIZE: u8 = b'W';
