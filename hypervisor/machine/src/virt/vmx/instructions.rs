// SPDX-License-Identifier: MIT OR Apache-2.0
//! The VMX instructions, with their failures as values.
//!
//! Own wrappers: those of the `x86` crate read the flags in a second assembly
//! block (PACKAGES.md 1.1), which costs three instructions on each exit.

use core::arch::asm;

use x86::vmx::vmcs::ro;

/// Why a VMX instruction failed: the VM-instruction error (SDM Vol. 3C, "VM-Instruction Error Numbers"), or 0 if
/// there is no current VMCS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VmxError(pub u32);

impl VmxError {
    /// There is no current VMCS.
    pub const INVALID: VmxError = VmxError(0);
}

#[inline(always)]
fn result(is_failed: u8) -> Result<(), VmxError> {
    if is_failed == 0 { Ok(()) } else { Err(last_error()) }
}

/// Returns why the last VMX instruction failed.
#[cold]
pub fn last_error() -> VmxError {
    let (error, is_failed): (u64, u8);
    // SAFETY: as for `read`; the error field exists only if there is a current VMCS, else this fails too.
    unsafe {
        asm!("vmread {value}, {field}", "setna {failed}", field = in(reg) u64::from(ro::VM_INSTRUCTION_ERROR),
            value = lateout(reg) error, failed = lateout(reg_byte) is_failed, options(nostack));
    }
    if is_failed != 0 { VmxError::INVALID } else { VmxError(error as u32) }
}

macro_rules! with_address {
    ($(#[$documentation:meta])* $name:ident $instruction:literal) => {
        $(#[$documentation])*
        ///
        /// # Errors
        /// What the processor says.
        #[inline]
        pub fn $name(address: u64) -> Result<(), VmxError> {
            let is_failed: u8;
            // SAFETY: VMX operation is possible here (`enable_processor`); `address` is a frame that this crate or
            // the kernel's frame allocator set aside for this; the operand is read only.
            unsafe {
                asm!(concat!($instruction, " [{}]"), "setna {}", in(reg) &raw const address, out(reg_byte) is_failed,
                    options(nostack));
            }
            result(is_failed)
        }
    };
}

with_address!(/** Enters VMX operation with this page. */ enter_operation "vmxon");
with_address!(/** Makes a VMCS inactive and clear. */ clear "vmclear");

/// Makes a VMCS current. `vmcs` is where its address is kept.
///
/// # Errors
/// What the processor says.
#[inline(always)]
pub fn load(vmcs: &u64) -> Result<(), VmxError> {
    // SAFETY: as for `with_address`; written apart because the jump costs two instructions less on the path of a call.
    unsafe {
        asm!("vmptrld [{}]", "jna {}", in(reg) vmcs, label { return Err(last_error()) }, options(nostack));
    }
    Ok(())
}

/// Reads a field of the current VMCS; any value if there is none.
#[inline(always)]
pub fn read(field: u32) -> u64 {
    let value: u64;
    // SAFETY: in VMX operation; reading a field of the current VMCS has no side effect. A failure leaves whatever
    // the register held.
    unsafe {
        asm!("vmread {value}, {field}", field = in(reg) u64::from(field), value = lateout(reg) value,
            options(nostack));
    }
    value
}

/// Writes a field that every processor has, which cannot fail.
#[inline(always)]
pub fn write(field: u32, value: u64) {
    // SAFETY: in VMX operation; a field of a guest's VMCS does not concern root mode until the next entry, which
    // checks guest state and controls; host state is written by `write_checked` only.
    unsafe {
        asm!("vmwrite {field}, {value}", field = in(reg) u64::from(field), value = in(reg) value, options(nostack));
    }
}

/// Writes a field of the current VMCS.
///
/// # Errors
/// When the field does not exist on this processor.
pub fn write_checked(field: u32, value: u64) -> Result<(), VmxError> {
    let is_failed: u8;
    // SAFETY: as for `write`; host state comes from this crate's own tables.
    unsafe {
        asm!("vmwrite {field}, {value}", "setna {failed}", field = in(reg) u64::from(field), value = in(reg) value,
            failed = out(reg_byte) is_failed, options(nostack));
    }
    result(is_failed)
}

#[repr(C, align(16))]
struct Descriptor([u64; 2]);

/// Drops translations under an EPT pointer (kind 1), or under all (kind 2).
pub fn invalidate_ept(kind: u64, ept_pointer: u64) {
    let descriptor = Descriptor([ept_pointer, 0]);
    // SAFETY: dropping translations is always allowed; the kinds used were found in the capability MSR.
    unsafe { asm!("invept {}, [{}]", in(reg) kind, in(reg) &raw const descriptor, options(nostack)) };
}

/// Drops all translations tagged with any VPID.
pub fn invalidate_all_vpids() {
    const ALL_CONTEXTS: u64 = 2;
    let descriptor = Descriptor([0, 0]);
    // SAFETY: as for `invalidate_ept`.
    unsafe { asm!("invvpid {}, [{}]", in(reg) ALL_CONTEXTS, in(reg) &raw const descriptor, options(nostack)) };
}
