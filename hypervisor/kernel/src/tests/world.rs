// SPDX-License-Identifier: MIT OR Apache-2.0
//! A booted kernel on the fake machine, and guests that make hypercalls on command.

use super::fake::{Fake, MEMORY_BYTES, MEMORY_START};
use crate::run::Kernel;
use crate::vcpu::Activity;
use sawmill_abi::fault::FAULT_TAG;
use sawmill_abi::hypercall::Hypercall;
use sawmill_abi::info::EVENT_PAGE_GPA;
use sawmill_abi::machine::FLAT_IMAGE_MAGIC;
use sawmill_abi::object::{RIGHT_ALL, SELECTOR_SELF};
use sawmill_abi::region::REGION_ALIGN_2M;
use sawmill_abi::status::Status;
use sawmill_logic::ept;
use sawmill_logic::platform::{
    BootInformation, BootModule, Exit, FrameRange, Gpa, Hpa, PhysicalMemory, Registers, Tsc,
};

/// VPID of root's vCPU.
pub const ROOT: u16 = 1;

pub struct World {
    pub machine: &'static Fake,
    pub kernel: &'static Kernel<Fake>,
}

/// A partition that a test made, with one vCPU that runs.
#[derive(Clone, Copy, Debug)]
pub struct Guest {
    pub id: u64,
    /// Root's selectors.
    pub partition: u64,
    pub memory: u64,
    pub vcpu: u64,
    pub vpid: u16,
}

/// What must be the same before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resources {
    kernel_frames: u64,
    region_pages: u64,
    root_kernel: u64,
    root_pages: u64,
    objects: [usize; 8],
}

fn padded<const N: usize>(name: &str) -> [u8; N] {
    let mut bytes = [0; N];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    bytes
}

impl World {
    pub fn new(cpus: u32) -> World {
        let machine = Fake::new(cpus);
        // The kernel is a static elsewhere; as a value it needs a large stack.
        let make = || -> &'static Kernel<Fake> { Box::leak(Box::new(Kernel::new(machine))) };
        let thread = std::thread::Builder::new().stack_size(64 << 20).spawn(make).unwrap();
        let kernel = thread.join().unwrap();
        let image = MEMORY_START + MEMORY_BYTES - 0x2000;
        let header = [FLAT_IMAGE_MAGIC, 0x10_0000, 0x10_0030, 0x10_1000, 0x20_0000, 0x20_0000];
        for (index, word) in header.into_iter().enumerate() {
            machine.write_u64(Hpa(image + index as u64 * 8), word);
        }
        let memory = [FrameRange { start: Hpa(MEMORY_START), pages: (MEMORY_BYTES - 0x2000) / 4096 }];
        let modules = [BootModule { name: padded("root"), start: Hpa(image), size_bytes: 0x1800 }];
        let information = BootInformation {
            memory: &memory,
            modules: &modules,
            command_line: b"console=plain",
            boot_tsc: Tsc(1),
            has_iommu: false,
        };
        kernel.boot(&information).unwrap();
        for (cpu, local) in kernel.locals.iter().enumerate() {
            local.lock().cpu = cpu;
        }
        let world = World { machine, kernel };
        world.turn(0);
        world
    }

    /// One round of a CPU.
    pub fn turn(&self, cpu: usize) {
        self.kernel.turn(&mut self.kernel.locals[cpu].lock());
        self.kernel.state.lock().settle(cpu);
        self.check();
    }

    pub fn turns(&self, cpu: usize, count: usize) {
        for _ in 0..count {
            self.turn(cpu);
        }
    }

    pub fn entries(&self, vpid: u16) -> usize {
        self.machine.guests.script(vpid, |script| script.entries.len())
    }

    pub fn last_entry(&self, vpid: u16) -> Registers {
        self.machine.guests.script(vpid, |script| *script.entries.last().unwrap())
    }

    /// Lets a vCPU make an exit when it runs next.
    pub fn push(&self, vpid: u16, exit: Exit, registers: Option<Registers>) {
        self.machine.guests.script(vpid, |script| {
            script.steps.push_back(Box::new(move |mine| {
                if let Some(registers) = registers {
                    *mine = registers;
                }
                exit
            }));
        });
    }

    /// Lets a vCPU make a hypercall when it runs next.
    pub fn push_call(&self, vpid: u16, call: Hypercall, selector: u64, words: &[u64]) {
        let mut all = [0; 6];
        all[..words.len()].copy_from_slice(words);
        let [rdi, rsi, rdx, r10, r8, r9] = all;
        let registers =
            Registers { rax: call as u64, rbx: selector, rdi, rsi, rdx, r10, r8, r9, ..Registers::default() };
        self.push(vpid, Exit::Hypercall, Some(registers));
    }

    /// Runs a CPU until a vCPU has used up its script and runs again; none if it does not within a few rounds.
    pub fn result(&self, cpu: usize, vpid: u16) -> Option<Registers> {
        let mut seen = None;
        for _ in 0..40 {
            let (left, entries) = self.machine.guests.script(vpid, |script| (script.steps.len(), script.entries.len()));
            match seen {
                Some(before) if entries > before => return Some(self.last_entry(vpid)),
                None if left == 0 => seen = Some(entries),
                _ => {}
            }
            self.turn(cpu);
        }
        None
    }

    /// Makes a hypercall and returns its registers.
    pub fn call(&self, cpu: usize, vpid: u16, call: Hypercall, selector: u64, words: &[u64]) -> Option<Registers> {
        self.push_call(vpid, call, selector, words);
        self.result(cpu, vpid)
    }

    /// A hypercall of root that must come back.
    pub fn root(&self, call: Hypercall, selector: u64, words: &[u64]) -> Registers {
        let registers = self.call(0, ROOT, call, selector, words);
        registers.unwrap_or_else(|| panic!("{call:?} of root did not return"))
    }

    /// A hypercall of root that must succeed; returns its value.
    pub fn root_ok(&self, call: Hypercall, selector: u64, words: &[u64]) -> u64 {
        let registers = self.root(call, selector, words);
        assert_eq!(Status::from_raw(registers.rax), Some(Status::Ok), "{call:?} {words:?}");
        registers.rbx
    }

    /// Makes a partition with 2 MiB of memory and one vCPU that runs on a CPU.
    pub fn guest(&self, name: &str, cpu: u64, priority: u64) -> Guest {
        let words = u128::from_le_bytes(padded(name));
        let made =
            self.root(Hypercall::PartitionCreate, SELECTOR_SELF, &[words as u64, (words >> 64) as u64, 64, 1024]);
        assert_eq!(made.rax, 0);
        let (partition, id) = (made.rbx, made.rdi);
        let memory = self.root_ok(Hypercall::RegionCreate, SELECTOR_SELF, &[512, REGION_ALIGN_2M]);
        self.root_ok(Hypercall::RegionMap, memory, &[partition, 0, 0, 512, 7]);
        let vcpu = self.add_vcpu(partition, 0, cpu, priority);
        let vpid = self.vpid(id, 0);
        self.root_ok(Hypercall::VcpuStart, vcpu, &[0x1000, 0x2000, 0x3000, 0]);
        Guest { id, partition, memory, vcpu, vpid }
    }

    pub fn add_vcpu(&self, partition: u64, index: u64, cpu: u64, priority: u64) -> u64 {
        let page = EVENT_PAGE_GPA + index * 4096;
        self.root_ok(Hypercall::VcpuCreate, partition, &[index, cpu, priority, page])
    }

    pub fn vpid(&self, id: u64, index: usize) -> u16 {
        let state = self.kernel.state.lock();
        let partition = state.partitions.find_from(id as usize - 1, |_| true).unwrap();
        state.partitions.get(partition).unwrap().vcpu(index).unwrap().index() as u16 + 1
    }

    /// Gives a guest a copy of one of root's capabilities.
    pub fn give(&self, selector: u64, to: Guest, rights: u64, badge: u64) -> u64 {
        self.root_ok(Hypercall::CapabilityCopy, selector, &[to.partition, 0, rights, badge])
    }

    /// A portal into a guest, for another guest.
    pub fn connect(&self, server: Guest, client: Guest, budget_ns: u64, badge: u64) -> u64 {
        let portal = self.root_ok(Hypercall::PortalCreate, server.partition, &[budget_ns]);
        self.give(portal, client, RIGHT_ALL, badge)
    }

    /// Lets root wait until it is woken, so that others run.
    pub fn park_root(&self) {
        self.push_call(ROOT, Hypercall::VcpuWait, 0, &[]);
        while self.activity(ROOT) != Activity::Waiting {
            self.turn(0);
        }
    }

    /// Sets an event bit of a vCPU as a device would.
    pub fn signal(&self, vpid: u16, bit: u64) {
        let mut state = self.kernel.state.lock();
        let vcpu = state.vcpus.find_from(usize::from(vpid) - 1, |_| true).unwrap();
        state.signal(vcpu, bit);
    }

    /// Wakes root from `park_root`, and takes the event as its guest would.
    pub fn wake_root(&self) {
        self.signal(ROOT, 255);
        self.clear_events(ROOT);
    }

    /// Takes all events of a vCPU as its guest would.
    pub fn clear_events(&self, vpid: u16) {
        let state = self.kernel.state.lock();
        let vcpu = state.vcpus.find_from(usize::from(vpid) - 1, |_| true).unwrap();
        let page = state.vcpus.get(vcpu).unwrap().event_page.unwrap();
        for word in 0..5 {
            self.machine.write_u64(Hpa(page.0 + word * 8), 0);
        }
    }

    pub fn activity(&self, vpid: u16) -> Activity {
        let state = self.kernel.state.lock();
        let vcpu = state.vcpus.find_from(usize::from(vpid) - 1, |_| true).unwrap();
        state.vcpus.get(vcpu).unwrap().activity
    }

    /// Host address of a guest's memory.
    pub fn translate(&self, id: u64, gpa: u64) -> Option<ept::Translation> {
        let state = self.kernel.state.lock();
        let partition = state.partitions.find_from(id as usize - 1, |_| true)?;
        ept::translate(self.machine, state.partitions.get(partition)?.ept_root, Gpa(gpa))
    }

    /// What the kernel has left, and how full its tables are.
    pub fn resources(&self) -> Resources {
        let state = self.kernel.state.lock();
        let root = state.partitions.get(state.root.unwrap()).unwrap();
        Resources {
            kernel_frames: state.frames.left(),
            region_pages: state.extents.left(),
            root_kernel: root.kernel_quota.used(),
            root_pages: root.page_quota.used(),
            objects: [
                state.partitions.iter().count(),
                state.vcpus.iter().count(),
                state.portals.iter().count(),
                state.regions.iter().count(),
                state.events.iter().count(),
                state.irqs.iter().count(),
                state.devices.iter().count(),
                state.mappings.iter().count(),
            ],
        }
    }

    /// Revokes all that root has made or was given since boot.
    pub fn release_everything(&self) {
        for selector in 32..256 {
            let kind = self.root(Hypercall::CapabilityIdentify, selector, &[]);
            // The memory that root lives in and its own module stay.
            if kind.rax == 0 && selector > 33 {
                self.root(Hypercall::CapabilityRevoke, selector, &[1]);
            }
        }
    }

    /// Whether registers hold a fault message.
    pub fn is_fault(registers: &Registers) -> bool {
        registers.rax == 0 && registers.rdi == FAULT_TAG
    }

    /// Checks what must hold between any two rounds.
    pub fn check(&self) {
        let state = self.kernel.state.lock();
        for (reference, vcpu) in state.vcpus.iter() {
            let cpu = &state.cpus[vcpu.cpu];
            let is_current = cpu.current == Some(reference);
            assert!(vcpu.activity != Activity::Running || is_current, "{reference:?} runs nowhere");
            match vcpu.activity {
                Activity::Calling(server) => {
                    let server = state.vcpus.get(server).expect("a caller's server exists");
                    let serves = server.serving == crate::vcpu::Serving::Caller(reference);
                    let queued = server.callers.iter().filter(|caller| **caller == reference).count();
                    assert_eq!(usize::from(serves) + queued, 1, "{reference:?} waits for a reply that nobody owes");
                }
                Activity::Receiving => {
                    assert!(vcpu.callers.is_empty(), "{reference:?} waits although somebody calls");
                }
                _ => {}
            }
            for caller in vcpu.callers.iter() {
                assert_eq!(state.vcpus.get(*caller).map(|vcpu| vcpu.activity), Some(Activity::Calling(reference)));
            }
        }
    }
}
