// SPDX-License-Identifier: MIT OR Apache-2.0
//! The local APIC: x2APIC by MSRs where there is one, else by memory.
//!
//! Own code rather than the `x2apic` crate: that one picks the mode itself,
//! leaves LINT0/1 unmasked and the timer running (PACKAGES.md, bugs 1 and 2).

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use sawmill_logic::platform::Tsc;
use x86::msr::{IA32_APIC_BASE, IA32_TSC_DEADLINE};

use super::{SPURIOUS_VECTOR, TIMER_VECTOR};
use crate::{cpu::area::Cpu, cpu::msr, time};

const BASE: u64 = 0xfee0_0000;
const X2APIC_MSRS: u32 = 0x800;

// SDM Vol. 3A, "Local APIC Register Address Map": offset / 16.
const ID: u32 = 0x02;
const TASK_PRIORITY: u32 = 0x08;
const END_OF_INTERRUPT: u32 = 0x0b;
const SPURIOUS: u32 = 0x0f;
const COMMAND_LOW: u32 = 0x30;
const COMMAND_HIGH: u32 = 0x31;
const LVT_TIMER: u32 = 0x32;
const LVT_LINT0: u32 = 0x35;
const LVT_LINT1: u32 = 0x36;
const LVT_ERROR: u32 = 0x37;
const TIMER_INITIAL: u32 = 0x38;
const TIMER_CURRENT: u32 = 0x39;
const TIMER_DIVIDE: u32 = 0x3e;

const MASKED: u32 = 1 << 16;
const DELIVERY_NMI: u32 = 4 << 8;
const DELIVERY_INIT: u32 = 5 << 8;
const DELIVERY_STARTUP: u32 = 6 << 8;
const LEVEL_ASSERT: u32 = 1 << 14;
const ALL_BUT_SELF: u32 = 3 << 18;
const PENDING: u32 = 1 << 12;
const TIMER_TSC_DEADLINE: u32 = 2 << 17;
const DIVIDE_BY_1: u32 = 0xb;

static IS_X2APIC: AtomicBool = AtomicBool::new(false);
static HAS_DEADLINE: AtomicBool = AtomicBool::new(false);
/// APIC timer ticks per ms, where there is no TSC deadline.
static TICKS_PER_MS: AtomicU32 = AtomicU32::new(0);

fn register(index: u32) -> *mut u32 {
    (BASE + u64::from(index) * 16) as *mut u32
}

fn read(index: u32) -> u32 {
    if IS_X2APIC.load(Ordering::Relaxed) {
        msr::read(X2APIC_MSRS + index) as u32
    } else {
        // SAFETY: the page at the APIC base is identity mapped uncached, and `initialize` checked that it is there.
        unsafe { register(index).read_volatile() }
    }
}

fn write(index: u32, value: u32) {
    if IS_X2APIC.load(Ordering::Relaxed) {
        msr::write(X2APIC_MSRS + index, u64::from(value));
    } else {
        // SAFETY: as for `read`.
        unsafe { register(index).write_volatile(value) };
    }
}

/// Decides the mode for all CPUs. Boot CPU, once.
pub fn select(has_x2apic: bool, has_deadline: bool) {
    IS_X2APIC.store(has_x2apic, Ordering::Relaxed);
    HAS_DEADLINE.store(has_deadline, Ordering::Relaxed);
}

/// Whether the x2APIC is used.
pub fn is_x2apic() -> bool {
    IS_X2APIC.load(Ordering::Relaxed)
}

/// Enables this CPU's APIC with everything masked but NMI; returns its ID.
pub fn initialize() -> u32 {
    const ENABLED: u64 = 1 << 11;
    const EXTENDED: u64 = 1 << 10;
    let flags = msr::read(IA32_APIC_BASE) & 0xfff;
    msr::write(IA32_APIC_BASE, BASE | flags | ENABLED);
    if is_x2apic() {
        msr::write(IA32_APIC_BASE, BASE | flags | ENABLED | EXTENDED);
    }
    // Enabled first: while it is not, the LVT entries are forced to be masked.
    write(SPURIOUS, 1 << 8 | u32::from(SPURIOUS_VECTOR));
    write(TASK_PRIORITY, 0);
    write(LVT_LINT0, MASKED);
    write(LVT_LINT1, DELIVERY_NMI);
    write(LVT_ERROR, MASKED);
    let mode = if HAS_DEADLINE.load(Ordering::Relaxed) { TIMER_TSC_DEADLINE } else { 0 };
    write(TIMER_DIVIDE, DIVIDE_BY_1);
    write(LVT_TIMER, mode | u32::from(TIMER_VECTOR));
    if is_x2apic() { read(ID) } else { read(ID) >> 24 }
}

/// Measures the timer's rate where it does not follow the TSC. Boot CPU, after the TSC is calibrated.
pub fn calibrate() {
    if HAS_DEADLINE.load(Ordering::Relaxed) {
        return;
    }
    const SAMPLE_MS: u64 = 10;
    write(LVT_TIMER, MASKED | u32::from(TIMER_VECTOR));
    write(TIMER_INITIAL, u32::MAX);
    time::delay_us(SAMPLE_MS * 1000);
    let elapsed = u32::MAX - read(TIMER_CURRENT);
    write(TIMER_INITIAL, 0);
    write(LVT_TIMER, u32::from(TIMER_VECTOR));
    TICKS_PER_MS.store((elapsed / SAMPLE_MS as u32).max(1), Ordering::Relaxed);
}

/// Arms this CPU's timer, or disarms it for a moment that never comes.
///
/// A deadline that passed already interrupts at once.
#[cold]
#[inline(never)]
pub fn arm(cpu: &Cpu, deadline: Tsc) {
    cpu.armed_deadline.store(deadline.0, Ordering::Relaxed);
    if deadline == Tsc::NEVER {
        stop_timer();
    } else {
        set_timer(deadline.0);
    }
}

fn set_timer(deadline: u64) {
    if HAS_DEADLINE.load(Ordering::Relaxed) {
        msr::write(IA32_TSC_DEADLINE, deadline.max(1));
        return;
    }
    let ahead = deadline.saturating_sub(time::now());
    let ticks =
        u128::from(ahead) * u128::from(TICKS_PER_MS.load(Ordering::Relaxed)) / u128::from(time::tsc_khz().max(1));
    write(TIMER_INITIAL, u32::try_from(ticks).unwrap_or(u32::MAX).max(1));
}

fn stop_timer() {
    if HAS_DEADLINE.load(Ordering::Relaxed) {
        msr::write(IA32_TSC_DEADLINE, 0);
    } else {
        write(TIMER_INITIAL, 0);
    }
}

/// Ends the interrupt in service.
#[inline]
pub fn end_of_interrupt() {
    write(END_OF_INTERRUPT, 0);
}

fn send(apic_id: u32, command: u32) {
    if is_x2apic() {
        msr::write(X2APIC_MSRS + COMMAND_LOW, u64::from(apic_id) << 32 | u64::from(command));
        return;
    }
    while read(COMMAND_LOW) & PENDING != 0 {
        core::hint::spin_loop();
    }
    write(COMMAND_HIGH, apic_id << 24);
    write(COMMAND_LOW, command);
}

/// Sends a fixed interrupt to a CPU.
pub fn send_interrupt(apic_id: u32, vector: u8) {
    // In x2APIC mode the MSR write is not ordered after earlier stores by itself (SDM, "MSR Access in x2APIC Mode").
    core::sync::atomic::fence(Ordering::SeqCst);
    send(apic_id, LEVEL_ASSERT | u32::from(vector));
}

/// Sends an NMI to all other CPUs.
pub fn send_nmi_to_others() {
    send(0, ALL_BUT_SELF | DELIVERY_NMI | LEVEL_ASSERT);
}

/// Resets a CPU to its wait-for-start-up state.
pub fn send_init(apic_id: u32) {
    send(apic_id, DELIVERY_INIT | LEVEL_ASSERT);
}

/// Starts a CPU in real mode at a page below 1 MiB.
pub fn send_startup(apic_id: u32, page: u8) {
    send(apic_id, DELIVERY_STARTUP | LEVEL_ASSERT | u32::from(page));
}
