// SPDX-License-Identifier: MIT OR Apache-2.0
//! MSR policy: what RDMSR and WRMSR exits answer.
//!
//! MSRs that a guest owns (EFER, PAT, STAR, FS and GS bases and so on) are
//! switched by the machine crate and never exit. The default is #GP.

/// What to do with an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MsrAnswer {
    /// RDMSR gives this value.
    Value(u64),
    /// WRMSR has no effect.
    Ignore,
    /// #GP.
    Fault,
}

// SDM Vol. 4, "Architectural MSRs".
const IA32_PLATFORM_ID: u32 = 0x17;
const IA32_BIOS_SIGN_ID: u32 = 0x8b;
const IA32_MISC_ENABLE: u32 = 0x1a0;

/// IA32_MISC_ENABLE: fast strings and nothing else.
const MISC_ENABLE_FAST_STRINGS: u64 = 1;

/// Decides a RDMSR; `misc_enable` is the machine's own IA32_MISC_ENABLE.
///
/// Whether strings are fast is the machine's to say: a guest told otherwise copies by the slower way.
pub fn read(number: u32, misc_enable: u64) -> MsrAnswer {
    match number {
        IA32_MISC_ENABLE => MsrAnswer::Value(misc_enable & MISC_ENABLE_FAST_STRINGS),
        IA32_BIOS_SIGN_ID | IA32_PLATFORM_ID => MsrAnswer::Value(0),
        _ => MsrAnswer::Fault,
    }
}

/// Decides a WRMSR.
pub fn write(number: u32, value: u64) -> MsrAnswer {
    match number {
        // The way to ask for the microcode revision is to write 0 first.
        IA32_BIOS_SIGN_ID if value == 0 => MsrAnswer::Ignore,
        IA32_MISC_ENABLE if value == MISC_ENABLE_FAST_STRINGS => MsrAnswer::Ignore,
        _ => MsrAnswer::Fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fast_strings_are_the_machine_s() {
        assert_eq!(read(IA32_MISC_ENABLE, u64::MAX), MsrAnswer::Value(1));
        assert_eq!(read(IA32_MISC_ENABLE, u64::MAX - 1), MsrAnswer::Value(0));
    }

    #[test]
    fn only_the_listed_registers_do_not_fault() {
        for number in (0..0x2000).chain(0xc000_0000..0xc000_2000) {
            let is_listed = [0x17, 0x8b, 0x1a0].contains(&number);
            assert_eq!(read(number, 1) == MsrAnswer::Fault, !is_listed, "MSR {number:#x}");
            assert_eq!(write(number, 0x1234), MsrAnswer::Fault, "MSR {number:#x}");
        }
    }
}
