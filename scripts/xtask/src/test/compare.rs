// SPDX-License-Identifier: MIT OR Apache-2.0
//! The comparison with stock Linux: a short set of it within the accepted ratios, and logs of the boot menu's entries.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::Case;
use super::measure;
use super::refusals::{hardware, listen};
use super::support::Bench;
use crate::paths::Scratch;
use crate::run::emulator::{Emulator, Ports, Words};
use crate::run::options::Hardware;
use crate::run::qemu::{self, Accelerator, Start};
use crate::run::{bochs, session};

/// What ends a benchmark entry.
const END: &str = "SAWMILL-END status=";
const END_LIMIT: Duration = Duration::from_secs(600);

/// The cases that every test run compares: those with an accepted ratio that do not need much time.
const SHORT: &str = "getppid,reread,read-cold,write-fsync,stat,open,stat-uncached,create,rename,unlink,byte-fsync";
/// What the boot menu's entries run in the test.
const MENU_CASES: &str = "getppid,stat,create";

/// The tests.
pub const CASES: &[Case] = &[Case { name: "bench-check", limit_s: 500, run: check }];

/// Tests that take long.
pub const LONG: &[Case] = &[Case { name: "bench-menu", limit_s: 1500, run: menu }];

fn check(bench: &Bench) -> Result<()> {
    let out = bench.path("bench").display().to_string();
    let ended = bench.xtask(&["bench", "--check", "--runs", "1", "--only", SHORT, "--out", &out], &[])?;
    let bad: Vec<&str> = ended.errors.lines().filter(|line| line.starts_with("bad ")).collect();
    if !bad.is_empty() {
        bail!("worse than ci/accepted-ratios.toml:\n{}", bad.join("\n"));
    }
    ended.expect_status(0)?;
    let results = results(&bench.path("bench"))?;
    let ratio = |case: &str| results.iter().find(|row| row["case"] == case).and_then(|row| row["ratio"].as_f64());
    let (reread, create) = (ratio("reread").context("no reread")?, ratio("create").context("no create")?);
    measure::remember(format!("against stock Linux, modelled: re-read {reread:.2}, create {create:.2}"));
    Ok(())
}

/// The rows of `results.json`.
fn results(dir: &Path) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(dir.join("results.json")).context("there is no results.json")?;
    let value: Value = serde_json::from_str(&text)?;
    if value["schema"] != "sawmill-bench-results" || value["version"].as_u64().is_none() {
        bail!("results.json does not say its version");
    }
    value["rows"].as_array().cloned().context("no rows")
}

/// Both benchmark entries of the boot image, by themselves; their serial logs become a report.
fn menu(bench: &Bench) -> Result<()> {
    let mut logs = Vec::new();
    for entry in ["multiserver-benchmark", "stock-benchmark"] {
        let iso = bench.path("sawmill.iso").display().to_string();
        let arguments = format!("--runs 1 --only {MENU_CASES}");
        let options = ["image", "--out", &iso, "--default", entry, "--bench-arguments", &arguments];
        bench.xtask(&options, &[])?.expect_status(0)?;
        let log = bench.path(entry);
        std::fs::write(&log, serial_log(Path::new(&iso), entry == "multiserver-benchmark")?)?;
        logs.push(log.display().to_string());
    }
    let out = bench.path("report").display().to_string();
    let ended = bench.xtask(&["bench", "--read", &logs[0], "--read", &logs[1], "--out", &out], &[])?;
    ended.expect_status(0)?.expect_in_output("| getppid |")?;
    // The one machine counts instructions, the other one is QEMU's emulation.
    ended.expect_in_output("The machines differ")?.expect_in_output("QEMU's emulation")?;
    let rows = results(&bench.path("report"))?;
    if rows.len() < MENU_CASES.split(',').count() || rows.iter().any(|row| row["ratio"].is_null()) {
        bail!("the report lacks rows or figures: {rows:?}");
    }
    Ok(())
}

/// Boots the image: Bochs has VT-x, QEMU's emulation is faster for what needs none.
fn serial_log(iso: &Path, needs_vtx: bool) -> Result<String> {
    let scratch = Scratch::new("menu")?;
    let ports = Ports::open(1)?;
    let hardware = Hardware { memory_mib: 640, ..hardware() };
    let command = match needs_vtx {
        true => bochs::command(&hardware, iso, None, &ports, &scratch)?,
        false => qemu::command(&hardware, (Accelerator::Emulation, Start::Bios), iso, None, &ports, &scratch)?,
    };
    let (sender, events) = std::sync::mpsc::channel::<session::Event>();
    let _emulator = Emulator::start(command, Words::Own, &ports, &scratch.join("out"), &sender)?;
    let started = Instant::now();
    let said = listen(&events, END_LIMIT, |said| said.contains(END))?;
    if !said.contains(END) {
        let seconds = started.elapsed().as_secs();
        bail!("no end after {seconds} s; it said:\n{}", crate::command::last_lines(&said));
    }
    Ok(said)
}
