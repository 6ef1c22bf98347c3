// SPDX-License-Identifier: MIT OR Apache-2.0
//! Readers for sizes, durations, names, CPU sets and PCI classes.

use arrayvec::ArrayString;
use sawmill_proto::system::Cpus;
use toml::{Spanned, Value};

use crate::error::{Error, Locator};

/// Bytes of 2 MiB, the grain of partition memory and pools.
pub(crate) const LARGE_PAGE: u64 = 2 << 20;

/// Reads a size: a number of bytes or a text such as `24 MiB`.
pub(crate) fn size(at: &Locator, value: &Spanned<Value>) -> Result<u64, Error> {
    let parsed = match value.get_ref() {
        Value::Integer(bytes) => u64::try_from(*bytes).ok(),
        Value::String(text) => size_text(text),
        _ => None,
    };
    parsed.ok_or_else(|| {
        at.error(value.span(), format!("{} is no size (write for instance \"24 MiB\")", value.get_ref()))
    })
}

/// Reads a size as a person writes it.
pub(crate) fn size_text(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim() {
        "" | "B" => 0,
        "K" | "KiB" => 10,
        "M" | "MiB" => 20,
        "G" | "GiB" => 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// Reads a size that has to be a multiple of `grain`, not zero.
pub(crate) fn size_in(at: &Locator, what: &str, value: &Spanned<Value>, grain: u64) -> Result<u64, Error> {
    let bytes = size(at, value)?;
    check_grain(what, bytes, grain).map_err(|reason| at.error(value.span(), reason))?;
    Ok(bytes)
}

/// Checks that a size is a multiple of a grain, not zero.
pub(crate) fn check_grain(what: &str, bytes: u64, grain: u64) -> Result<(), String> {
    let unit = if grain >= LARGE_PAGE { "2 MiB" } else { "4 KiB" };
    match bytes {
        0 => Err(format!("{what} is 0")),
        _ if !bytes.is_multiple_of(grain) => Err(format!("{what} of {bytes} bytes is not a multiple of {unit}")),
        _ => Ok(()),
    }
}

/// Reads a duration such as `20 ms`, in nanoseconds.
pub(crate) fn duration_ns(at: &Locator, value: &Spanned<String>) -> Result<u64, Error> {
    let text = value.get_ref().trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "ns" => Some(1),
        "us" => Some(1_000),
        "ms" => Some(1_000_000),
        "s" => Some(1_000_000_000),
        _ => None,
    };
    number
        .parse::<u64>()
        .ok()
        .zip(factor)
        .and_then(|(number, factor)| number.checked_mul(factor))
        .ok_or_else(|| at.error(value.span(), format!("\"{text}\" is no duration (write for instance \"20 ms\")")))
}

/// Reads an integer within a range.
pub(crate) fn integer_in(at: &Locator, what: &str, value: &Spanned<i64>, low: i64, high: i64) -> Result<u64, Error> {
    let number = *value.get_ref();
    if !(low..=high).contains(&number) {
        return Err(at.error(value.span(), format!("{what} {number} is out of range ({low} to {high})")));
    }
    Ok(number.unsigned_abs())
}

/// Reads a text into fixed space.
pub(crate) fn text<const N: usize>(at: &Locator, what: &str, value: &Spanned<String>) -> Result<ArrayString<N>, Error> {
    ArrayString::from(value.get_ref()).map_err(|_| at.error(value.span(), format!("{what} is longer than {N} bytes")))
}

/// Reads a name of a partition, service or boot module.
pub(crate) fn name<const N: usize>(at: &Locator, what: &str, value: &Spanned<String>) -> Result<ArrayString<N>, Error> {
    let is_valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    if value.get_ref().is_empty() || !value.get_ref().chars().all(is_valid) {
        let shown = value.get_ref();
        return Err(
            at.error(value.span(), format!("{what} \"{shown}\" may consist of a-z, 0-9, '-', '_' and '.' only"))
        );
    }
    text(at, what, value)
}

/// Reads the CPUs of a partition: `"all"`, a count, or a list of numbers.
pub(crate) fn cpus(at: &Locator, value: &Spanned<Value>, cpus_max: u64) -> Result<Cpus, Error> {
    let range = |number: i64, low: i64, high: u64, what: &str| {
        u8::try_from(number)
            .ok()
            .filter(|n| number >= low && u64::from(*n) <= high)
            .ok_or_else(|| at.error(value.span(), format!("{what} {number} is out of range ({low} to {high})")))
    };
    match value.get_ref() {
        Value::String(text) if text == "all" => Ok(Cpus::All),
        Value::Integer(count) => range(*count, 1, cpus_max, "CPU count").map(Cpus::First),
        Value::Array(list) if !list.is_empty() => {
            let mut mask = 0u8;
            for item in list {
                let number = item.as_integer().unwrap_or(-1);
                mask |= 1 << range(number, 0, cpus_max - 1, "CPU")?;
            }
            Ok(Cpus::Mask(mask))
        }
        other => Err(at.error(value.span(), format!("{other} is not \"all\", a number of CPUs or a list of CPUs"))),
    }
}

/// Reads a PCI class with subclass: a number or a well-known name.
pub(crate) fn pci_class(at: &Locator, value: &Spanned<Value>) -> Result<u16, Error> {
    // PCI Code and ID Assignment Specification: base class 01h, 02h.
    let class = match value.get_ref() {
        Value::Integer(number) => u16::try_from(*number).ok(),
        Value::String(name) => match name.as_str() {
            "scsi" => Some(0x0100),
            "ide" => Some(0x0101),
            "ahci" => Some(0x0106),
            "nvme" => Some(0x0108),
            "ethernet" => Some(0x0200),
            _ => None,
        },
        _ => None,
    };
    class.ok_or_else(|| {
        let reason = "is no device class (ide, ahci, nvme, scsi, ethernet, or a number such as 0x0101)";
        at.error(value.span(), format!("{} {reason}", value.get_ref()))
    })
}
