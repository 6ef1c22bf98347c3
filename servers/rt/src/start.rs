// SPDX-License-Identifier: MIT OR Apache-2.0
//! The image's first bytes, and its last words.

use core::panic::PanicInfo;

use sawmill_abi::fault::ExitKind;

core::arch::global_asm!(include_str!("entry.S"), magic = const sawmill_abi::machine::FLAT_IMAGE_MAGIC);
core::arch::global_asm!(include_str!("tables.S"));

/// Exit code of a partition that panicked.
const PANIC_CODE: u64 = 101;

#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    crate::println!("panicked: {info}");
    crate::calls::partition_exit(ExitKind::Panic, PANIC_CODE)
}
