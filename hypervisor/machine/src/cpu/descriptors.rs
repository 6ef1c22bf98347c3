// SPDX-License-Identifier: MIT OR Apache-2.0
//! GDT, TSS and IDT of root mode.

use core::cell::UnsafeCell;
use core::mem::size_of;

use x86::bits64::task::TaskStateSegment;
use x86::dtables::{self, DescriptorTablePointer};

use super::{area, exceptions, msr};

/// Selector of 64-bit code.
pub const CODE: u16 = 8;
/// Selector of data.
pub const DATA: u16 = 16;
/// Selector of the task state.
pub const TASK: u16 = 24;

/// Interrupt stack of #DF, NMI and #MC (IST index, from 1).
const STACK_DOUBLE_FAULT: u8 = 1;
const STACK_NMI: u8 = 2;
const STACK_MACHINE_CHECK: u8 = 3;

/// Global descriptor table of a CPU.
#[repr(C, align(16))]
pub struct Gdt([u64; 6]);

/// Gate of the interrupt descriptor table.
#[repr(C)]
#[derive(Clone, Copy)]
struct Gate {
    low: u64,
    high: u64,
}

impl Gate {
    fn new(handler: u64, stack: u8) -> Gate {
        const PRESENT_INTERRUPT_GATE: u64 = 0x8e00;
        Gate {
            low: handler & 0xffff
                | u64::from(CODE) << 16
                | u64::from(stack) << 32
                | PRESENT_INTERRUPT_GATE << 32
                | (handler >> 16 & 0xffff) << 48,
            high: handler >> 32,
        }
    }
}

#[repr(C, align(16))]
struct Idt(UnsafeCell<[Gate; 256]>);

// SAFETY: written once by the boot CPU before others run (`initialize`), read by processors only.
unsafe impl Sync for Idt {}

static IDT: Idt = Idt(UnsafeCell::new([Gate { low: 0, high: 0 }; 256]));

/// Fills the interrupt descriptor table, which all CPUs share. Boot CPU, once.
pub fn initialize() {
    for vector in 0..=255u8 {
        let stack = match vector {
            2 => STACK_NMI,
            8 => STACK_DOUBLE_FAULT,
            18 => STACK_MACHINE_CHECK,
            _ => 0,
        };
        let gate = Gate::new(exceptions::stub(vector), stack);
        // SAFETY: only the boot CPU runs and no interrupt is on, so nobody else looks at the table.
        unsafe { (*IDT.0.get())[usize::from(vector)] = gate };
    }
}

/// Loads this CPU's tables and its GS base.
pub fn load(index: usize) {
    let (gdt, tss) = area::tables(index);
    let base = tss as u64;
    let low = 103 | (base & 0xff_ffff) << 16 | 0x89 << 40 | (base >> 24 & 0xff) << 56;
    for stack in 0..3 {
        // SAFETY: the area belongs to CPU `index`, which is this one; its task register is not loaded yet.
        unsafe { (*tss).ist[stack] = area::interrupt_stack_top(index, stack) };
    }
    // SAFETY: as above.
    unsafe { (*tss).iomap_base = size_of::<TaskStateSegment>() as u16 };
    // Null, code, data, task state (two slots).
    let content = Gdt([0, 0x00af_9b00_0000_ffff, 0x00cf_9300_0000_ffff, low, base >> 32, 0]);
    // SAFETY: as above; the table is not loaded yet.
    unsafe { gdt.write(content) };
    let pointer = DescriptorTablePointer { limit: (size_of::<Gdt>() - 1) as u16, base: gdt.cast::<u64>().cast_const() };
    // SAFETY: the table is complete, static, and has the selectors that are in use (code 8, data 16).
    unsafe { dtables::lgdt(&pointer) };
    let pointer = DescriptorTablePointer { limit: 4095, base: IDT.0.get().cast::<u64>().cast_const() };
    // SAFETY: the table is static and complete.
    unsafe { dtables::lidt(&pointer) };
    // SAFETY: selector 24 names an available 64-bit TSS in the table just loaded.
    unsafe { x86::task::load_tr(x86::segmentation::SegmentSelector::from_raw(TASK)) };
    reload_segments();
    let cpu = area::of(index);
    let this = core::ptr::from_ref(cpu) as u64;
    cpu.this.store(this, core::sync::atomic::Ordering::Relaxed);
    cpu.index.store(index as u32, core::sync::atomic::Ordering::Relaxed);
    cpu.loaded_state.store((&raw const cpu.no_state).cast_mut(), core::sync::atomic::Ordering::Relaxed);
    msr::write(x86::msr::IA32_GS_BASE, this);
}

fn reload_segments() {
    // SAFETY: both selectors exist in the table just loaded and mean what they meant before; the far return
    // goes to the next instruction.
    unsafe {
        core::arch::asm!(
            "mov ds, {data:x}", "mov es, {data:x}", "mov ss, {data:x}",
            "push {code}", "lea {scratch}, [rip + 2f]", "push {scratch}", "retfq", "2:",
            data = in(reg) u32::from(DATA), code = in(reg) u64::from(CODE), scratch = out(reg) _,
        );
    }
}

/// Returns the bases of this CPU's GDT and TSS and of the IDT: what a VM exit restores.
pub fn bases(index: usize) -> (u64, u64, u64) {
    let (gdt, tss) = area::tables(index);
    (gdt as u64, tss as u64, IDT.0.get() as u64)
}
