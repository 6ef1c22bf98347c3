// SPDX-License-Identifier: MIT OR Apache-2.0
//! Figures of the system as a whole: what must be trusted, what Linux was changed, what memory it takes.

use anyhow::Result;

use super::memory;
use super::results::Fact;
use crate::test::measure;

/// Limits from the design (sections 4, 5, 11).
const ROOT_MODE_LINES: f64 = 8000.0;
const PATCHES: f64 = 15.0;
const PATCH_LINES: f64 = 400.0;
const SERVER_MEMORY_MIB: f64 = 48.0;
const EMPTY_CALL_INSTRUCTIONS: f64 = 300.0;
const EMPTY_CALL_EXITS: f64 = 2.0;

/// The partition that runs programs; its memory is not overhead.
const PROGRAMS: &str = "app";

fn fact(what: &str, value: f64, unit: &str, goal: Option<f64>) -> Fact {
    Fact { what: what.to_owned(), value, unit: unit.to_owned(), goal }
}

/// Reads what the conformance suite says of an empty call: `empty call: N instructions, M exits`.
pub fn empty_call(log: &str) -> Vec<Fact> {
    let Some((_, said)) = log.lines().find_map(|line| line.split_once("empty call: ")) else { return Vec::new() };
    let mut numbers = said.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse::<f64>().ok());
    let (Some(instructions), Some(exits)) = (numbers.next(), numbers.next()) else { return Vec::new() };
    let what = "Empty portal call and reply";
    vec![
        fact(what, instructions, "instructions", Some(EMPTY_CALL_INSTRUCTIONS)),
        fact(what, exits, "exits", Some(EMPTY_CALL_EXITS)),
    ]
}

/// Collects the facts; `log` holds root's records of a run. Root and the kernel's image are not in them.
pub fn collect(log: &str) -> Result<Vec<Fact>> {
    let (patches, changed_lines) = measure::patches()?;
    let mut facts = vec![
        fact("Code in root mode", measure::root_mode_lines()? as f64, "lines", Some(ROOT_MODE_LINES)),
        fact("Patches of Linux", patches as f64, "patches", Some(PATCHES)),
        fact("Changed lines in them", changed_lines as f64, "lines", Some(PATCH_LINES)),
    ];
    let memory = memory::parse(log);
    for entry in &memory {
        facts.push(fact(&format!("Memory of {}", entry.partition), mebibytes(entry.region_bytes), "MiB", None));
    }
    if !memory.is_empty() {
        let servers = memory.iter().filter(|entry| entry.partition != PROGRAMS).map(|entry| entry.region_bytes);
        let kernel = memory.iter().map(|entry| entry.kernel_bytes);
        let beyond = servers.sum::<u64>() + kernel.sum::<u64>();
        facts.push(fact("Memory beyond stock Linux", mebibytes(beyond), "MiB", Some(SERVER_MEMORY_MIB)));
    }
    Ok(facts)
}

fn mebibytes(bytes: u64) -> f64 {
    (bytes as f64 / 104_857.6).round() / 10.0
}
