// SPDX-License-Identifier: MIT OR Apache-2.0
//! A vCPU on VT-x: one VMCS, one frame of switched state.
//!
//! Key type [`Vcpu`]. Used on one CPU; its VMCS is made current by whichever
//! method needs it. The way from `enter` to the guest and back is the path
//! that every call takes twice, so it reads and writes no field twice.

use core::arch::asm;
use core::sync::atomic::Ordering;
use x86::vmx::vmcs::{control, guest, ro};

use sawmill_abi::fault::FaultReason;
use sawmill_logic::platform::{
    CpuIndex, EntryState, Exit, HardwareError, Hpa, PhysicalMemory, Registers, Tsc, VcpuHardware, is_canonical,
};

use super::instructions::{self, VmxError};
use super::setup::{self, Identity};
use super::switch::{self, State};
use super::{bitmaps, control_registers, controls, exit, extended_state, system_calls};
use crate::cpu::area::{self, Cpu, ONLY_SELECTED};
use crate::{MACHINE, apic::local, memory::physical};

/// Frames of a vCPU: VMCS, and switched plus extended state.
pub const FRAMES: usize = 2;

/// What `run` returns when the entry instruction failed; no exit reason looks so.
const NOT_ENTERED: u64 = u64::MAX;

unsafe extern "C" {
    static vmx_launch: u8;
}

/// Blocking by STI and by MOV SS.
const BLOCKED_FOR_ONE_INSTRUCTION: u64 = 3;
/// DPL in the access rights of SS: the privilege level.
const PRIVILEGE_LEVEL: u64 = 3 << 5;
/// IF in RFLAGS.
pub(super) const INTERRUPTS_ENABLED: u64 = 1 << 9;

/// Where a vCPU is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Its VMCS is empty.
    Created,
    /// Its VMCS is filled.
    Filled,
    /// It gave up its frames.
    Retired,
}

/// The hardware half of a vCPU.
pub struct Vcpu {
    vmcs: u64,
    state: &'static State,
    /// `vmx_launch`, which replaces it, or `vmx_resume`.
    entry_stub: u64,
    /// `Cpu::lazy_epoch` when the two flags below were last compared with the owners; one that never comes before the
    /// first run.
    lazy_epoch: u64,
    phase: Phase,
    /// CR0.TS is clear in the VMCS: valid only while this CPU's extended state is this vCPU's.
    pub(super) is_extended_state_loaded: bool,
    /// EFER.SCE may be set in the VMCS: valid only while this CPU's system-call MSRs are this vCPU's.
    pub(super) are_system_calls_loaded: bool,
    /// Primary controls as they are in the VMCS.
    primary_controls: u32,
    identity: Identity,
    entry: EntryState,
    cpu: CpuIndex,
}

impl Vcpu {
    /// Makes a vCPU in two zeroed frames that the kernel set aside for it.
    ///
    /// # Errors
    /// When the frames are too few or VT-x is not initialized.
    pub fn new(cpu: CpuIndex, ept_root: Hpa, vpid: u16, frames: &[Hpa]) -> Result<Vcpu, HardwareError> {
        let (Some(shared), &[vmcs, state]) = (super::shared(), frames) else { return Err(HardwareError) };
        if !physical::is_page(vmcs) || !physical::is_page(state) {
            return Err(HardwareError);
        }
        MACHINE.write_u64(vmcs, shared.revision.into());
        extended_state::initialize_area(state.0);
        // SAFETY: (1) a frame that the kernel was given, and gave for this; (2) `retire` forgets it.
        let fresh = unsafe { switch::in_frame(state.0) };
        fresh.set_xcr0(extended_state::XCR0_RESET);
        fresh.is_system_call_enabled.store(1, Ordering::Relaxed);
        fresh.tag.store(vpid.into(), Ordering::Relaxed);
        Ok(Vcpu {
            vmcs: vmcs.0,
            state: fresh,
            entry_stub: (&raw const vmx_launch) as u64,
            lazy_epoch: u64::MAX,
            phase: Phase::Created,
            is_extended_state_loaded: false,
            are_system_calls_loaded: false,
            primary_controls: shared.controls.primary,
            identity: Identity { ept_root: ept_root.0, vpid, io_bitmaps: [bitmaps::io_bitmap(); 2] },
            entry: EntryState::default(),
            cpu,
        })
    }

    /// Returns the switched state.
    pub(super) fn state(&self) -> &'static State {
        self.state
    }

    /// Address of the frame with the switched state.
    pub(super) fn state_frame(&self) -> u64 {
        core::ptr::from_ref(self.state) as u64
    }

    /// Makes its VMCS the one that field accesses mean.
    #[inline(always)]
    fn select(&self) {
        let cpu = area::current();
        if cpu.current_vmcs.load(Ordering::Relaxed) & !ONLY_SELECTED != self.vmcs {
            self.load(cpu);
        }
    }

    #[cold]
    #[inline(never)]
    fn load(&self, cpu: &Cpu) {
        // Fails only for a frame that is no VMCS; then the next entry finds none and says so.
        let is_loaded = instructions::load(&self.vmcs).is_ok();
        cpu.current_vmcs.store(if is_loaded { self.vmcs | ONLY_SELECTED } else { 0 }, Ordering::Relaxed);
    }

    /// Brings VMCS and registers in after another vCPU ran here, or was looked at.
    #[inline(always)]
    fn switch_in(&mut self, cpu: &Cpu) -> Result<(), VmxError> {
        instructions::load(&self.vmcs)?;
        cpu.current_vmcs.store(self.vmcs, Ordering::Relaxed);
        switch::switch(cpu, self.state);
        if cpu.lazy_epoch.load(Ordering::Relaxed) != self.lazy_epoch {
            return self.catch_up(cpu);
        }
        Ok(())
    }

    /// Records that this vCPU took registers from another: all others have to compare before they run.
    pub(super) fn note_take_over(&mut self, cpu: &Cpu) {
        self.lazy_epoch = cpu.lazy_epoch.fetch_add(1, Ordering::Relaxed) + 1;
    }

    /// Takes back what somebody else has taken over since this vCPU ran; before its first run, fills its VMCS.
    #[cold]
    #[inline(never)]
    fn catch_up(&mut self, cpu: &Cpu) -> Result<(), VmxError> {
        if self.phase != Phase::Filled {
            self.fill(cpu)?;
        }
        self.lazy_epoch = cpu.lazy_epoch.load(Ordering::Relaxed);
        let own = self.state_frame();
        if self.is_extended_state_loaded && cpu.extended_state_owner.load(Ordering::Relaxed) != own {
            self.is_extended_state_loaded = false;
            instructions::write(guest::CR0, instructions::read(guest::CR0) | control_registers::TS);
        }
        if self.are_system_calls_loaded && cpu.system_call_owner.load(Ordering::Relaxed) != own {
            system_calls::revoke(self);
        }
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn fill(&mut self, cpu: &Cpu) -> Result<(), VmxError> {
        let shared = super::shared().ok_or(VmxError::INVALID)?;
        if self.phase == Phase::Retired || !is_canonical(self.entry.rip) {
            return Err(VmxError::INVALID);
        }
        // The frame may have been a VMCS before, on another CPU even: clear it, then make it current.
        cpu.current_vmcs.store(0, Ordering::Relaxed);
        instructions::clear(self.vmcs)?;
        instructions::load(&self.vmcs)?;
        cpu.current_vmcs.store(self.vmcs, Ordering::Relaxed);
        setup::fill(shared, cpu, &self.identity, self.entry)?;
        instructions::invalidate_all_vpids();
        self.phase = Phase::Filled;
        Ok(())
    }

    /// Enters the guest; returns the exit reason, or `NOT_ENTERED`.
    #[inline(always)]
    fn run(&mut self, registers: &mut Registers) -> u64 {
        let reason: u64;
        // SAFETY: (1) the VMCS of this vCPU is current and its host state, filled by `setup`, returns to `vmx_exit`
        // on this CPU, which restores stack, RBX and RBP and comes back here; (2) all other registers are declared
        // as lost; (3) `registers` is exclusive and outlives the guest's run; (4) guest memory is apart by EPT;
        // (5) `entry_stub` is one of the two stubs.
        unsafe {
            asm!(
                "call qword ptr [rsi]",
                inout("rdi") registers as *mut Registers => _,
                inout("rsi") &raw mut self.entry_stub => _,
                out("rax") reason, out("rcx") _, out("rdx") _, out("r8") _, out("r9") _, out("r10") _,
                out("r11") _, out("r12") _, out("r13") _, out("r14") _, out("r15") _,
            );
        }
        reason
    }

    /// Puts back an event whose delivery the exit interrupted.
    pub(super) fn redeliver(&self, information: u64, error_code: u64) {
        const NMI_UNBLOCKING: u64 = 1 << 12;
        instructions::write(control::VMENTRY_INTERRUPTION_INFO_FIELD, information & !NMI_UNBLOCKING);
        instructions::write(control::VMENTRY_EXCEPTION_ERR_CODE, error_code);
        instructions::write(control::VMENTRY_INSTRUCTION_LEN, instructions::read(ro::VMEXIT_INSTRUCTION_LEN));
    }

    /// Ends blocking by STI and MOV SS: their instruction is done.
    #[inline]
    pub(super) fn unblock(&self) {
        let blocking = instructions::read(guest::INTERRUPTIBILITY_STATE);
        if blocking & BLOCKED_FOR_ONE_INSTRUCTION != 0 {
            instructions::write(guest::INTERRUPTIBILITY_STATE, blocking & !BLOCKED_FOR_ONE_INSTRUCTION);
        }
    }

    /// Injects #UD.
    pub(super) fn inject_invalid_opcode(&mut self) {
        self.inject_exception(6, false);
    }

    /// Injects a hardware exception, with error code 0 if it has one.
    pub(super) fn inject_exception(&mut self, vector: u64, has_error_code: bool) {
        const VALID_EXCEPTION: u64 = 1 << 31 | 3 << 8;
        const WITH_ERROR_CODE: u64 = 1 << 11;
        self.select();
        let flag = if has_error_code { WITH_ERROR_CODE } else { 0 };
        instructions::write(control::VMENTRY_EXCEPTION_ERR_CODE, 0);
        instructions::write(control::VMENTRY_INTERRUPTION_INFO_FIELD, VALID_EXCEPTION | flag | vector);
    }

    #[cold]
    #[inline(never)]
    fn entry_failure(&self, error: VmxError) -> Exit {
        crate::log!("VM entry of tag {} failed: VM-instruction error {}", self.identity.vpid, error.0);
        Exit::Fault { reason: FaultReason::EntryFailure, qualification: 0, address: error.0.into() }
    }
}

impl VcpuHardware for Vcpu {
    fn start(&mut self, state: EntryState) {
        self.entry = state;
    }

    #[inline(always)]
    fn enter(&mut self, registers: &mut Registers, deadline: Tsc) -> Exit {
        // What EXIT_REASON holds after a VMCALL.
        const VMCALL: u64 = 18;
        let cpu = area::current();
        loop {
            if cpu.current_vmcs.load(Ordering::Relaxed) != self.vmcs
                && let Err(error) = self.switch_in(cpu)
            {
                return self.entry_failure(error);
            }
            // One timer per CPU with an absolute deadline: unlike the preemption timer, which counts in each VMCS, it
            // needs no write when a call switches between vCPUs.
            if cpu.armed_deadline.load(Ordering::Relaxed) != deadline.0 {
                local::arm(cpu, deadline);
            }
            let reason = self.run(registers);
            if reason == VMCALL {
                return Exit::Hypercall;
            }
            if reason == NOT_ENTERED {
                return self.entry_failure(instructions::last_error());
            }
            if let Some(exit) = exit::decode(self, cpu, registers, reason, deadline) {
                return exit;
            }
        }
    }

    #[inline]
    fn privilege_level(&self) -> u8 {
        self.select();
        ((instructions::read(guest::SS_ACCESS_RIGHTS) & PRIVILEGE_LEVEL) >> 5) as u8
    }

    #[inline]
    fn rip(&self) -> u64 {
        self.select();
        instructions::read(guest::RIP)
    }

    #[inline]
    fn advance(&mut self) {
        self.select();
        let rip = instructions::read(guest::RIP);
        instructions::write(guest::RIP, rip.wrapping_add(instructions::read(ro::VMEXIT_INSTRUCTION_LEN)));
        self.unblock();
    }

    #[inline(always)]
    fn is_hypercall_privileged(&self) -> bool {
        // Right after an exit its VMCS is current.
        instructions::read(guest::SS_ACCESS_RIGHTS) & PRIVILEGE_LEVEL == 0
    }

    #[inline(always)]
    fn finish_hypercall(&mut self) {
        // Blocking by STI or MOV SS may stay for one instruction more: it only matters to an injection, which looks. A
        // guest that puts prefixes before its VMCALL executes their tail, to its own harm.
        const VMCALL_LENGTH: u64 = 3;
        instructions::write(guest::RIP, instructions::read(guest::RIP).wrapping_add(VMCALL_LENGTH));
    }

    #[inline]
    fn can_take_interrupt(&self) -> bool {
        const VALID: u64 = 1 << 31;
        self.select();
        instructions::read(guest::RFLAGS) & INTERRUPTS_ENABLED != 0
            && instructions::read(guest::INTERRUPTIBILITY_STATE) & BLOCKED_FOR_ONE_INSTRUCTION == 0
            && instructions::read(control::VMENTRY_INTERRUPTION_INFO_FIELD) & VALID == 0
    }

    fn inject_interrupt(&mut self, vector: u8) {
        const VALID_EXTERNAL: u64 = 1 << 31;
        self.select();
        instructions::write(control::VMENTRY_INTERRUPTION_INFO_FIELD, VALID_EXTERNAL | u64::from(vector));
    }

    fn inject_general_protection(&mut self) {
        self.inject_exception(13, true);
    }

    #[inline]
    fn set_interrupt_window(&mut self, is_wanted: bool) {
        let window = if is_wanted { controls::INTERRUPT_WINDOW } else { 0 };
        let wanted = self.primary_controls & !controls::INTERRUPT_WINDOW | window;
        if wanted != self.primary_controls {
            self.select();
            self.primary_controls = wanted;
            instructions::write(control::PRIMARY_PROCBASED_EXEC_CONTROLS, wanted.into());
        }
    }

    fn cr4(&self) -> u64 {
        self.select();
        let owned = !control_registers::CR4_GUEST;
        instructions::read(guest::CR4) & !owned | instructions::read(control::CR4_READ_SHADOW) & owned
    }

    fn set_port_bitmaps(&mut self, bitmaps: [Hpa; 2]) {
        self.identity.io_bitmaps = bitmaps.map(|Hpa(address)| address);
        if self.phase == Phase::Filled {
            self.select();
            instructions::write(control::IO_BITMAP_A_ADDR_FULL, bitmaps[0].0);
            instructions::write(control::IO_BITMAP_B_ADDR_FULL, bitmaps[1].0);
        }
    }

    fn retire(&mut self) {
        let cpu = area::current();
        debug_assert_eq!(cpu.index.load(Ordering::Relaxed), self.cpu.0, "a vCPU retires where it ran");
        // A clear VMCS can be cleared again; failure would mean that the frame is no VMCS, and then nothing is held.
        let _ = instructions::clear(self.vmcs);
        // Nobody else touches these words of this CPU: plain comparisons suffice.
        for (word, own) in [
            (&cpu.current_vmcs, self.vmcs),
            (&cpu.current_vmcs, self.vmcs | ONLY_SELECTED),
            (&cpu.extended_state_owner, self.state_frame()),
            (&cpu.system_call_owner, self.state_frame()),
        ] {
            if word.load(Ordering::Relaxed) == own {
                word.store(0, Ordering::Relaxed);
            }
        }
        switch::forget(cpu, self.state);
        // No processor loads a VMCS from there, so that a later `enter` is an error and nothing else.
        self.vmcs = u64::MAX;
        self.phase = Phase::Retired;
    }
}
