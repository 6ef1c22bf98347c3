// SPDX-License-Identifier: MIT OR Apache-2.0
//! The wall clock, read once from the machine's real-time clock.

use sawmill_abi::status::Status;
use sawmill_root::real_time::{self, IS_CHANGING, REGISTERS, Reading, STATUS_A};
use sawmill_rt::calls::{self, SELF};
use sawmill_rt::{port, time};

const INDEX_PORT: u16 = 0x70;
const DATA_PORT: u16 = 0x71;
/// In the index: no non-maskable interrupts meanwhile.
const NMI_OFF: u8 = 0x80;
/// A clock that is not there must not keep root.
const POLLS_MAX: usize = 100_000;

/// A moment on two clocks.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// ns since 1970 UTC.
    pub ns: u64,
    /// Time stamp counter.
    pub tsc: u64,
}

/// Reads the wall clock.
///
/// # Errors
/// When root may not have its ports.
pub fn read() -> Result<Clock, Status> {
    calls::partition_grant_ports(SELF, INDEX_PORT.into(), 2)?;
    // Two equal readings, so that no change falls between the registers.
    let mut last = read_registers();
    for _ in 0..1000 {
        let again = read_registers();
        if again == last {
            break;
        }
        last = again;
    }
    // Non-maskable interrupts again.
    port::write_u8(INDEX_PORT, STATUS_A);
    Ok(Clock { ns: real_time::nanoseconds(last), tsc: time::tsc() })
}

fn read_registers() -> Reading {
    let register = |index: u8| {
        port::write_u8(INDEX_PORT, index | NMI_OFF);
        port::read_u8(DATA_PORT)
    };
    for _ in 0..POLLS_MAX {
        if register(STATUS_A) & IS_CHANGING == 0 {
            break;
        }
    }
    REGISTERS.map(register)
}
