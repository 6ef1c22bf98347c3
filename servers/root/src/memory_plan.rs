// SPDX-License-Identifier: MIT OR Apache-2.0
//! Checks that everything fits into a Linux partition's memory, and places the initial ramdisk.

use sawmill_abi::PAGE_SIZE;

use crate::failure;
use crate::failure::Failure;
use crate::linux_elf::Kernel;

/// Memory below this holds what root writes, and the PC's hole.
const KERNEL_MIN: u64 = 0x10_0000;
/// Memory that the kernel needs right behind its image for its first page tables (`brk`).
const KERNEL_MARGIN: u64 = 1 << 20;

/// Returns where an initial ramdisk of this size goes: as high as possible.
///
/// # Errors
/// A text for people when kernel and ramdisk do not fit.
pub fn place(memory_bytes: u64, kernel: &Kernel, initrd_bytes: u64) -> Result<u64, Failure> {
    if kernel.start < KERNEL_MIN {
        return Err(failure!("the kernel wants to lie at {:#x}, below 1 MiB", kernel.start));
    }
    if kernel.end.saturating_add(KERNEL_MARGIN) > memory_bytes {
        let (end, memory) = (kernel.end >> 10, memory_bytes >> 10);
        return Err(failure!("memory of {memory} KiB is too small: the kernel ends at {end} KiB"));
    }
    let start = memory_bytes.checked_sub(initrd_bytes).map(|start| start / PAGE_SIZE * PAGE_SIZE);
    match start {
        Some(start) if start >= kernel.end + KERNEL_MARGIN => Ok(start),
        _ => {
            let (end, memory, initrd) = (kernel.end >> 10, memory_bytes >> 10, initrd_bytes.div_ceil(1024));
            Err(failure!(
                "memory of {memory} KiB is too small: the kernel ends at {end} KiB and the initial ramdisk needs {initrd} KiB"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrayvec::ArrayVec;

    const MIB: u64 = 1 << 20;

    fn kernel(start: u64, end: u64) -> Kernel {
        Kernel { segments: ArrayVec::new(), entry: start, start, end }
    }

    #[test]
    fn ramdisk_is_on_top_and_page_aligned() {
        assert_eq!(place(64 * MIB, &kernel(16 * MIB, 26 * MIB), 5000), Ok(64 * MIB - 8192));
    }

    #[test]
    fn ramdisk_over_the_kernel_is_refused() {
        let text = place(28 * MIB, &kernel(16 * MIB, 26 * MIB), 3 * MIB).unwrap_err();
        assert_eq!(
            text.text(),
            "memory of 28672 KiB is too small: the kernel ends at 26624 KiB and the initial ramdisk needs 3072 KiB"
        );
        assert!(place(28 * MIB, &kernel(16 * MIB, 26 * MIB), u64::MAX).is_err());
    }

    #[test]
    fn kernel_outside_memory_is_refused() {
        assert!(place(24 * MIB, &kernel(16 * MIB, 26 * MIB), 0).is_err());
        assert!(place(24 * MIB, &kernel(0x1000, 2 * MIB), 0).is_err());
        assert!(place(24 * MIB, &kernel(2 * MIB, u64::MAX), 0).is_err());
    }
}
