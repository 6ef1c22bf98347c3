// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads what Bochs says about instructions: `(0).[TIME] [0xPHYSICAL] SELECTOR:ADDRESS (...): ...`.
//!
//! Both kernels lie at the same virtual addresses; the physical ones tell them apart. The time counts
//! instructions, also the repetitions of a string instruction.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result};

/// Where Linux's kernel image begins.
const KERNEL_BASE: u64 = 0xffff_ffff_8000_0000;
/// Where addresses of programs end.
const PROGRAM_END: u64 = 1 << 47;
/// How the debugger says that it has stopped, at a mark.
const STOPPED: &[u8] = b"Next at t=";
/// The bits of a selector that say the privilege level.
const PRIVILEGE: u64 = 3;

/// Who runs an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The benchmark program.
    Program,
    /// The Linux kernel that called first.
    Client,
    /// The other one.
    Server,
    /// Root mode, and root.
    Hypervisor,
}

/// Instructions by who ran them, and address.
pub type Counts = BTreeMap<(Place, u64), u64>;

struct Instruction {
    time: u64,
    physical: u64,
    selector: u64,
    address: u64,
}

fn parse(line: &str) -> Option<Instruction> {
    let rest = line.strip_prefix("(0).[")?;
    let (time, rest) = rest.split_once("] [0x")?;
    let (physical, rest) = rest.split_once("] ")?;
    let (selector, rest) = rest.split_once(':')?;
    let (address, _) = rest.split_once(' ')?;
    let hex = |text| u64::from_str_radix(text, 16).ok();
    Some(Instruction {
        time: time.parse().ok()?,
        physical: hex(physical)?,
        selector: hex(selector)?,
        address: hex(address)?,
    })
}

/// Counts the instructions in `record`, separately between each two marks.
pub fn read(record: &Path) -> Result<Vec<Counts>> {
    let file = File::open(record).with_context(|| format!("cannot read {}", record.display()))?;
    let mut lines = BufReader::new(file);
    let (mut sections, mut counts, mut line) = (Vec::new(), Counts::new(), Vec::new());
    let mut client_offset = None;
    let mut last: Option<(Place, Instruction)> = None;
    loop {
        line.clear();
        let is_end = lines.read_until(b'\n', &mut line)? == 0;
        if is_end || line.starts_with(STOPPED) {
            last = None;
            if !counts.is_empty() {
                sections.push(std::mem::take(&mut counts));
            }
        }
        if is_end {
            return Ok(sections);
        }
        let Some(instruction) = parse(&String::from_utf8_lossy(&line)) else { continue };
        if let Some((place, before)) = last {
            *counts.entry((place, before.address)).or_default() += instruction.time.saturating_sub(before.time);
        }
        last = Some((place_of(&instruction, &mut client_offset), instruction));
    }
}

fn place_of(instruction: &Instruction, client_offset: &mut Option<u64>) -> Place {
    if instruction.address >= KERNEL_BASE {
        let offset = instruction.physical.wrapping_sub(instruction.address);
        let is_client = *client_offset.get_or_insert(offset) == offset;
        return if is_client { Place::Client } else { Place::Server };
    }
    let is_program = instruction.address < PROGRAM_END && instruction.selector & PRIVILEGE == PRIVILEGE;
    if is_program { Place::Program } else { Place::Hypervisor }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_told_apart() {
        let record = std::env::temp_dir().join(format!("sawmill-count-{}", std::process::id()));
        let lines = "Tracing enabled for CPU0\n\
            (0).[100] [0x000013003e6d] 0033:0000000000403e6d (unk. ctxt): syscall   ; 0f05\n\
            (0).[101] [0x000000912000] 0010:ffffffff80012000 (unk. ctxt): rep movsq ; f348a5\n\
            (0).[109] [0x000000912003] 0010:ffffffff80012003 (unk. ctxt): vmcall    ; 0f01c1\n\
            (0).[110] [0x000000209a60] 0008:0000000000209a60 (unk. ctxt): push rax  ; 50\n\
            (0).[111] [0x0000007a2003] 0010:ffffffff80012003 (unk. ctxt): ret       ; c3\n\
            Next at t=112\n\
            (0).[200] [0x000000912000] 0010:ffffffff80012000 (unk. ctxt): nop       ; 90\n";
        std::fs::write(&record, lines).expect("a file can be written");
        let sections = read(&record).expect("a record can be read");
        std::fs::remove_file(&record).expect("the file is there");
        let expected = [
            ((Place::Program, 0x40_3e6d), 1),
            ((Place::Client, 0xffff_ffff_8001_2000), 8),
            ((Place::Client, 0xffff_ffff_8001_2003), 1),
            ((Place::Hypervisor, 0x20_9a60), 1),
        ];
        assert_eq!(sections, [Counts::from(expected)]);
    }
}
