// SPDX-License-Identifier: MIT OR Apache-2.0
//! PCI configuration space by the ports 0xcf8 and 0xcfc.
//!
//! Lock: [`PORTS`], a leaf; address and data port form a pair.

use spin::Mutex;

use crate::cpu::port;

static PORTS: Mutex<()> = Mutex::new(());
const ADDRESS: u16 = 0xcf8;
const DATA: u16 = 0xcfc;
const SPACE_SIZE: u16 = 256;

fn select(address: u16, offset: u16) -> u16 {
    port::write_u32(ADDRESS, 0x8000_0000 | u32::from(address) << 8 | u32::from(offset & 0xfc));
    DATA + (offset & 3)
}

/// Reads 1, 2 or 4 bytes; all ones where there is nothing.
pub fn read(address: u16, offset: u16, width: u8) -> u32 {
    if offset >= SPACE_SIZE {
        return u32::MAX;
    }
    let _guard = PORTS.lock();
    let port = select(address, offset);
    match width {
        1 => u32::from(port::read_u8(port)),
        2 => u32::from(port::read_u16(port)),
        _ => port::read_u32(port),
    }
}

/// Writes 1, 2 or 4 bytes.
pub fn write(address: u16, offset: u16, width: u8, value: u32) {
    if offset >= SPACE_SIZE {
        return;
    }
    let _guard = PORTS.lock();
    let port = select(address, offset);
    match width {
        1 => port::write_u8(port, value as u8),
        2 => port::write_u16(port, value as u16),
        _ => port::write_u32(port, value),
    }
}
