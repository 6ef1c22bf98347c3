// SPDX-License-Identifier: MIT OR Apache-2.0
//! VMCS fields that are used, by the names of the manual.
//!
//! Only [`Writable`] ones can be written: writing an [`ReadOnly`] one does not
//! compile. SDM Vol. 3D, App. B, "Field Encoding in VMCS"; order as there.

use x86::vmx::vmcs::{control, guest, host, ro};

/// A field that can be written.
#[derive(Clone, Copy, Debug)]
pub struct Writable(pub u32);

/// A field that only the processor writes.
#[derive(Clone, Copy, Debug)]
pub struct ReadOnly(pub u32);

/// A field that can be read.
pub trait Field {
    /// Its encoding.
    fn encoding(&self) -> u32;
}

impl Field for Writable {
    #[inline(always)]
    fn encoding(&self) -> u32 {
        self.0
    }
}

impl Field for ReadOnly {
    #[inline(always)]
    fn encoding(&self) -> u32 {
        self.0
    }
}

macro_rules! fields {
    ($kind:ident: $($name:ident = $encoding:path;)*) => {
        $(#[doc = concat!("`", stringify!($name), "`.")] pub const $name: $kind = $kind($encoding);)*
    };
}

fields! { Writable:
    VPID = control::VPID;
    GUEST_ES_SELECTOR = guest::ES_SELECTOR;
    GUEST_CS_SELECTOR = guest::CS_SELECTOR;
    GUEST_SS_SELECTOR = guest::SS_SELECTOR;
    GUEST_DS_SELECTOR = guest::DS_SELECTOR;
    GUEST_FS_SELECTOR = guest::FS_SELECTOR;
    GUEST_GS_SELECTOR = guest::GS_SELECTOR;
    GUEST_LDTR_SELECTOR = guest::LDTR_SELECTOR;
    GUEST_TR_SELECTOR = guest::TR_SELECTOR;
    HOST_ES_SELECTOR = host::ES_SELECTOR;
    HOST_CS_SELECTOR = host::CS_SELECTOR;
    HOST_SS_SELECTOR = host::SS_SELECTOR;
    HOST_DS_SELECTOR = host::DS_SELECTOR;
    HOST_FS_SELECTOR = host::FS_SELECTOR;
    HOST_GS_SELECTOR = host::GS_SELECTOR;
    HOST_TR_SELECTOR = host::TR_SELECTOR;
    IO_BITMAP_A = control::IO_BITMAP_A_ADDR_FULL;
    IO_BITMAP_B = control::IO_BITMAP_B_ADDR_FULL;
    MSR_BITMAP = control::MSR_BITMAPS_ADDR_FULL;
    EPT_POINTER = control::EPTP_FULL;
    VMCS_LINK_POINTER = guest::LINK_PTR_FULL;
    GUEST_IA32_DEBUGCTL = guest::IA32_DEBUGCTL_FULL;
    GUEST_IA32_PAT = guest::IA32_PAT_FULL;
    GUEST_IA32_EFER = guest::IA32_EFER_FULL;
    HOST_IA32_PAT = host::IA32_PAT_FULL;
    HOST_IA32_EFER = host::IA32_EFER_FULL;
    PIN_CONTROLS = control::PINBASED_EXEC_CONTROLS;
    PRIMARY_CONTROLS = control::PRIMARY_PROCBASED_EXEC_CONTROLS;
    EXCEPTION_BITMAP = control::EXCEPTION_BITMAP;
    PAGE_FAULT_MASK = control::PAGE_FAULT_ERR_CODE_MASK;
    PAGE_FAULT_MATCH = control::PAGE_FAULT_ERR_CODE_MATCH;
    CR3_TARGET_COUNT = control::CR3_TARGET_COUNT;
    EXIT_CONTROLS = control::VMEXIT_CONTROLS;
    EXIT_MSR_STORE_COUNT = control::VMEXIT_MSR_STORE_COUNT;
    EXIT_MSR_LOAD_COUNT = control::VMEXIT_MSR_LOAD_COUNT;
    ENTRY_CONTROLS = control::VMENTRY_CONTROLS;
    ENTRY_MSR_LOAD_COUNT = control::VMENTRY_MSR_LOAD_COUNT;
    ENTRY_INTERRUPTION = control::VMENTRY_INTERRUPTION_INFO_FIELD;
    ENTRY_ERROR_CODE = control::VMENTRY_EXCEPTION_ERR_CODE;
    ENTRY_INSTRUCTION_LENGTH = control::VMENTRY_INSTRUCTION_LEN;
    SECONDARY_CONTROLS = control::SECONDARY_PROCBASED_EXEC_CONTROLS;
    GUEST_ES_LIMIT = guest::ES_LIMIT;
    GUEST_CS_LIMIT = guest::CS_LIMIT;
    GUEST_SS_LIMIT = guest::SS_LIMIT;
    GUEST_DS_LIMIT = guest::DS_LIMIT;
    GUEST_FS_LIMIT = guest::FS_LIMIT;
    GUEST_GS_LIMIT = guest::GS_LIMIT;
    GUEST_LDTR_LIMIT = guest::LDTR_LIMIT;
    GUEST_TR_LIMIT = guest::TR_LIMIT;
    GUEST_GDTR_LIMIT = guest::GDTR_LIMIT;
    GUEST_IDTR_LIMIT = guest::IDTR_LIMIT;
    GUEST_ES_ACCESS = guest::ES_ACCESS_RIGHTS;
    GUEST_CS_ACCESS = guest::CS_ACCESS_RIGHTS;
    GUEST_SS_ACCESS = guest::SS_ACCESS_RIGHTS;
    GUEST_DS_ACCESS = guest::DS_ACCESS_RIGHTS;
    GUEST_FS_ACCESS = guest::FS_ACCESS_RIGHTS;
    GUEST_GS_ACCESS = guest::GS_ACCESS_RIGHTS;
    GUEST_LDTR_ACCESS = guest::LDTR_ACCESS_RIGHTS;
    GUEST_TR_ACCESS = guest::TR_ACCESS_RIGHTS;
    GUEST_INTERRUPTIBILITY = guest::INTERRUPTIBILITY_STATE;
    GUEST_ACTIVITY = guest::ACTIVITY_STATE;
    GUEST_SYSENTER_CS = guest::IA32_SYSENTER_CS;
    PREEMPTION_TIMER = guest::VMX_PREEMPTION_TIMER_VALUE;
    HOST_SYSENTER_CS = host::IA32_SYSENTER_CS;
    CR0_MASK = control::CR0_GUEST_HOST_MASK;
    CR4_MASK = control::CR4_GUEST_HOST_MASK;
    CR0_SHADOW = control::CR0_READ_SHADOW;
    CR4_SHADOW = control::CR4_READ_SHADOW;
    GUEST_CR0 = guest::CR0;
    GUEST_CR3 = guest::CR3;
    GUEST_CR4 = guest::CR4;
    GUEST_ES_BASE = guest::ES_BASE;
    GUEST_CS_BASE = guest::CS_BASE;
    GUEST_SS_BASE = guest::SS_BASE;
    GUEST_DS_BASE = guest::DS_BASE;
    GUEST_FS_BASE = guest::FS_BASE;
    GUEST_GS_BASE = guest::GS_BASE;
    GUEST_LDTR_BASE = guest::LDTR_BASE;
    GUEST_TR_BASE = guest::TR_BASE;
    GUEST_GDTR_BASE = guest::GDTR_BASE;
    GUEST_IDTR_BASE = guest::IDTR_BASE;
    GUEST_DR7 = guest::DR7;
    GUEST_RSP = guest::RSP;
    GUEST_RIP = guest::RIP;
    GUEST_RFLAGS = guest::RFLAGS;
    GUEST_PENDING_DEBUG = guest::PENDING_DBG_EXCEPTIONS;
    GUEST_SYSENTER_ESP = guest::IA32_SYSENTER_ESP;
    GUEST_SYSENTER_EIP = guest::IA32_SYSENTER_EIP;
    HOST_CR0 = host::CR0;
    HOST_CR3 = host::CR3;
    HOST_CR4 = host::CR4;
    HOST_FS_BASE = host::FS_BASE;
    HOST_GS_BASE = host::GS_BASE;
    HOST_TR_BASE = host::TR_BASE;
    HOST_GDTR_BASE = host::GDTR_BASE;
    HOST_IDTR_BASE = host::IDTR_BASE;
    HOST_SYSENTER_ESP = host::IA32_SYSENTER_ESP;
    HOST_SYSENTER_EIP = host::IA32_SYSENTER_EIP;
    HOST_RSP = host::RSP;
    HOST_RIP = host::RIP;
}

fields! { ReadOnly:
    GUEST_PHYSICAL_ADDRESS = ro::GUEST_PHYSICAL_ADDR_FULL;
    VM_INSTRUCTION_ERROR = ro::VM_INSTRUCTION_ERROR;
    EXIT_REASON = ro::EXIT_REASON;
    EXIT_INTERRUPTION = ro::VMEXIT_INTERRUPTION_INFO;
    IDT_VECTORING = ro::IDT_VECTORING_INFO;
    IDT_VECTORING_ERROR = ro::IDT_VECTORING_ERR_CODE;
    INSTRUCTION_LENGTH = ro::VMEXIT_INSTRUCTION_LEN;
    EXIT_QUALIFICATION = ro::EXIT_QUALIFICATION;
}
