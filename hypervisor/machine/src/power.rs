// SPDX-License-Identifier: MIT OR Apache-2.0
//! Power-off and reset.

use core::sync::atomic::{AtomicBool, Ordering};

use spin::Once;

use crate::{acpi::PowerOff, console::serial, cpu::port, epitaph};

static POWER_OFF: Once<Option<PowerOff>> = Once::new();
static IS_BOCHS: AtomicBool = AtomicBool::new(false);

/// Remembers how this machine powers off.
pub fn initialize(power_off: Option<PowerOff>, is_bochs: bool) {
    POWER_OFF.call_once(|| power_off);
    IS_BOCHS.store(is_bochs, Ordering::Relaxed);
}

/// Powers the machine off, or stops it where that does not work.
pub fn power_off() -> ! {
    serial::drain();
    if IS_BOCHS.load(Ordering::Relaxed) {
        // Bochs ends when it reads this word at its own port; ACPI would lose the last serial bytes.
        for &byte in b"Shutdown" {
            port::write_u8(0x8900, byte);
        }
    }
    if let Some(Some(method)) = POWER_OFF.get() {
        const SLEEP_ENABLE: u16 = 1 << 13;
        for (port, kind) in method.ports.into_iter().zip(method.sleep_types) {
            if port != 0 {
                port::write_u16(port, SLEEP_ENABLE | u16::from(kind & 7) << 10);
            }
        }
    }
    epitaph::stop()
}

/// Resets the machine.
pub fn reset() -> ! {
    serial::drain();
    const RESET_CONTROL: u16 = 0xcf9;
    const KEYBOARD_COMMAND: u16 = 0x64;
    port::write_u8(RESET_CONTROL, 0x02);
    port::write_u8(RESET_CONTROL, 0x06);
    port::write_u8(KEYBOARD_COMMAND, 0xfe);
    epitaph::stop()
}
