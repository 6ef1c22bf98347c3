// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the kernel needs of a machine, as traits.
//!
//! `sawmill-machine` implements them on VT-x; the host tests implement them in
//! memory, so that every object and hypercall is tested on a laptop. Nothing
//! here names a vendor's extension.
//!
//! The image holds `static KERNEL: Kernel<Machine> = Kernel::new(&MACHINE);`
//! calls `KERNEL.boot(&information)` once on CPU 0, then
//! `KERNEL.run(CpuIndex(n))` on each CPU.

use sawmill_abi::{PAGE_SIZE, fault::FaultReason};

/// Host-physical address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hpa(pub u64);

/// Guest-physical address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gpa(pub u64);

/// Time stamp counter value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tsc(pub u64);

impl Tsc {
    /// A moment that never comes.
    pub const NEVER: Tsc = Tsc(u64::MAX);
}

/// Whether all upper bits of a virtual address equal bit 47.
pub fn is_canonical(address: u64) -> bool {
    (address as i64) << 16 >> 16 == address as i64
}

/// Index of a physical CPU, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct CpuIndex(pub u32);

/// General-purpose registers of a vCPU (RIP, RSP and RFLAGS are in its hardware state).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registers {
    /// RAX: hypercall number, status.
    pub rax: u64,
    /// RBX: selector, value.
    pub rbx: u64,
    /// RCX.
    pub rcx: u64,
    /// RDX: word 2.
    pub rdx: u64,
    /// RSI: word 1.
    pub rsi: u64,
    /// RDI: word 0.
    pub rdi: u64,
    /// RBP.
    pub rbp: u64,
    /// R8: word 4.
    pub r8: u64,
    /// R9: word 5.
    pub r9: u64,
    /// R10: word 3.
    pub r10: u64,
    /// R11.
    pub r11: u64,
    /// R12.
    pub r12: u64,
    /// R13.
    pub r13: u64,
    /// R14.
    pub r14: u64,
    /// R15.
    pub r15: u64,
}

/// Why a vCPU stopped running. Lazy FPU switches and the like never leave the machine crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// VMCALL; RIP is still at the instruction.
    Hypercall,
    /// A physical interrupt arrived and was acknowledged (not yet ended).
    ExternalInterrupt {
        /// Its vector.
        vector: u8,
    },
    /// The deadline given to `enter` passed.
    DeadlineReached,
    /// Another CPU's `kick` arrived (already ended), or something else that needs no answer; RIP stays.
    Kicked,
    /// The vCPU can take an interrupt now, as requested.
    InterruptWindow,
    /// CPUID; RAX and RCX hold leaf and subleaf.
    Cpuid,
    /// RDMSR; RCX holds the number.
    MsrRead,
    /// WRMSR; RCX holds the number, RDX:RAX the value.
    MsrWrite,
    /// Port access that was not granted.
    Port {
        /// First port.
        port: u16,
        /// 1, 2 or 4 bytes.
        width: u8,
        /// IN rather than OUT.
        is_input: bool,
        /// INS or OUTS.
        is_string: bool,
    },
    /// HLT with interrupts on.
    Halt,
    /// INVD, WBINVD, PAUSE and other exits that are skipped.
    Skip,
    /// The vCPU cannot go on; what the numbers mean is said at the reason.
    Fault {
        /// Why.
        reason: FaultReason,
        /// More about it.
        qualification: u64,
        /// Where, or more.
        address: u64,
    },
}

/// State in which a vCPU starts: 64-bit mode, flat segments, interrupts off, EFER = LME|LMA|SCE|NXE.
#[derive(Clone, Copy, Debug, Default)]
pub struct EntryState {
    /// First instruction.
    pub rip: u64,
    /// Stack pointer.
    pub rsp: u64,
    /// Page table root.
    pub cr3: u64,
}

/// Physical memory, reached by copies and atomic words, never by references.
///
/// Addresses must lie in RAM that the kernel was given at boot or found in
/// modules; the implementation checks and ignores (reads zero) otherwise.
pub trait PhysicalMemory {
    /// Reads a naturally aligned word.
    fn read_u64(&self, at: Hpa) -> u64;
    /// Writes a naturally aligned word.
    fn write_u64(&self, at: Hpa, value: u64);
    /// Sets bits atomically; returns the old value.
    fn fetch_or_u64(&self, at: Hpa, bits: u64) -> u64;
    /// Exchanges a word atomically.
    fn swap_u64(&self, at: Hpa, value: u64) -> u64;
    /// Fills a page with zeros.
    fn zero_page(&self, at: Hpa);
    /// Fills frames with zeros.
    fn zero_pages(&self, range: FrameRange) {
        (0..range.pages).for_each(|page| self.zero_page(Hpa(range.start.0 + page * PAGE_SIZE)));
    }
    /// Copies out of memory.
    fn copy_in(&self, from: Hpa, to: &mut [u8]);
    /// Copies into memory.
    fn copy_out(&self, to: Hpa, from: &[u8]);
}

/// How an interrupt pin signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PinMode {
    /// Level rather than edge.
    pub is_level: bool,
    /// Active low rather than high.
    pub is_active_low: bool,
}

/// Refusal of the hardware to make a vCPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HardwareError;

/// A machine.
pub trait Platform: PhysicalMemory + Sync + 'static {
    /// The hardware half of a vCPU.
    type Vcpu: VcpuHardware + Send;

    /// Frames that `create_vcpu` takes (VMCS, extended state, and so on).
    const VCPU_FRAMES: usize;
    /// Vectors from here to 0xef are free for `route_pin` and `message`.
    const FIRST_DEVICE_VECTOR: u8;
    /// Vector of the console's receive interrupt.
    const CONSOLE_VECTOR: u8;
    /// ISA IRQ of it.
    const CONSOLE_IRQ: u8;

    /// Current time.
    fn now(&self) -> Tsc;
    /// TSC frequency in kHz.
    fn tsc_khz(&self) -> u64;
    /// Number of running CPUs.
    fn cpu_count(&self) -> u32;
    /// Makes a vCPU whose memory is under `ept_root`, tagged with `vpid` (1..), from `frames` (`VCPU_FRAMES` of them, zeroed). Runs on any CPU; the vCPU will run on `cpu` only.
    fn create_vcpu(&self, cpu: CpuIndex, ept_root: Hpa, vpid: u16, frames: &[Hpa])
    -> Result<Self::Vcpu, HardwareError>;
    /// Makes another CPU leave its guest or its idle wait.
    ///
    /// A kick that arrives while that CPU is in root mode must end its next `enter` or `idle` at once.
    fn kick(&self, cpu: CpuIndex);
    /// Waits with interrupts on until a deadline, a kick or an interrupt; returns the interrupt's vector (not yet
    /// ended), none for kick and deadline. If the deadline has passed, it only takes what has arrived.
    fn idle(&self, until: Tsc) -> Option<u8>;
    /// Ends the interrupt that is in service on this CPU.
    fn end_of_interrupt(&self);
    /// Forgets cached translations under this EPT root on this CPU.
    fn invalidate_ept(&self, ept_root: Hpa);
    /// Whether 1 GiB EPT leaves exist.
    fn has_gigabyte_leaves(&self) -> bool {
        false
    }
    /// Raw CPUID of this CPU: EAX EBX ECX EDX.
    fn cpuid(&self, leaf: u32, subleaf: u32) -> [u32; 4];
    /// IA32_MISC_ENABLE of this CPU.
    fn misc_enable(&self) -> u64;

    /// GSI and mode of an ISA IRQ.
    fn isa_pin(&self, irq: u8) -> (u32, PinMode);
    /// Routes a pin to a vector on a CPU, masked or not; false if there is no such pin.
    fn route_pin(&self, gsi: u32, vector: u8, mode: PinMode, cpu: CpuIndex) -> bool;
    /// Masks or unmasks a pin.
    fn set_pin_masked(&self, gsi: u32, is_masked: bool);
    /// Address and data of an MSI message.
    fn message(&self, vector: u8, cpu: CpuIndex) -> (u64, u32);

    /// Reads PCI configuration space.
    fn pci_read(&self, address: u16, offset: u16, width: u8) -> u32;
    /// Writes PCI configuration space.
    fn pci_write(&self, address: u16, offset: u16, width: u8, value: u32);

    /// Sends bytes to the serial line.
    fn console_put(&self, bytes: &[u8]);
    /// Takes a received byte.
    fn console_get(&self) -> Option<u8>;
    /// Powers off (0) or resets (1).
    fn shutdown(&self, kind: u64) -> !;
}

/// The hardware half of a vCPU. Used only on the CPU that it is bound to, except where noted.
pub trait VcpuHardware {
    /// Puts it into its start state (any CPU; before the first entry).
    fn start(&mut self, state: EntryState);
    /// Runs it until something happens or the deadline passes.
    fn enter(&mut self, registers: &mut Registers, deadline: Tsc) -> Exit;
    /// Privilege level (0..3) at the last exit.
    fn privilege_level(&self) -> u8;
    /// RIP at the last exit.
    fn rip(&self) -> u64;
    /// Moves RIP past the instruction that exited (and clears STI/MOV-SS blocking).
    fn advance(&mut self);
    /// Whether the hypercall that has just ended the guest's run came from privilege level 0.
    ///
    /// Only right after `enter` returned [`Exit::Hypercall`] on this CPU.
    #[inline(always)]
    fn is_hypercall_privileged(&self) -> bool {
        self.privilege_level() == 0
    }
    /// Moves RIP past that hypercall; nothing will be injected before the next exit.
    #[inline(always)]
    fn finish_hypercall(&mut self) {
        self.advance();
    }
    /// Whether an interrupt can be injected now.
    fn can_take_interrupt(&self) -> bool;
    /// Injects a vector at the next entry.
    fn inject_interrupt(&mut self, vector: u8);
    /// Injects #GP(0) at the next entry.
    fn inject_general_protection(&mut self);
    /// Asks for `Exit::InterruptWindow` as soon as an interrupt could be taken (or no longer).
    fn set_interrupt_window(&mut self, is_wanted: bool);
    /// Guest CR4, as the guest sees it (for OSXSAVE in CPUID).
    fn cr4(&self) -> u64;
    /// Uses this pair of frames as I/O bitmaps (a set bit exits).
    fn set_port_bitmaps(&mut self, bitmaps: [Hpa; 2]);
    /// Releases the hardware's hold on its frames; not entered any more.
    fn retire(&mut self);
}

/// A range of page frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameRange {
    /// First frame.
    pub start: Hpa,
    /// Their number.
    pub pages: u64,
}

/// A file that the boot loader brought; page aligned, its last page is its own.
#[derive(Clone, Copy, Debug)]
pub struct BootModule {
    /// First word of its string, padded with zeros.
    pub name: [u8; sawmill_abi::machine::MODULE_NAME_MAX],
    /// Where it is.
    pub start: Hpa,
    /// Its size.
    pub size_bytes: u64,
}

/// What the machine found at boot and hands to the kernel once.
#[derive(Clone, Copy, Debug)]
pub struct BootInformation<'a> {
    /// Free memory, without image, modules and the first MiB; sorted, disjoint.
    pub memory: &'a [FrameRange],
    /// The modules.
    pub modules: &'a [BootModule],
    /// Hypervisor command line.
    pub command_line: &'a [u8],
    /// When the image got control.
    pub boot_tsc: Tsc,
    /// Whether an IOMMU confines DMA.
    pub has_iommu: bool,
}
