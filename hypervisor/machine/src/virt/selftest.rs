// SPDX-License-Identifier: MIT OR Apache-2.0
//! A tiny guest that measures what a VM exit costs. Feature `selftest` only.
//!
//! Prints one line per figure and one sentinel line.

use core::sync::atomic::{AtomicU64, Ordering};

use sawmill_abi::{PAGE_SIZE, fault::FaultReason};
use sawmill_logic::platform::{
    CpuIndex, EntryState, Exit, FrameRange, Hpa, PhysicalMemory, Platform, Registers, Tsc, VcpuHardware,
};

use spin::Mutex;

use crate::boot::multiboot::Ranges;
use crate::virt::vmx::vcpu::Vcpu;
use crate::{MACHINE, log, time};

/// A vCPU for the second CPU, and how often it has left its guest.
static SECOND: Mutex<Option<Vcpu>> = Mutex::new(None);
static SECOND_EXITS: AtomicU64 = AtomicU64::new(0);

const LARGE_PAGE: u64 = 2 << 20;
const ROUNDS: u64 = 1000;

/// Where things are in the guest, which has 2 MiB at address 0.
const CODE: u64 = 0x1000;
const PAGE_ROOT: u64 = 0x2000;

/// loop: vmcall; jmp loop
const CALL_LOOP: u64 = 0xfbeb_c101_0f;
/// wrmsr; rdmsr; vmcall
const MSR_ACCESS: u64 = 0xc1_010f_320f_300f;

fn program(words: &[u8], memory: u64) {
    MACHINE.copy_out(Hpa(memory + CODE), words);
}

struct Bench {
    memory: u64,
    frames: Ranges,
    ept_root: Hpa,
}

impl Bench {
    fn frame(&mut self) -> Hpa {
        let range = self.frames.iter_mut().find(|range| range.pages > 0).expect("the selftest has memory");
        range.pages -= 1;
        let frame = Hpa(range.start.0 + range.pages * PAGE_SIZE);
        MACHINE.zero_page(frame);
        frame
    }

    fn vcpu(&mut self, vpid: u16) -> Vcpu {
        self.vcpu_on(CpuIndex(0), vpid)
    }

    fn vcpu_on(&mut self, cpu: CpuIndex, vpid: u16) -> Vcpu {
        let frames = [self.frame(), self.frame()];
        let mut vcpu = Vcpu::new(cpu, self.ept_root, vpid, &frames).expect("VT-x is initialized");
        vcpu.start(EntryState { rip: CODE, rsp: 0x8000, cr3: PAGE_ROOT });
        vcpu
    }
}

fn prepare(free: &Ranges) -> Bench {
    let mut frames = free.clone();
    let range = frames.iter_mut().max_by_key(|range| range.pages).expect("there is memory");
    let memory = range.start.0.next_multiple_of(LARGE_PAGE);
    let end = range.start.0 + range.pages * PAGE_SIZE;
    *range = FrameRange { start: Hpa(memory + LARGE_PAGE), pages: (end - memory - LARGE_PAGE) / PAGE_SIZE };
    for page in 0..8 {
        MACHINE.zero_page(Hpa(memory + page * PAGE_SIZE));
    }
    let mut bench = Bench { memory, frames, ept_root: Hpa(0) };
    // Guest page tables: 2 MiB at 0.
    MACHINE.write_u64(Hpa(memory + PAGE_ROOT), 0x3007);
    MACHINE.write_u64(Hpa(memory + 0x3000), 0x4007);
    MACHINE.write_u64(Hpa(memory + 0x4000), 0x87);
    // EPT: the same 2 MiB, all rights, write-back.
    let (root, pointers, directory) = (bench.frame(), bench.frame(), bench.frame());
    MACHINE.write_u64(root, pointers.0 | 7);
    MACHINE.write_u64(pointers, directory.0 | 7);
    MACHINE.write_u64(directory, memory | 7 | 6 << 3 | 1 << 7);
    bench.ept_root = root;
    bench
}

fn overflow_stack(depth: u64) -> u64 {
    let frame = core::hint::black_box([depth; 64]);
    if depth == 0 { 0 } else { overflow_stack(depth + 1) + frame[0] }
}

fn expect(what: &str, exit: Exit, wanted: Exit) {
    if exit != wanted {
        log!("SELFTEST-FAILED {what}: {exit:x?}");
    }
}

fn measure(what: &str, mut step: impl FnMut()) {
    step();
    let start = time::now();
    for _ in 0..ROUNDS {
        step();
    }
    log!("selftest: {what}: {} instructions", (time::now() - start) / ROUNDS);
}

/// Runs what the test has for the second CPU, if there is anything: a guest without an end.
pub fn run_second() {
    let Some(mut vcpu) = SECOND.lock().take() else { return };
    let mut registers = Registers::default();
    loop {
        let exit = vcpu.enter(&mut registers, Tsc(time::now() + 1_000_000));
        log!("selftest: the second CPU goes on: {exit:?}");
        SECOND_EXITS.fetch_add(1, Ordering::Relaxed);
    }
}

/// Runs the test; afterwards crashes in the way asked for, to show what an epitaph looks like.
pub fn run(free: &Ranges, crash: Option<&str>) {
    let mut bench = prepare(free);
    program(&CALL_LOOP.to_le_bytes(), bench.memory);
    let (mut registers, mut other) = (Registers::default(), Registers::default());
    let mut vcpu = bench.vcpu(1);
    let exit = vcpu.enter(&mut registers, Tsc::NEVER);
    expect("first entry", exit, Exit::Hypercall);
    measure("VMCALL, advance, enter", || {
        vcpu.advance();
        let _ = vcpu.enter(&mut registers, Tsc::NEVER);
    });
    let far = Tsc(time::now() + (1 << 40));
    measure("the same with a deadline", || {
        vcpu.advance();
        let _ = vcpu.enter(&mut registers, far);
    });
    let mut second = bench.vcpu(2);
    expect("second vCPU", second.enter(&mut other, Tsc::NEVER), Exit::Hypercall);
    measure("two vCPUs in turn, per pair", || {
        vcpu.advance();
        let _ = vcpu.enter(&mut registers, Tsc::NEVER);
        second.advance();
        let _ = second.enter(&mut other, Tsc::NEVER);
    });
    let mut vcpus = [bench.vcpu(3), bench.vcpu(4)];
    // CR4.OSFXSR is off at the start, so SSE is undefined: use x87 instead (fninit).
    program(&[0xdb, 0xe3, 0x90, 0x90, 0x0f, 0x01, 0xc1, 0xeb, 0xf7], bench.memory);
    measure("two vCPUs that use the FPU in turn, per pair", || {
        for vcpu in &mut vcpus {
            let exit = vcpu.enter(&mut registers, Tsc::NEVER);
            expect("FPU", exit, Exit::Hypercall);
            vcpu.advance();
        }
    });
    let mut vcpu = bench.vcpu(5);
    program(&MSR_ACCESS.to_le_bytes(), bench.memory);
    registers = Registers { rcx: 0xc000_0082, rax: 0x1234, rdx: 0xffff_8000, ..Registers::default() };
    expect("MSR access", vcpu.enter(&mut registers, Tsc::NEVER), Exit::Hypercall);
    if (registers.rax, registers.rdx) != (0x1234, 0xffff_8000) {
        log!("SELFTEST-FAILED LSTAR reads back {:#x} {:#x}", registers.rdx, registers.rax);
    }
    log!("selftest: MSRs done");
    // jmp to itself: only the timer gets out.
    let mut vcpu = bench.vcpu(6);
    program(&[0xeb, 0xfe], bench.memory);
    let start = time::now();
    expect("timer", vcpu.enter(&mut registers, Tsc(start + 100_000)), Exit::DeadlineReached);
    log!("selftest: deadline 100000 ticks ahead, reached after {}", time::now() - start);
    // An interrupt without an IDT ends in a triple fault; a bad state in an entry failure.
    vcpu.inject_interrupt(0xf3);
    expect(
        "injection while interrupts are off",
        vcpu.enter(&mut registers, Tsc::NEVER),
        Exit::Fault { reason: FaultReason::EntryFailure, qualification: 0, address: 0x8000_0021 },
    );
    let mut vcpu = bench.vcpu(7);
    program(&[0x0f, 0xff], bench.memory);
    let triple_fault = Exit::Fault { reason: FaultReason::TripleFault, qualification: 0, address: 0 };
    expect("undefined instruction without an IDT", vcpu.enter(&mut registers, Tsc::NEVER), triple_fault);
    let mut vcpu = bench.vcpu(8);
    program(&[0xa0, 0, 0, 0x20, 0, 0, 0, 0, 0], bench.memory);
    let _ = vcpu.enter(&mut registers, Tsc::NEVER);
    let start = time::now();
    let vector = MACHINE.idle(Tsc(start + 200_000));
    log!("selftest: idle for 200000 ticks took {} (vector {vector:?})", time::now() - start);
    MACHINE.kick(CpuIndex(0));
    let _ = MACHINE.idle(Tsc(time::now() + 100_000_000));
    vcpu.retire();
    log!("SELFTEST-END");
    match crash {
        // SAFETY: raises #UD, whose handler does not return.
        Some("undefined") => unsafe { core::arch::asm!("ud2") },
        Some("stack") => log!("{}", overflow_stack(1)),
        Some("second") => {
            program(&[0xeb, 0xfe], bench.memory);
            *SECOND.lock() = Some(bench.vcpu_on(CpuIndex(1), 9));
            while SECOND_EXITS.load(Ordering::Relaxed) < 3 {
                core::hint::spin_loop();
            }
            panic!("the selftest was asked to panic");
        }
        Some("panic") => panic!("the selftest was asked to panic"),
        _ => {}
    }
}
