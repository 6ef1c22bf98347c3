// SPDX-License-Identifier: MIT OR Apache-2.0
//! Instructions that a processor says it has, tried at boot before partitions see them.

use core::arch::asm;

/// ADX in CPUID leaf 7, EBX.
const ADX: u32 = 1 << 19;

/// ADX, if ADOX does not leave the carry of an unsigned addition in OF: that of Bochs 2.7 leaves the overflow of a signed one.
pub fn unsound_adx() -> u32 {
    if raw_cpuid::native_cpuid::cpuid_count(7, 0).ebx & ADX == 0 {
        return 0;
    }
    let carry: u32;
    // SAFETY: ADOX exists; it touches these two registers and flags.
    unsafe {
        asm!("xor {carry:e}, {carry:e}", "adox {term}, {term}", "seto {carry:l}",
            carry = out(reg) carry, term = inout(reg) u64::MAX => _, options(pure, nomem, nostack));
    }
    if carry == 1 { 0 } else { ADX }
}
