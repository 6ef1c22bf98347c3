// SPDX-License-Identifier: MIT OR Apache-2.0
//! VM-execution, entry and exit controls: what we want of what there is.
//!
//! One pattern for all five groups: required bits, optional bits, and the
//! capability MSR that says which may be 0 and which may be 1.

use x86::msr::{
    IA32_VMX_PROCBASED_CTLS2, IA32_VMX_TRUE_ENTRY_CTLS, IA32_VMX_TRUE_EXIT_CTLS, IA32_VMX_TRUE_PINBASED_CTLS,
    IA32_VMX_TRUE_PROCBASED_CTLS,
};
use x86::vmx::vmcs::control::{
    EntryControls, ExitControls, PinbasedControls as Pin, PrimaryControls as Primary, SecondaryControls as Secondary,
};

use crate::cpu::msr;

/// The five control words, equal for all vCPUs.
#[derive(Clone, Copy, Debug)]
pub struct Controls {
    /// Pin-based.
    pub pin: u32,
    /// Primary processor-based.
    pub primary: u32,
    /// Secondary processor-based.
    pub secondary: u32,
    /// VM exit.
    pub exit: u32,
    /// VM entry.
    pub entry: u32,
}

/// Primary control: exit as soon as an interrupt could be taken.
pub const INTERRUPT_WINDOW: u32 = Primary::INTERRUPT_WINDOW_EXITING.bits();

impl Controls {
    /// Computes the control words for this processor.
    ///
    /// # Errors
    /// Names the group in which a required bit is missing (the requirement check has a sentence for each).
    pub fn compute() -> Result<Controls, &'static str> {
        let pin = Pin::EXTERNAL_INTERRUPT_EXITING | Pin::NMI_EXITING | Pin::VMX_PREEMPTION_TIMER;
        let primary = Primary::HLT_EXITING
            | Primary::USE_IO_BITMAPS
            | Primary::USE_MSR_BITMAPS
            | Primary::CR8_LOAD_EXITING
            | Primary::CR8_STORE_EXITING
            | Primary::MOV_DR_EXITING
            | Primary::RDPMC_EXITING
            | Primary::MWAIT_EXITING
            | Primary::MONITOR_EXITING
            | Primary::SECONDARY_CONTROLS;
        let secondary = Secondary::ENABLE_EPT | Secondary::ENABLE_VPID;
        // Without them the instructions are undefined, which CPUID tells the guest.
        let secondary_optional = Secondary::ENABLE_RDTSCP | Secondary::ENABLE_INVPCID | Secondary::WBINVD_EXITING;
        let exit = ExitControls::SAVE_DEBUG_CONTROLS
            | ExitControls::HOST_ADDRESS_SPACE_SIZE
            | ExitControls::ACK_INTERRUPT_ON_EXIT
            | ExitControls::SAVE_IA32_PAT
            | ExitControls::LOAD_IA32_PAT
            | ExitControls::SAVE_IA32_EFER
            | ExitControls::LOAD_IA32_EFER;
        let entry = EntryControls::LOAD_DEBUG_CONTROLS
            | EntryControls::IA32E_MODE_GUEST
            | EntryControls::LOAD_IA32_PAT
            | EntryControls::LOAD_IA32_EFER;
        Ok(Controls {
            pin: choose(IA32_VMX_TRUE_PINBASED_CTLS, pin.bits(), 0).ok_or("pin-based VM-execution controls")?,
            primary: choose(IA32_VMX_TRUE_PROCBASED_CTLS, primary.bits(), 0).ok_or("primary VM-execution controls")?,
            secondary: choose(IA32_VMX_PROCBASED_CTLS2, secondary.bits(), secondary_optional.bits())
                .ok_or("secondary VM-execution controls")?,
            exit: choose(IA32_VMX_TRUE_EXIT_CTLS, exit.bits(), 0).ok_or("VM-exit controls")?,
            entry: choose(IA32_VMX_TRUE_ENTRY_CTLS, entry.bits(), 0).ok_or("VM-entry controls")?,
        })
    }
}

/// Returns the bits that must be 1 plus what is wanted and allowed; nothing if a required bit is not allowed.
fn choose(capability: u32, required: u32, optional: u32) -> Option<u32> {
    let value = msr::read(capability);
    let (must, may) = (value as u32, (value >> 32) as u32);
    (required & !may == 0).then_some(must | required | optional & may)
}
