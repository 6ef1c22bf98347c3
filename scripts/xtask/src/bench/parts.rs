// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the instructions of figures above their goal go: a profile of these cases, in runs of their own.

use std::collections::BTreeSet;

use anyhow::Result;

use super::accepted::Accepted;
use super::results::{Parts, Row};
use crate::profile::{self, Profile, Work};
use crate::progress::Phase;

/// Operations of a run, in per cent: each instruction is recorded.
const SCALE: u32 = 20;
/// What the names of cases begin with that the ip partition serves.
const SOCKETS: [&str; 3] = ["nic-", "tcp-", "udp-"];

/// What the table is; both reports show it.
pub const EXPLANATION: &str = "Of what is above its goal: the multiserver's instructions per operation, by the part of \
    the system that runs them, counted one by one in a shorter run. An exit costs its modelled cycles besides; `calls` \
    is the glue of hypercalls and events, `glue` that of files and sockets; where a case waits, `program` is also what \
    counts the idle time.";

/// Profiles the cases that are above their goal; others that the same parameters bring are left out.
///
/// # Errors
/// As [`profile::count_cases`].
pub fn collect(rows: &[Row], accepted: &Accepted) -> Result<Vec<Parts>> {
    let above: Vec<&Row> = rows.iter().filter(|row| accepted.is_above_goal(row)).collect();
    let mut parts = Vec::new();
    for server in ["ext2", "ip"] {
        let mut cases: Vec<String> =
            above.iter().map(|row| row.case.clone()).filter(|case| server_of(case) == server).collect();
        cases.dedup();
        if cases.is_empty() {
            continue;
        }
        let phase = Phase::start(&format!("where the instructions go: {}", cases.join(", ")));
        let work = Work { cases: &cases, scale: SCALE, server: Some(server), keep: None };
        let profiles = profile::count_cases(&work)?;
        phase.done("");
        parts.extend(profiles.iter().map(named));
    }
    Ok(parts)
}

fn server_of(case: &str) -> &'static str {
    if SOCKETS.iter().any(|begin| case.starts_with(begin)) { "ip" } else { "ext2" }
}

fn named(profile: &Profile) -> Parts {
    let parts = profile.parts().into_iter().map(|(part, instructions)| (part.to_owned(), instructions)).collect();
    Parts { case: profile.case.clone(), parameter: profile.parameter, parts }
}

/// A table with a column for each row: titles first, then parts, then the sum; nothing of nothing.
pub fn table(parts: &[Parts]) -> Vec<Vec<String>> {
    if parts.is_empty() {
        return Vec::new();
    }
    let all: BTreeSet<&str> = parts.iter().flat_map(|of| of.parts.keys().map(String::as_str)).collect();
    let line = |name: &str, value: &dyn Fn(&Parts) -> u64| {
        std::iter::once(name.to_owned())
            .chain(parts.iter().map(|of| super::figures::number(value(of) as f64)))
            .collect()
    };
    let titles = std::iter::once("part".to_owned()).chain(parts.iter().map(Parts::title)).collect();
    let mut lines = vec![titles];
    for part in all {
        // Numbers put the parts of a kernel in order.
        let name = part.trim_start_matches(|digit: char| digit.is_ascii_digit()).trim_start();
        lines.push(line(name, &|of| of.parts.get(part).copied().unwrap_or(0)));
    }
    lines.push(line("all", &|of| of.parts.values().sum()));
    lines
}
