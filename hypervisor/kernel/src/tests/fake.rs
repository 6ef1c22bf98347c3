// SPDX-License-Identifier: MIT OR Apache-2.0
//! A machine in memory, with vCPUs that follow a script.

use sawmill_logic::fake::Memory;
use sawmill_logic::platform::{
    CpuIndex, EntryState, Exit, HardwareError, Hpa, PhysicalMemory, PinMode, Platform, Registers, Tsc, VcpuHardware,
};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// What a scripted vCPU does in one entry.
pub type Step = Box<dyn FnOnce(&mut Registers) -> Exit + Send>;

/// What a scripted vCPU does when its steps are used up.
pub type Habit = Box<dyn FnMut(&mut Registers) -> Exit + Send>;

/// What a test sees of a vCPU.
#[derive(Default)]
pub struct Script {
    pub steps: VecDeque<Step>,
    pub habit: Option<Habit>,
    /// Registers at each entry.
    pub entries: Vec<Registers>,
    pub injected: Vec<u8>,
    pub is_interruptible: bool,
    pub has_window: bool,
    pub faults: usize,
    pub is_retired: bool,
    pub level: u8,
    pub deadline: Tsc,
    pub started: Option<EntryState>,
}

/// What vCPUs share with the machine.
#[derive(Default)]
pub struct Guests {
    pub now: AtomicU64,
    pub scripts: Mutex<BTreeMap<u16, Script>>,
    pub kicked: [AtomicBool; 8],
}

impl Guests {
    pub fn script<T>(&self, vpid: u16, with: impl FnOnce(&mut Script) -> T) -> T {
        with(self.scripts.lock().unwrap().entry(vpid).or_default())
    }
}

pub struct Fake {
    memory: Memory,
    pub guests: Arc<Guests>,
    pub console: Mutex<Vec<u8>>,
    pub input: Mutex<VecDeque<u8>>,
    pub invalidated: Mutex<Vec<Hpa>>,
    pub masked: Mutex<BTreeMap<u32, bool>>,
    /// Address of the function, offset, value.
    pub pci_writes: Mutex<Vec<(u16, u16, u32)>>,
    pub cpus: u32,
}

/// Physical memory of the fake machine: frames from 1 MiB on.
pub const MEMORY_START: u64 = 1 << 20;
pub const MEMORY_BYTES: u64 = 48 << 20;
/// Ticks that pass in each entry: more than a slice, so that equals take turns.
pub const ENTRY_TICKS: u64 = 6_000_000;

impl Fake {
    pub fn new(cpus: u32) -> &'static Fake {
        Box::leak(Box::new(Fake {
            memory: Memory::new(MEMORY_START..MEMORY_START + MEMORY_BYTES),
            guests: Arc::default(),
            console: Mutex::default(),
            input: Mutex::default(),
            invalidated: Mutex::default(),
            masked: Mutex::default(),
            pci_writes: Mutex::default(),
            cpus,
        }))
    }
}

impl PhysicalMemory for Fake {
    fn read_u64(&self, at: Hpa) -> u64 {
        self.memory.read_u64(at)
    }
    fn write_u64(&self, at: Hpa, value: u64) {
        self.memory.write_u64(at, value);
    }
    fn fetch_or_u64(&self, at: Hpa, bits: u64) -> u64 {
        self.memory.fetch_or_u64(at, bits)
    }
    fn swap_u64(&self, at: Hpa, value: u64) -> u64 {
        self.memory.swap_u64(at, value)
    }
    fn zero_page(&self, at: Hpa) {
        self.memory.zero_page(at);
    }
    fn copy_in(&self, from: Hpa, to: &mut [u8]) {
        self.memory.copy_in(from, to);
    }
    fn copy_out(&self, to: Hpa, from: &[u8]) {
        self.memory.copy_out(to, from);
    }
}

/// PCI functions: an IDE controller at 0:1.1, a network card at 0:3.0 with MSI, a memory BAR, and one in a page of the
/// other, and a controller at 0:4.0 with MSI-X for eight messages.
fn pci_space(address: u16) -> Option<[u32; 64]> {
    let mut space = [0u32; 64];
    match address {
        0x08 => {
            (space[0], space[2], space[3]) = (0x7000_8086, 0x0601_0000, 0x0080_0000);
        }
        0x09 => {
            (space[0], space[2], space[3]) = (0x7010_8086, 0x0101_8000, 0x0080_0000);
            space[8] = 0xc001;
            space[9] = 0xffff_f000;
        }
        0x18 => {
            (space[0], space[2], space[15]) = (0x100e_8086, 0x0200_0003, 0x010b);
            space[4] = 0xfebc_0000;
            // Less than a page (writes are ignored, so a register's size is what it lacks to 4 GiB).
            space[5] = 0xffff_fe00;
            space[13] = 0x40;
            space[16] = 0x0080_0005;
        }
        0x20 => {
            (space[0], space[2], space[15]) = (0x5845_8086, 0x0108_0202, 0x010b);
            space[4] = 0xfeb0_0000;
            space[13] = 0x40;
            // Firmware left all of it masked.
            space[16] = 0x4007_0011;
        }
        _ => return None,
    }
    Some(space)
}

impl Platform for Fake {
    type Vcpu = FakeVcpu;
    const VCPU_FRAMES: usize = 3;
    const FIRST_DEVICE_VECTOR: u8 = 0x30;
    const CONSOLE_VECTOR: u8 = 0x24;
    const CONSOLE_IRQ: u8 = 4;

    fn now(&self) -> Tsc {
        Tsc(self.guests.now.fetch_add(1, Ordering::SeqCst))
    }
    fn tsc_khz(&self) -> u64 {
        1_000_000
    }
    fn cpu_count(&self) -> u32 {
        self.cpus
    }
    fn create_vcpu(&self, cpu: CpuIndex, _: Hpa, vpid: u16, frames: &[Hpa]) -> Result<FakeVcpu, HardwareError> {
        assert_eq!(frames.len(), Self::VCPU_FRAMES);
        self.guests.scripts.lock().unwrap().insert(vpid, Script { is_interruptible: true, ..Script::default() });
        Ok(FakeVcpu { vpid, cpu: cpu.0 as usize, guests: self.guests.clone() })
    }
    fn kick(&self, cpu: CpuIndex) {
        self.guests.kicked[cpu.0 as usize].store(true, Ordering::SeqCst);
    }
    fn idle(&self, until: Tsc) -> Option<u8> {
        if until != Tsc::NEVER {
            self.guests.now.fetch_max(until.0, Ordering::SeqCst);
        }
        None
    }
    fn end_of_interrupt(&self) {}
    fn invalidate_ept(&self, ept_root: Hpa) {
        self.invalidated.lock().unwrap().push(ept_root);
    }
    fn cpuid(&self, leaf: u32, subleaf: u32) -> [u32; 4] {
        [leaf, subleaf, u32::MAX, u32::MAX]
    }
    fn misc_enable(&self) -> u64 {
        1
    }
    fn isa_pin(&self, irq: u8) -> (u32, PinMode) {
        (u32::from(irq), PinMode { is_level: false, is_active_low: false })
    }
    fn route_pin(&self, gsi: u32, _: u8, _: PinMode, _: CpuIndex) -> bool {
        gsi < 24
    }
    fn set_pin_masked(&self, gsi: u32, is_masked: bool) {
        self.masked.lock().unwrap().insert(gsi, is_masked);
    }
    fn message(&self, vector: u8, _: CpuIndex) -> (u64, u32) {
        (0xfee0_0000, u32::from(vector))
    }
    fn pci_read(&self, address: u16, offset: u16, width: u8) -> u32 {
        let word = pci_space(address).map_or(u32::MAX, |space| space[usize::from(offset / 4) % 64]);
        let shifted = word >> (offset % 4 * 8);
        if width == 4 { shifted } else { shifted & ((1 << (width * 8)) - 1) }
    }
    fn pci_write(&self, address: u16, offset: u16, _: u8, value: u32) {
        self.pci_writes.lock().unwrap().push((address, offset, value));
    }
    fn console_put(&self, bytes: &[u8]) {
        self.console.lock().unwrap().extend_from_slice(bytes);
    }
    fn console_get(&self) -> Option<u8> {
        self.input.lock().unwrap().pop_front()
    }
    fn shutdown(&self, kind: u64) -> ! {
        panic!("machine stopped: {kind}")
    }
}

pub struct FakeVcpu {
    vpid: u16,
    cpu: usize,
    guests: Arc<Guests>,
}

impl FakeVcpu {
    fn script<T>(&self, with: impl FnOnce(&mut Script) -> T) -> T {
        self.guests.script(self.vpid, with)
    }
}

impl VcpuHardware for FakeVcpu {
    fn start(&mut self, state: EntryState) {
        self.script(|script| script.started = Some(state));
    }
    fn enter(&mut self, registers: &mut Registers, deadline: Tsc) -> Exit {
        self.guests.now.fetch_add(ENTRY_TICKS, Ordering::SeqCst);
        let is_kicked = self.guests.kicked[self.cpu].swap(false, Ordering::SeqCst);
        let step = self.script(|script| {
            assert!(!script.is_retired, "a retired vCPU is entered");
            script.deadline = deadline;
            if let (Some(habit), true) = (&mut script.habit, script.steps.is_empty()) {
                return Err(if is_kicked { Exit::Kicked } else { habit(registers) });
            }
            script.entries.push(*registers);
            Ok(script.steps.pop_front())
        });
        match step {
            Ok(step) => step.map_or(Exit::Kicked, |step| step(registers)),
            Err(exit) => exit,
        }
    }
    fn privilege_level(&self) -> u8 {
        self.script(|script| script.level)
    }
    fn rip(&self) -> u64 {
        0x1234
    }
    fn advance(&mut self) {}
    fn can_take_interrupt(&self) -> bool {
        self.script(|script| script.is_interruptible)
    }
    fn inject_interrupt(&mut self, vector: u8) {
        self.script(|script| script.injected.push(vector));
    }
    fn inject_general_protection(&mut self) {
        self.script(|script| script.faults += 1);
    }
    fn set_interrupt_window(&mut self, is_wanted: bool) {
        self.script(|script| script.has_window = is_wanted);
    }
    fn cr4(&self) -> u64 {
        0
    }
    fn set_port_bitmaps(&mut self, _: [Hpa; 2]) {}
    fn retire(&mut self) {
        self.script(|script| script.is_retired = true);
    }
}
