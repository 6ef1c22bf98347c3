// SPDX-License-Identifier: MIT OR Apache-2.0
//! CPUID policy: what a partition sees of the processor.
//!
//! Passed on: instructions that work without the kernel's help. Hidden: what
//! is emulated nowhere (MSRs, monitors, counters, topology). Unknown leaves
//! are zero.

use sawmill_abi::{ABI_VERSION, CPUID_LEAF_ABI, CPUID_LEAF_BASE, CPUID_SIGNATURE};

/// EAX, EBX, ECX, EDX.
pub type Leaf = [u32; 4];

/// What the answer depends on beside the hardware's own.
#[derive(Clone, Copy, Debug)]
pub struct Viewer {
    /// Index of the vCPU in its partition.
    pub vcpu_index: u32,
    /// Its CR4.
    pub cr4: u64,
    /// TSC frequency.
    pub tsc_khz: u64,
}

const fn bits(numbers: &[u32]) -> u32 {
    let mut mask = 0;
    let mut index = 0;
    while index < numbers.len() {
        mask |= 1 << numbers[index];
        index += 1;
    }
    mask
}

const CR4_OSXSAVE: u64 = 1 << 18;

// SDM Vol. 2A, CPUID, "Feature Information Returned in the ECX Register".
const ECX1_OSXSAVE: u32 = 1 << 27;
const ECX1_HYPERVISOR: u32 = 1 << 31;
/// DTES64, MONITOR, DS-CPL, VMX, SMX, EST, TM2, CNXT-ID, SDBG, xTPR, PDCM, DCA, x2APIC, TSC deadline, OSXSAVE.
const ECX1_HIDDEN: u32 = bits(&[2, 3, 4, 5, 6, 7, 8, 10, 11, 14, 15, 18, 21, 24, 27]);
/// XSAVE and what needs its state: FMA, AVX, F16C.
const ECX1_EXTENDED: u32 = bits(&[12, 26, 28, 29]);
const EDX1_APIC: u32 = 1 << 9;
/// MCE, MTRR, MCA, PSN, DS, ACPI, SS, HTT, TM, PBE.
const EDX1_HIDDEN: u32 = bits(&[7, 12, 14, 18, 21, 22, 27, 28, 29, 31]);
/// FSGSBASE, BMI1, AVX2, SMEP, BMI2, ERMS, INVPCID, RDSEED, ADX, SMAP, CLFLUSHOPT, CLWB, SHA.
const EBX7_SHOWN: u32 = bits(&[0, 3, 5, 7, 8, 9, 10, 18, 19, 20, 23, 24, 29]);
const EBX7_AVX2: u32 = 1 << 5;
/// x87, SSE, AVX in XCR0.
const XCR0_SHOWN: u32 = 7;
const XCR0_AVX: u32 = 4;
/// XSAVEOPT, XSAVEC, XGETBV with ECX = 1.
const XSAVE_FORMS_SHOWN: u32 = 7;
const XSAVE_BYTES_SSE: u32 = 576;
const XSAVE_BYTES_AVX: u32 = 832;
const HIGHEST_LEAF: u32 = 0xd;
const HIGHEST_EXTENDED_LEAF: u32 = 0x8000_0008;
const INVARIANT_TSC: u32 = 1 << 8;
/// SVM in leaf 0x8000_0001.
const ECX81_HIDDEN: u32 = 1 << 2;

/// Answers CPUID, given the hardware's own answers.
pub fn answer(raw: impl Fn(u32, u32) -> Leaf, viewer: Viewer, leaf: u32, subleaf: u32) -> Leaf {
    let [eax, ebx, ecx, edx] = raw(leaf, subleaf);
    // The machine turned XSAVE on for itself only if it also switches that state.
    let has_xsave = raw(1, 0)[2] & ECX1_OSXSAVE != 0;
    let xcr0 = if has_xsave { raw(0xd, 0)[0] & XCR0_SHOWN } else { 0 };
    let has_avx = xcr0 & XCR0_AVX != 0;
    let xsave_bytes = if has_avx { XSAVE_BYTES_AVX } else { XSAVE_BYTES_SSE };
    match leaf {
        0 => [eax.min(HIGHEST_LEAF), ebx, ecx, edx],
        1 => {
            let mut shown = ecx & !ECX1_HIDDEN | ECX1_HYPERVISOR;
            if !has_avx {
                shown &= !ECX1_EXTENDED;
            } else if viewer.cr4 & CR4_OSXSAVE != 0 {
                shown |= ECX1_OSXSAVE;
            }
            let one_processor = 1 << 16;
            [
                eax,
                ebx & 0xff00 | ebx & 0xff | one_processor | viewer.vcpu_index << 24,
                shown,
                edx & !EDX1_HIDDEN | EDX1_APIC,
            ]
        }
        2 => [eax, ebx, ecx, edx],
        // Cache parameters, without how many processors share a cache.
        4 => [eax & 0x3fff, ebx, ecx, edx],
        7 if subleaf == 0 => [0, ebx & EBX7_SHOWN & if has_avx { !0 } else { !EBX7_AVX2 }, 0, 0],
        0xd if !has_avx => [0; 4],
        0xd => match subleaf {
            0 => [xcr0, xsave_bytes, xsave_bytes, 0],
            1 => [eax & XSAVE_FORMS_SHOWN, xsave_bytes, 0, 0],
            2 => [eax, ebx, ecx, edx],
            _ => [0; 4],
        },
        CPUID_LEAF_BASE => [CPUID_LEAF_ABI, CPUID_SIGNATURE[0], CPUID_SIGNATURE[1], CPUID_SIGNATURE[2]],
        CPUID_LEAF_ABI => [ABI_VERSION as u32, viewer.vcpu_index, viewer.tsc_khz.min(u64::from(u32::MAX)) as u32, 0],
        0x8000_0000 => [eax.min(HIGHEST_EXTENDED_LEAF), ebx, ecx, edx],
        0x8000_0001 => [eax, ebx, ecx & !ECX81_HIDDEN, edx],
        0x8000_0002..=0x8000_0006 => [eax, ebx, ecx, edx],
        0x8000_0007 => [0, 0, 0, INVARIANT_TSC],
        0x8000_0008 => [eax, 0, 0, 0],
        _ => [0; 4],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn everything(_: u32, _: u32) -> Leaf {
        [u32::MAX; 4]
    }

    fn viewer(cr4: u64) -> Viewer {
        Viewer { vcpu_index: 3, cr4, tsc_khz: 1_000_000 }
    }

    #[test]
    fn nothing_that_needs_emulation_is_shown() {
        let [_, ebx, ecx, edx] = answer(everything, viewer(0), 1, 0);
        for (name, bit) in [("MONITOR", 3), ("VMX", 5), ("x2APIC", 21), ("TSC deadline", 24), ("OSXSAVE", 27)] {
            assert_eq!(ecx >> bit & 1, 0, "{name}");
        }
        for (name, bit) in [("MCE", 7), ("MTRR", 12), ("MCA", 14), ("ACPI", 22), ("HTT", 28)] {
            assert_eq!(edx >> bit & 1, 0, "{name}");
        }
        assert_eq!((ecx >> 31, edx >> 9 & 1, ebx >> 24), (1, 1, 3));
        for leaf in [5, 6, 0xa, 0xb, 0xf, 0x10, 0x12, 0x14, 0x15, 0x16, 0x1f, 0x4000_0100, 0x7fff_ffff] {
            assert_eq!(answer(everything, viewer(0), leaf, 0), [0; 4], "leaf {leaf:#x}");
        }
    }

    #[test]
    fn osxsave_mirrors_the_guest() {
        assert_eq!(answer(everything, viewer(1 << 18), 1, 0)[2] >> 27 & 1, 1);
        assert_eq!(answer(everything, viewer(0), 1, 0)[2] >> 27 & 1, 0);
    }

    #[test]
    fn avx_vanishes_with_xsave() {
        let without = |leaf, subleaf| {
            let mut raw = everything(leaf, subleaf);
            if leaf == 1 {
                raw[2] &= !(1 << 27);
            }
            raw
        };
        assert_eq!(answer(without, viewer(1 << 18), 1, 0)[2] & bits(&[12, 26, 27, 28, 29]), 0);
        assert_eq!(answer(without, viewer(0), 7, 0)[1] >> 5 & 1, 0);
        assert_eq!(answer(without, viewer(0), 0xd, 0), [0; 4]);
        assert_eq!(answer(everything, viewer(0), 0xd, 0)[0], 7);
    }

    #[test]
    fn hypervisor_leaves_name_us() {
        let [highest, b, c, d] = answer(everything, viewer(0), CPUID_LEAF_BASE, 0);
        let name: Vec<u8> = [b, c, d].iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!((highest, name.as_slice()), (CPUID_LEAF_ABI, b"SawMillSawMi".as_slice()));
        assert_eq!(answer(everything, viewer(0), highest, 0), [ABI_VERSION as u32, 3, 1_000_000, 0]);
    }
}
