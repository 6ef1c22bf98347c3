// SPDX-License-Identifier: MIT OR Apache-2.0
//! Time: the TSC, its frequency, and the wall clock at boot.

use core::sync::atomic::{AtomicU64, Ordering};

use raw_cpuid::CpuId;

use crate::cpu::port;

static TSC_KHZ: AtomicU64 = AtomicU64::new(0);

/// Returns the time stamp counter.
#[inline]
pub fn now() -> u64 {
    // SAFETY: every processor that passed the entry code has RDTSC, and CR4.TSD does not matter at CPL 0.
    unsafe { x86::time::rdtsc() }
}

/// Returns the TSC frequency in kHz.
#[inline]
pub fn tsc_khz() -> u64 {
    TSC_KHZ.load(Ordering::Relaxed)
}

/// Waits.
pub fn delay_us(microseconds: u64) {
    let end = now() + microseconds * tsc_khz() / 1000;
    while now() < end {
        core::hint::spin_loop();
    }
}

/// Finds the TSC's frequency: CPUID leaf 15h where it is complete, else against the PIT.
pub fn calibrate() {
    let by_cpuid = CpuId::new().get_tsc_info().and_then(|information| information.tsc_frequency());
    let khz = match by_cpuid {
        Some(hertz) if hertz > 0 => hertz / 1000,
        _ => measure_with_pit(),
    };
    TSC_KHZ.store(khz.max(1), Ordering::Relaxed);
}

/// Counts TSC ticks while channel 2 of the PIT counts down.
fn measure_with_pit() -> u64 {
    const PIT_HERTZ: u64 = 1_193_182;
    const GATE: u16 = 0x61;
    const CHANNEL_2: u16 = 0x42;
    const COMMAND: u16 = 0x43;
    const SAMPLE_MS: u64 = 20;
    const COUNT: u64 = PIT_HERTZ * SAMPLE_MS / 1000;
    let gate = port::read_u8(GATE);
    // Gate on, speaker off.
    port::write_u8(GATE, gate & !2 | 1);
    // Channel 2, both bytes, mode 0: output rises when the count ends.
    port::write_u8(COMMAND, 0xb0);
    port::write_u8(CHANNEL_2, COUNT as u8);
    port::write_u8(CHANNEL_2, (COUNT >> 8) as u8);
    let start = now();
    let mut polls: u32 = 0;
    // Bounded: a machine without a PIT must not hang here.
    while port::read_u8(GATE) & 0x20 == 0 && polls < 50_000_000 {
        polls += 1;
    }
    let elapsed = now() - start;
    port::write_u8(GATE, gate);
    elapsed * PIT_HERTZ / COUNT / 1000
}

/// Reads the real-time clock: ns since 1970, taken as UTC.
pub fn wall_clock_ns() -> u64 {
    // Two equal readings, so that no update falls between the registers.
    let mut last = read_clock();
    for _ in 0..1000 {
        let again = read_clock();
        if again == last {
            break;
        }
        last = again;
    }
    let [second, minute, hour, day, month, year, status] = last;
    let is_binary = status & 4 != 0;
    let decode = |value: u8| u64::from(if is_binary { value } else { (value >> 4) * 10 + (value & 15) });
    let mut hours = decode(hour & 0x7f);
    if status & 2 == 0 {
        hours = hours % 12 + if hour & 0x80 != 0 { 12 } else { 0 };
    }
    let days = days_since_1970(2000 + decode(year), decode(month), decode(day));
    (((days * 24 + hours) * 60 + decode(minute)) * 60 + decode(second)) * 1_000_000_000
}

fn read_clock() -> [u8; 7] {
    let register = |index: u8| {
        port::write_u8(0x70, index | 0x80);
        port::read_u8(0x71)
    };
    for _ in 0..1_000_000 {
        if register(0x0a) & 0x80 == 0 {
            break;
        }
    }
    [register(0), register(2), register(4), register(7), register(8), register(9), register(0x0b)]
}

/// Days from 1970-01-01 to a Gregorian date; the year begins in March so that leap days come last.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    const DAYS_BEFORE_1970: u64 = 719_469;
    (year * 365 + leap_days + (month * 153 + 2) / 5 + day).saturating_sub(DAYS_BEFORE_1970)
}
