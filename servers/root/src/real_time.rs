// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the registers of a PC's real-time clock mean.

/// The registers that matter, in the order of [`Reading`].
pub const REGISTERS: [u8; 7] = [0, 2, 4, 7, 8, 9, 0x0b];
/// Register that tells whether the others are changing.
pub const STATUS_A: u8 = 0x0a;
/// In [`STATUS_A`]: they are.
pub const IS_CHANGING: u8 = 0x80;

/// Second, minute, hour, day, month, year, status B.
pub type Reading = [u8; 7];

const STATUS_24_HOURS: u8 = 2;
const STATUS_BINARY: u8 = 4;
const HOUR_IS_PM: u8 = 0x80;

/// Returns ns since 1970; the clock is taken to show UTC, in this century.
pub fn nanoseconds(reading: Reading) -> u64 {
    let [second, minute, hour, day, month, year, status] = reading;
    let decode =
        |value: u8| u64::from(if status & STATUS_BINARY != 0 { value } else { (value >> 4) * 10 + (value & 15) });
    let mut hours = decode(hour & !HOUR_IS_PM);
    if status & STATUS_24_HOURS == 0 {
        hours = hours % 12 + if hour & HOUR_IS_PM != 0 { 12 } else { 0 };
    }
    let days = days_since_1970(2000 + decode(year), decode(month), decode(day));
    (((days * 24 + hours) * 60 + decode(minute)) * 60 + decode(second)) * 1_000_000_000
}

/// Days from 1970-01-01 to a Gregorian date; the year begins in March so that leap days come last.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    const DAYS_BEFORE_1970: u64 = 719_469;
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    (year * 365 + leap_days + (month * 153 + 2) / 5 + day).saturating_sub(DAYS_BEFORE_1970)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let seconds = |reading| nanoseconds(reading) / 1_000_000_000;
        // 2026-11-23 14:58:07, in both number formats.
        assert_eq!(seconds([0x07, 0x58, 0x14, 0x23, 0x11, 0x26, 2]), 1_795_445_887);
        assert_eq!(seconds([7, 58, 14, 23, 11, 26, 6]), 1_795_445_887);
        // The same afternoon, and midnight, on a clock of 12 hours.
        assert_eq!(seconds([0x07, 0x58, 0x82, 0x23, 0x11, 0x26, 0]), 1_795_445_887);
        assert_eq!(seconds([0, 0, 0x12, 0x01, 0x01, 0x00, 0]), 946_684_800);
        // A leap day and the day after.
        assert_eq!(seconds([0, 0, 0, 0x01, 0x03, 0x24, 2]) - seconds([0, 0, 0, 0x29, 0x02, 0x24, 2]), 86_400);
    }

    #[test]
    fn nonsense_is_some_time() {
        for byte in 0..=255 {
            let _ = nanoseconds([byte; 7]);
        }
    }
}
