// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a processor must have, checked in one place before it is touched.
//!
//! Reads CPUID and capability MSRs only. A missing item is a sentence with
//! its reason; optional items are recorded in [`Features`].

use raw_cpuid::CpuId;
use x86::msr::{
    IA32_FEATURE_CONTROL, IA32_VMX_BASIC, IA32_VMX_EPT_VPID_CAP, IA32_VMX_PROCBASED_CTLS2, IA32_VMX_TRUE_ENTRY_CTLS,
    IA32_VMX_TRUE_EXIT_CTLS, IA32_VMX_TRUE_PINBASED_CTLS, IA32_VMX_TRUE_PROCBASED_CTLS,
};

use super::msr;

/// Optional abilities of the processor.
#[derive(Clone, Copy, Debug)]
pub struct Features {
    /// Local APIC by MSRs rather than memory.
    pub has_x2apic: bool,
    /// Local APIC timer with an absolute TSC value.
    pub has_tsc_deadline: bool,
    /// The TSC runs at one rate in all power states.
    pub has_invariant_tsc: bool,
}

/// FEATURE_CONTROL: no more changes until reset.
pub const FEATURE_CONTROL_LOCKED: u64 = 1;
/// FEATURE_CONTROL: VMXON allowed.
pub const FEATURE_CONTROL_VMXON: u64 = 1 << 2;

/// Control bits that can be set are in the upper half of their capability MSR.
const ALLOWED: u32 = 32;

// SDM Vol. 3D, App. A, "VMX Capability Reporting Facility".
/// A capability MSR, a bit that must be there, and the sentence if it is not.
const NEEDS: &[(u32, u32, &str)] = &[
    (IA32_VMX_BASIC, 55, "VT-x without the TRUE control registers (CR3 accesses would exit)"),
    (IA32_VMX_TRUE_PROCBASED_CTLS, ALLOWED + 31, "VT-x without secondary controls (EPT needs them)"),
    (IA32_VMX_PROCBASED_CTLS2, ALLOWED + 1, "VT-x without EPT (it is what separates partitions)"),
    (IA32_VMX_PROCBASED_CTLS2, ALLOWED + 5, "VT-x without VPID (each switch would flush the TLB)"),
    (IA32_VMX_EPT_VPID_CAP, 6, "EPT without 4-level tables"),
    (IA32_VMX_EPT_VPID_CAP, 14, "EPT without write-back memory"),
    (IA32_VMX_EPT_VPID_CAP, 16, "EPT without 2 MiB pages"),
    (IA32_VMX_EPT_VPID_CAP, 20, "VT-x without INVEPT (mappings could not be taken back)"),
    (IA32_VMX_EPT_VPID_CAP, 26, "INVEPT without the all-context type"),
    (IA32_VMX_EPT_VPID_CAP, 32, "VT-x without INVVPID (tags could not be used again)"),
    (IA32_VMX_EPT_VPID_CAP, 42, "INVVPID without the all-context type"),
    (IA32_VMX_TRUE_PINBASED_CTLS, ALLOWED, "VT-x without external-interrupt exiting"),
    (IA32_VMX_TRUE_PINBASED_CTLS, ALLOWED + 3, "VT-x without NMI exiting"),
    (IA32_VMX_TRUE_PINBASED_CTLS, ALLOWED + 6, "VT-x without the preemption timer (guests could not be stopped)"),
    (IA32_VMX_TRUE_PROCBASED_CTLS, ALLOWED + 7, "VT-x without HLT exiting"),
    (IA32_VMX_TRUE_PROCBASED_CTLS, ALLOWED + 25, "VT-x without I/O bitmaps"),
    (IA32_VMX_TRUE_PROCBASED_CTLS, ALLOWED + 28, "VT-x without MSR bitmaps"),
    (IA32_VMX_TRUE_EXIT_CTLS, ALLOWED + 9, "VT-x without 64-bit hosts"),
    (IA32_VMX_TRUE_EXIT_CTLS, ALLOWED + 15, "VT-x without acknowledging interrupts on exit"),
    (IA32_VMX_TRUE_EXIT_CTLS, ALLOWED + 21, "VT-x without loading EFER on exit"),
    (IA32_VMX_TRUE_EXIT_CTLS, ALLOWED + 19, "VT-x without loading PAT on exit"),
    (IA32_VMX_TRUE_ENTRY_CTLS, ALLOWED + 9, "VT-x without 64-bit guests"),
    (IA32_VMX_TRUE_ENTRY_CTLS, ALLOWED + 15, "VT-x without loading EFER on entry"),
    (IA32_VMX_TRUE_ENTRY_CTLS, ALLOWED + 14, "VT-x without loading PAT on entry"),
];

/// Checks everything this hypervisor needs of the processor that runs it.
///
/// # Errors
/// What is missing, as the object of "this machine has ...".
pub fn check() -> Result<Features, &'static str> {
    let cpuid = CpuId::new();
    let basic = cpuid.get_feature_info().ok_or("a processor without CPUID features")?;
    let extended = cpuid.get_extended_processor_and_feature_identifiers();
    if !basic.has_vmx() {
        return Err("no VT-x (hardware virtualization; emulators and clouds often hide it)");
    }
    if !basic.has_apic() {
        return Err("no local APIC (timers and inter-processor interrupts)");
    }
    if !basic.has_xsave() {
        return Err("no XSAVE (floating-point registers could not be switched)");
    }
    if !cpuid.get_extended_feature_info().is_some_and(|features| features.has_fsgsbase()) {
        return Err("no FSGSBASE (the GS bases of guests could not be switched fast enough)");
    }
    if !basic.has_msr() || !basic.has_pat() || !basic.has_fxsave_fxstor() {
        return Err("a processor too old: no MSRs, PAT or FXSAVE");
    }
    if !extended.is_some_and(|features| features.has_execute_disable()) {
        return Err("no execute-disable pages (code and data could not be kept apart)");
    }
    let control = msr::read(IA32_FEATURE_CONTROL);
    if control & FEATURE_CONTROL_LOCKED != 0 && control & FEATURE_CONTROL_VMXON == 0 {
        return Err("VT-x switched off and locked by its firmware (see the firmware's settings)");
    }
    // The loop stops at the first miss, so that TRUE controls and EPT capabilities are read only where they exist.
    for &(number, bit, reason) in NEEDS {
        if msr::read(number) >> bit & 1 == 0 {
            return Err(reason);
        }
    }
    const MEMORY_TYPE_WRITE_BACK: u64 = 6;
    if msr::read(IA32_VMX_BASIC) >> 50 & 15 != MEMORY_TYPE_WRITE_BACK {
        return Err("VT-x with control structures that are not write-back");
    }
    Ok(Features {
        has_x2apic: basic.has_x2apic(),
        has_tsc_deadline: basic.has_tsc_deadline(),
        has_invariant_tsc: cpuid.get_advanced_power_mgmt_info().is_some_and(|info| info.has_invariant_tsc()),
    })
}
