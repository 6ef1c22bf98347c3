// SPDX-License-Identifier: MIT OR Apache-2.0
//! Last words: what happened, where, on which CPU, for which partition.
//!
//! Takes no lock and allocates nothing; the first CPU to get here stops the
//! others by an NMI, whatever they do, and speaks. Symbols come from the tables the boot loader kept.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, Ordering};

use arrayvec::ArrayVec;
use spin::Once;

use sawmill_logic::platform::Platform;

use crate::{MACHINE, apic::local, boot::multiboot::SymbolTables};
use crate::{console::LastWords, cpu::area, cpu::exceptions::Frame, memory::paging};

static SYMBOLS: Once<SymbolTables> = Once::new();
/// Some CPU says its last words: whoever gets an NMI stops (`exceptions.S`).
pub static IS_BEGUN: AtomicBool = AtomicBool::new(false);
/// Words of stack searched for return addresses.
const STACK_WORDS: u64 = 256;
const BACKTRACE_MAX: usize = 12;

/// Remembers where the image's symbols are.
pub fn set_symbols(tables: SymbolTables) {
    SYMBOLS.call_once(|| tables);
}

/// Tells that an exception occurred in root mode, and stops the machine.
pub fn exception(frame: &Frame, cr2: u64) -> ! {
    write(
        format_args!(
            "exception {} (error {:#x}) at {}, rsp {:#x}, cr2 {:#x}, rax {:#x} rcx {:#x} rdx {:#x} rdi {:#x} rsi {:#x}",
            frame.vector,
            frame.error_code,
            Symbol(frame.rip),
            frame.rsp,
            cr2,
            frame.registers[0],
            frame.registers[1],
            frame.registers[2],
            frame.registers[6],
            frame.registers[5],
        ),
        frame.rsp,
    )
}

/// Tells that the hypervisor gave up, and stops the machine.
pub fn panic(information: &core::panic::PanicInfo) -> ! {
    let here = 0u64;
    write(format_args!("{information}"), (&raw const here) as u64)
}

/// Tells that the machine reported broken hardware while a guest ran, and stops it.
pub fn machine_check() -> ! {
    write(format_args!("machine check while a guest ran"), u64::MAX)
}

/// Says why this machine cannot be used, in one sentence, and stops it.
pub fn refuse(reason: &str) -> ! {
    let _ = write!(LastWords::begin(), "\r\nsawmill: cannot run here: this machine has {reason}\r\n");
    stop()
}

/// Says why the boot failed, in one sentence, and stops the machine.
pub fn fail_boot(reason: &str) -> ! {
    let _ = write!(LastWords::begin(), "\r\nsawmill: cannot boot: {reason}\r\n");
    stop()
}

fn write(what: fmt::Arguments, stack: u64) -> ! {
    if !IS_BEGUN.swap(true, Ordering::SeqCst) {
        if MACHINE.cpu_count() > 1 {
            local::send_nmi_to_others();
        }
        let cpu = area::current();
        let _ = write!(
            LastWords::begin(),
            "\r\n\nSAWMILL-EPITAPH cpu {} partition tag {}: {what}\r\n",
            cpu.index.load(Ordering::Relaxed),
            crate::virt::vmx::switch::loaded_tag(cpu),
        );
        backtrace(stack);
        let _ = write!(LastWords, "SAWMILL-EPITAPH end\r\n");
    }
    stop()
}

/// Prints words of the stack that look like return addresses: a guess, but one that needs no frame pointers.
fn backtrace(stack: u64) {
    let index = area::current().index.load(Ordering::Relaxed) as usize;
    let top = area::stack_top(index);
    let mut address = stack & !7;
    let end = top.min(address.saturating_add(STACK_WORDS * 8));
    let mut printed = 0;
    while address < end && top - address <= area::STACK_SIZE as u64 && printed < BACKTRACE_MAX {
        // SAFETY: inside this CPU's own stack (compared with its bounds just now), aligned, always mapped.
        let word = unsafe { (address as *const u64).read_volatile() };
        if is_after_call(word) {
            let _ = write!(LastWords, "  maybe from {}\r\n", Symbol(word));
            printed += 1;
        }
        address += 8;
    }
}

/// Whether an address follows a CALL instruction of the image, as a return address does.
fn is_after_call(address: u64) -> bool {
    const CALL_RELATIVE: u8 = 0xe8;
    const CALL_INDIRECT: u8 = 0xff;
    let byte_before = |distance: u64| {
        let at = address.wrapping_sub(distance);
        if paging::is_image_text(at) { read::<u8>(at as usize) } else { 0 }
    };
    paging::is_image_text(address)
        && (byte_before(5) == CALL_RELATIVE || [2, 3, 6].into_iter().any(|length| byte_before(length) == CALL_INDIRECT))
}

/// Stops this CPU for good.
pub fn stop() -> ! {
    loop {
        // SAFETY: nothing runs on this CPU any more.
        unsafe { core::arch::asm!("cli", "hlt", options(nomem, nostack)) };
    }
}

/// An address, shown with the symbol that it lies in.
struct Symbol(u64);

/// Entry of an ELF64 symbol table.
const ENTRY_SIZE: usize = 24;
/// Longer names are cut.
const NAME_MAX: usize = 256;

impl fmt::Display for Symbol {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "{:#x}", self.0)?;
        let Some(tables) = SYMBOLS.get() else { return Ok(()) };
        let mut best: Option<(u64, u32)> = None;
        let (start, size) = tables.symbols;
        for entry in (start..start + size / ENTRY_SIZE * ENTRY_SIZE).step_by(ENTRY_SIZE) {
            let (name, value) = (read::<u32>(entry), read::<u64>(entry + 8));
            if name != 0 && value <= self.0 && paging::is_image_text(value) && best.is_none_or(|(at, _)| value >= at) {
                best = Some((value, name));
            }
        }
        let Some((value, name)) = best else { return Ok(()) };
        formatter.write_str(" = ")?;
        let (names, size) = tables.names;
        let bytes = (names + name as usize..names + size).map(read::<u8>).take_while(|&byte| byte != 0);
        let name: ArrayVec<u8, NAME_MAX> = bytes.take(NAME_MAX).collect();
        let name = rustc_demangle::demangle(core::str::from_utf8(&name).unwrap_or("?"));
        write!(formatter, "{name:#}+{:#x}", self.0 - value)
    }
}

/// Reads a value of the symbol tables or of the image's code.
fn read<T: Copy>(address: usize) -> T {
    // SAFETY: (1) callers stay within the image's code, or within the tables, which the loader put into identity-mapped
    // RAM and the inventory keeps out of the free memory; (2) integers of any alignment and value.
    unsafe { (address as *const T).read_unaligned() }
}
