// SPDX-License-Identifier: MIT OR Apache-2.0
//! I/O APICs: routing of interrupt pins.
//!
//! Lock: [`STATE`], a leaf; index and window registers of an I/O APIC form a
//! pair that two CPUs must not mix.

use arrayvec::ArrayVec;
use sawmill_logic::platform::PinMode;
use spin::Mutex;

use crate::acpi::{Information, IoApicInformation, SourceOverride};

const VERSION: u32 = 1;
const FIRST_ENTRY: u32 = 0x10;
const MASKED: u32 = 1 << 16;
const LEVEL: u32 = 1 << 15;
const ACTIVE_LOW: u32 = 1 << 13;

struct State {
    chips: ArrayVec<(IoApicInformation, u32), 4>,
    overrides: ArrayVec<SourceOverride, 16>,
}

static STATE: Mutex<State> = Mutex::new(State { chips: ArrayVec::new_const(), overrides: ArrayVec::new_const() });

fn select(chip: &IoApicInformation, index: u32) -> *mut u32 {
    let base = u64::from(chip.address) as *mut u32;
    // SAFETY: the MADT names the chip's page, below 4 GiB and so identity mapped uncached; the lock is held.
    unsafe { base.write_volatile(index) };
    base.wrapping_add(4)
}

fn read(chip: &IoApicInformation, index: u32) -> u32 {
    // SAFETY: the window register, in the same page as the index register.
    unsafe { select(chip, index).read_volatile() }
}

fn write(chip: &IoApicInformation, index: u32, value: u32) {
    // SAFETY: as for `read`.
    unsafe { select(chip, index).write_volatile(value) };
}

/// Takes over the I/O APICs and masks every pin.
pub fn initialize(information: &Information) {
    let mut state = STATE.lock();
    for chip in &information.io_apics {
        let pins = (read(chip, VERSION) >> 16 & 0xff) + 1;
        for pin in 0..pins {
            write(chip, FIRST_ENTRY + pin * 2, MASKED);
        }
        let _ = state.chips.try_push((*chip, pins));
    }
    state.overrides = information.overrides.clone();
}

/// Returns where an ISA interrupt arrives.
pub fn isa_pin(irq: u8) -> (u32, PinMode) {
    let state = STATE.lock();
    match state.overrides.iter().find(|entry| entry.irq == irq) {
        Some(entry) => (entry.gsi, entry.mode),
        None => (u32::from(irq), PinMode { is_level: false, is_active_low: false }),
    }
}

/// Looks up the chip and first register of a pin, and hands them to `action`; false if there is no such pin.
fn with_pin(gsi: u32, action: impl FnOnce(&IoApicInformation, u32)) -> bool {
    let state = STATE.lock();
    let found = state.chips.iter().find(|(chip, pins)| gsi >= chip.first_gsi && gsi - chip.first_gsi < *pins);
    if let Some((chip, _)) = found {
        action(chip, FIRST_ENTRY + (gsi - chip.first_gsi) * 2);
    }
    found.is_some()
}

/// Routes a pin to a vector of the CPU with this APIC ID; masked.
pub fn route(gsi: u32, vector: u8, mode: PinMode, apic_id: u32) -> bool {
    with_pin(gsi, |chip, entry| {
        let trigger = if mode.is_level { LEVEL } else { 0 };
        let polarity = if mode.is_active_low { ACTIVE_LOW } else { 0 };
        write(chip, entry, MASKED);
        write(chip, entry + 1, apic_id << 24);
        write(chip, entry, MASKED | trigger | polarity | u32::from(vector));
    })
}

/// Masks or unmasks a pin.
pub fn set_masked(gsi: u32, is_masked: bool) {
    with_pin(gsi, |chip, entry| {
        let value = read(chip, entry) & !MASKED;
        write(chip, entry, if is_masked { value | MASKED } else { value });
    });
}
