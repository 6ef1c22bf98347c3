// SPDX-License-Identifier: MIT OR Apache-2.0
//! What each CPU has for itself, found by GS base in root mode.
//!
//! Key type [`Cpu`]. All fields are written by their own CPU only, with
//! interrupts off; atomics let others read them.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64};

use super::{CPUS_MAX, descriptors::Gdt};
use crate::virt::vmx::switch::State;
use x86::bits64::task::TaskStateSegment;

/// Size of a CPU's stack.
pub const STACK_SIZE: usize = 28 * 1024;
const INTERRUPT_STACK_SIZE: usize = 4096;

/// In `Cpu::current_vmcs`: selected, but not to be entered without a switch.
pub const ONLY_SELECTED: u64 = 1;

/// A CPU's own variables.
#[repr(C)]
pub struct Cpu {
    /// Address of this structure: what `gs:[0]` reads.
    pub this: AtomicU64,
    /// Root mode's stack pointer while a guest runs. See `virt/vmx/entry.S`.
    pub root_stack: AtomicU64,
    /// Scratch word and pointer to the guest's registers: the stack that a VM exit lands on.
    pub exit_frame: [AtomicU64; 2],
    /// Its index.
    pub index: AtomicU32,
    /// Its local APIC's ID.
    pub apic_id: AtomicU32,
    /// Vectors that arrived in `idle`, one bit each.
    pub pending: [AtomicU64; 4],
    /// VMCS that field accesses mean here; 0 = none. Plus [`ONLY_SELECTED`] while its vCPU's other registers are not
    /// loaded, so that it cannot be entered at once.
    pub current_vmcs: AtomicU64,
    /// What the timer is armed for; `u64::MAX` = off.
    pub armed_deadline: AtomicU64,
    /// State whose registers are loaded: a vCPU's, or `no_state`.
    pub loaded_state: AtomicPtr<State>,
    /// Stands in when no vCPU's registers are loaded.
    pub no_state: State,
    /// Counts changes of the two owners below: a vCPU that saw the same count has what it had.
    pub lazy_epoch: AtomicU64,
    /// State frame of the vCPU whose FPU registers are loaded; 0 = none.
    pub extended_state_owner: AtomicU64,
    /// State frame of the vCPU whose system-call MSRs are loaded; 0 = none.
    pub system_call_owner: AtomicU64,
    /// Has reached the kernel.
    pub is_up: AtomicBool,
}

/// Everything that belongs to one CPU.
#[repr(C, align(4096))]
struct Area {
    /// Not mapped: a stack overflow becomes a double fault on its own stack.
    guard: UnsafeCell<[u8; 4096]>,
    stack: UnsafeCell<[u8; STACK_SIZE]>,
    interrupt_stacks: UnsafeCell<[[u8; INTERRUPT_STACK_SIZE]; 3]>,
    vmxon: UnsafeCell<[u8; 4096]>,
    cpu: Cpu,
    gdt: UnsafeCell<Gdt>,
    tss: UnsafeCell<TaskStateSegment>,
}

struct Areas([Area; CPUS_MAX]);

// SAFETY: the cells are stacks and descriptor tables, touched by the processor and, before it runs, by `descriptors::load`.
unsafe impl Sync for Areas {}

// SAFETY: all zeros is a value of all of it: integers, atomic ones, and pointers that `descriptors::load` sets.
static AREAS: Areas = unsafe { core::mem::zeroed() };

/// Returns the variables of a CPU; `index` is taken modulo the number of areas.
pub fn of(index: usize) -> &'static Cpu {
    &AREAS.0[index % CPUS_MAX].cpu
}

/// Returns the variables of the CPU that runs this.
#[inline]
pub fn current() -> &'static Cpu {
    let this: *const Cpu;
    // SAFETY: GS base points to this CPU's `Cpu`, whose first field is its own address (`descriptors::load`, and
    // HOST_GS_BASE after VM exits).
    unsafe { core::arch::asm!("mov {}, gs:[0]", out(reg) this, options(nostack, readonly, preserves_flags)) };
    // SAFETY: it points into the static `AREAS`; all fields are atomics.
    unsafe { &*this }
}

/// Returns the top of a CPU's stack.
pub fn stack_top(index: usize) -> u64 {
    AREAS.0[index % CPUS_MAX].stack.get() as u64 + STACK_SIZE as u64
}

/// Returns the top of one of a CPU's three interrupt stacks.
pub fn interrupt_stack_top(index: usize, number: usize) -> u64 {
    AREAS.0[index % CPUS_MAX].interrupt_stacks.get() as u64 + ((number % 3 + 1) * INTERRUPT_STACK_SIZE) as u64
}

/// Returns a CPU's descriptor table and task state.
pub fn tables(index: usize) -> (*mut Gdt, *mut TaskStateSegment) {
    let area = &AREAS.0[index % CPUS_MAX];
    (area.gdt.get(), area.tss.get())
}

/// Returns the page that VMX operation of a CPU needs.
pub fn vmxon_region(index: usize) -> *mut u32 {
    AREAS.0[index % CPUS_MAX].vmxon.get().cast()
}

/// Whether an address is in one of the pages below the stacks.
pub fn is_guard_page(address: u64) -> bool {
    AREAS.0.iter().any(|area| area.guard.get() as u64 == address)
}
