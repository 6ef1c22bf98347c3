// SPDX-License-Identifier: MIT OR Apache-2.0
//! Time: the TSC and its frequency.

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
