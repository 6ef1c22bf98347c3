// SPDX-License-Identifier: MIT OR Apache-2.0
//! What ACPI says: processors, I/O APICs, and how to power off.
//!
//! Tables are read once at boot through the boot loader's page tables. They
//! are firmware input: every count is bounded, every miss has a default.

use core::ptr::NonNull;

use acpi::madt::{Madt, MadtEntry};
use acpi::{AcpiHandler, AcpiTables, PhysicalMapping};
use arrayvec::ArrayVec;
use sawmill_logic::platform::PinMode;

use crate::cpu::CPUS_MAX;

/// An I/O APIC.
#[derive(Clone, Copy, Debug)]
pub struct IoApicInformation {
    /// Where its registers are.
    pub address: u32,
    /// Global system interrupt of its first pin.
    pub first_gsi: u32,
}

/// An ISA interrupt that is wired differently.
#[derive(Clone, Copy, Debug)]
pub struct SourceOverride {
    /// ISA IRQ.
    pub irq: u8,
    /// Where it arrives.
    pub gsi: u32,
    /// How it signals.
    pub mode: PinMode,
}

/// How to power off through ACPI.
#[derive(Clone, Copy, Debug)]
pub struct PowerOff {
    /// PM1a and PM1b control ports; 0 = none.
    pub ports: [u16; 2],
    /// SLP_TYP values for S5.
    pub sleep_types: [u8; 2],
}

/// All that is kept of ACPI.
#[derive(Clone, Debug, Default)]
pub struct Information {
    /// Local APIC IDs of the enabled processors.
    pub processors: ArrayVec<u32, CPUS_MAX>,
    /// The I/O APICs.
    pub io_apics: ArrayVec<IoApicInformation, 4>,
    /// The overrides.
    pub overrides: ArrayVec<SourceOverride, 16>,
    /// Power-off.
    pub power_off: Option<PowerOff>,
}

/// Physical memory is mapped one to one while this is used.
#[derive(Clone, Copy)]
struct Identity;

impl AcpiHandler for Identity {
    unsafe fn map_physical_region<T>(&self, address: usize, size: usize) -> PhysicalMapping<Self, T> {
        let pointer = NonNull::new(address as *mut T).unwrap_or(NonNull::dangling());
        // SAFETY: the first 4 GiB are identity mapped; a table beyond, or none at all, faults with an epitaph.
        unsafe { PhysicalMapping::new(address, pointer, size, size, *self) }
    }

    fn unmap_physical_region<T>(_region: &PhysicalMapping<Self, T>) {}
}

/// Reads the tables.
///
/// # Errors
/// A sentence when the tables needed are missing or damaged.
pub fn read(rsdp: usize) -> Result<Information, &'static str> {
    // SAFETY: `rsdp` is the copy of the root pointer in the boot information, identity mapped.
    let tables = unsafe { AcpiTables::from_rsdp(Identity, rsdp) }.map_err(|_| "the ACPI tables are damaged")?;
    let madt = tables.find_table::<Madt>().map_err(|_| "the firmware has no ACPI processor table (MADT)")?;
    let mut information = Information::default();
    for entry in madt.get().entries() {
        // Entries past a table's capacity are ignored: the machine works with less.
        match entry {
            MadtEntry::LocalApic(entry) if entry.flags & 1 != 0 => {
                add_processor(&mut information, u32::from(entry.apic_id));
            }
            MadtEntry::LocalX2Apic(entry) if entry.flags & 1 != 0 => {
                add_processor(&mut information, entry.x2apic_id);
            }
            MadtEntry::IoApic(entry) => {
                let io_apic =
                    IoApicInformation { address: entry.io_apic_address, first_gsi: entry.global_system_interrupt_base };
                let _ = information.io_apics.try_push(io_apic);
            }
            MadtEntry::InterruptSourceOverride(entry) => {
                // ISA: conforming means edge, active high.
                let _ = information.overrides.try_push(SourceOverride {
                    irq: entry.irq,
                    gsi: entry.global_system_interrupt,
                    mode: PinMode { is_level: entry.flags >> 2 & 3 == 3, is_active_low: entry.flags & 3 == 3 },
                });
            }
            _ => {}
        }
    }
    information.power_off = power_off(&tables);
    Ok(information)
}

/// Notes a processor; firmware may list one in both forms. Those past the capacity are not started.
fn add_processor(information: &mut Information, apic_id: u32) {
    if !information.processors.contains(&apic_id) {
        let _ = information.processors.try_push(apic_id);
    }
}

/// Finds PM1 control ports and the values of `\_S5_`, which needs a look into the DSDT's byte code.
fn power_off(tables: &AcpiTables<Identity>) -> Option<PowerOff> {
    let fadt = tables.find_table::<acpi::fadt::Fadt>().ok()?;
    let first = fadt.pm1a_control_block().ok()?.address as u16;
    let second = fadt.pm1b_control_block().ok().flatten().map_or(0, |block| block.address as u16);
    let dsdt = tables.dsdt().ok()?;
    // SAFETY: (1) the DSDT, header included, lies in identity-mapped firmware memory that nobody writes;
    // (2) the length is the table's own, bounded below.
    let code = unsafe { core::slice::from_raw_parts(dsdt.address as *const u8, (dsdt.length as usize).min(1 << 20)) };
    let at = code.windows(4).position(|name| name == b"_S5_")?;
    // Name, PackageOp, PkgLength (one byte here), count, then values: BytePrefix + byte, or ZeroOp, OneOp.
    let mut values = code.get(at + 4..)?.iter().copied();
    if values.next()? != 0x12 {
        return None;
    }
    let _length_and_count = (values.next()?, values.next()?);
    let mut next = || match values.next()? {
        0x0a => values.next(),
        small => Some(small),
    };
    Some(PowerOff { ports: [first, second], sleep_types: [next()?, next()?] })
}
