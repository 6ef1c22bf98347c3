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

/// Refuses every allocation: the `object` crate names the heap, but what is used of it does not allocate.
struct NoHeap;

// SAFETY: an allocator may always refuse; nothing is ever handed out, so nothing comes back.
unsafe impl core::alloc::GlobalAlloc for NoHeap {
    unsafe fn alloc(&self, _layout: core::alloc::Layout) -> *mut u8 {
        core::ptr::null_mut()
    }

    unsafe fn dealloc(&self, _pointer: *mut u8, _layout: core::alloc::Layout) {}
}

#[global_allocator]
static NO_HEAP: NoHeap = NoHeap;
