// SPDX-License-Identifier: MIT OR Apache-2.0
//! `--read LOG`: result blocks out of the logs of machines, such as the boot menu's benchmark entries leave.
//!
//! A block goes from the program's line `start` to its line `end`; it says itself which system it comes from.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::model::Counter;
use super::sample::Machine;

/// How far a multiplication's ticks may be from one where instructions are counted.
const COUNT_SLACK: f64 = 0.05;
/// What QEMU's own emulation calls itself.
const TCG: &str = "TCGTCGTCGTCG";

/// The blocks of both systems; a system without one has an empty text.
pub fn logs(files: &[PathBuf]) -> Result<(String, String)> {
    let mut all = String::new();
    for file in files {
        let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        all += &String::from_utf8_lossy(&bytes).replace('\r', "");
        all.push('\n');
    }
    let (stock, ours) = split(&all);
    if stock.is_empty() && ours.is_empty() {
        bail!("there is no result of sawmill-bench in {} log(s)", files.len());
    }
    Ok((stock, ours))
}

/// What stock Linux said, and what the multiserver said.
fn split(log: &str) -> (String, String) {
    let (mut stock, mut ours) = (String::new(), String::new());
    let mut current: Option<&mut String> = None;
    for line in log.lines() {
        if line.contains("{\"start\":\"sawmill-bench\"") {
            current = Some(if line.contains("\"system\":\"multiserver\"") { &mut ours } else { &mut stock });
        }
        if let Some(text) = &mut current {
            text.push_str(line);
            text.push('\n');
        }
        if line.contains("{\"end\":\"sawmill-bench\"") {
            current = None;
        }
    }
    (stock, ours)
}

/// What the machine's time stamp counter counts, if the program found it out.
pub fn counter(machine: &Machine) -> Option<Counter> {
    if machine.ticks_per_multiplication == 0.0 {
        return None;
    }
    let is_one = (machine.ticks_per_multiplication - 1.0).abs() < COUNT_SLACK;
    Some(if is_one { Counter::Instructions } else { Counter::Cycles })
}

/// What a reader of the report has to know about two machines, in sentences.
pub fn warnings(stock: &Machine, ours: &Machine) -> Vec<String> {
    let mut said = Vec::new();
    for (name, machine) in [("Stock Linux", stock), ("The multiserver", ours)] {
        if machine.hypervisor == TCG {
            said.push(format!("{name} ran in QEMU's emulation, whose time says nothing about any processor."));
        }
    }
    let are_both_known = !stock.processor.is_empty() && !ours.processor.is_empty();
    if are_both_known && (stock.processor != ours.processor || counter(stock) != counter(ours)) {
        said.push(format!(
            "The machines differ ({} and {}): no ratio here means anything.",
            stock.processor, ours.processor
        ));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::sample;

    const BOTH: &str = include_str!("testdata/hardware.log");

    #[test]
    fn both_blocks_are_found_in_one_log() {
        let (stock, ours) = split(BOTH);
        let (stock, ours) = (sample::parse(&stock), sample::parse(&ours));
        assert_eq!((stock.incomplete, ours.incomplete), (None, None));
        assert_eq!((stock.machine.system.as_str(), ours.machine.system.as_str()), ("stock", "multiserver"));
        assert_eq!((stock.entries.len(), ours.entries.len()), (3, 3));
        assert_eq!(counter(&ours.machine), Some(Counter::Cycles));
        assert!(warnings(&stock.machine, &ours.machine).is_empty());
    }

    #[test]
    fn machines_that_differ_are_told() {
        let real = Machine { processor: "A".to_owned(), ticks_per_multiplication: 2.7, ..Machine::default() };
        let counting = Machine { processor: "B".to_owned(), ticks_per_multiplication: 1.001, ..Machine::default() };
        let emulated = Machine { hypervisor: TCG.to_owned(), ..real.clone() };
        assert_eq!(counter(&counting), Some(Counter::Instructions));
        assert_eq!(counter(&Machine::default()), None);
        assert_eq!(warnings(&real, &counting).len(), 1);
        assert_eq!(warnings(&emulated, &real).len(), 1);
    }
}
