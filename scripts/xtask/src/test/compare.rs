// SPDX-License-Identifier: MIT OR Apache-2.0
//! The comparison with stock Linux: a short set of it within the accepted ratios, and logs of the boot menu's entries.

use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::Case;
use super::measure;
use super::refusals::{hardware, listen};
use super::release_image::PROMPT;
use super::screen;
use super::support::{Bench, Ended};
use crate::paths::Scratch;
use crate::run::emulator::{Emulator, Ports, Words};
use crate::run::options::{Hardware, Marks};
use crate::run::qemu::{self, Accelerator, Start};
use crate::run::{bochs, session};

/// What the emulator says itself, in the machine's directory.
const WORDS: &str = "words";
const END_LIMIT: Duration = Duration::from_secs(600);

/// The cases that every test run compares: those with an accepted ratio that do not need much time.
const SHORT: &str = "getppid,reread,read-cold,write-fsync,stat,open,stat-uncached,create,rename,unlink,byte-fsync";
/// What stands above the results on the screen, and below them.
const TABLE: &str = "sawmill-bench, ticks per operation (median):";
const TABLE_END: &str = "Now switch off.";
/// What the boot menu's entries run in the test.
const MENU_CASES: &str = "getppid,stat";

/// The tests.
pub const CASES: &[Case] =
    &[Case { name: "bench-check", limit_s: 500, run: check }, Case { name: "bench-menu", limit_s: 500, run: menu }];

/// Tests that take long.
pub const LONG: &[Case] = &[Case { name: "bench-long-menu", limit_s: 1500, run: menu_in_bochs }];

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

/// The entries of the boot menu that nothing else boots: both benchmarks, whose serial logs become a report and whose
/// results are on the screen, and stock Linux's shell. QEMU's emulation is the fastest that has what an entry needs.
fn menu(bench: &Bench) -> Result<()> {
    let report = report_of_menu(bench, Emulation::Qemu)?;
    // The one machine counts instructions, the other one is QEMU's emulation.
    report.expect_in_output("The machines differ")?.expect_in_output("QEMU's emulation")?;
    let iso = menu_image(bench, "stock")?;
    let scratch = Scratch::new("menu")?;
    let mut machine = Booted::start(&iso, Emulation::Qemu, &scratch)?;
    machine.expect(PROMPT)?;
    machine.emulator.send(0, b"echo A$((40+2))\r")?;
    machine.expect("A42").map(drop)
}

/// Both benchmark entries on the same machine.
fn menu_in_bochs(bench: &Bench) -> Result<()> {
    let report = report_of_menu(bench, Emulation::Bochs)?;
    if report.output.contains("The machines differ") {
        bail!("the machines are alike, but: {}", report.output);
    }
    Ok(())
}

/// Boots both benchmark entries, stock Linux in `emulation`, and makes the report of what they said.
fn report_of_menu(bench: &Bench, emulation: Emulation) -> Result<Ended> {
    let mut logs = Vec::new();
    for (entry, emulation) in [("multiserver-benchmark", Emulation::Bochs), ("stock-benchmark", emulation)] {
        let iso = menu_image(bench, entry)?;
        let scratch = Scratch::new("menu")?;
        let machine = Booted::start(&iso, emulation, &scratch)?;
        let said = machine.expect(TABLE_END)?;
        let shown = screen::expect_text(TABLE_END, || machine.screen_memory())?;
        let table = shown.rsplit_once(TABLE).with_context(|| format!("{entry}: no table, but: {}", shown.trim()))?.1;
        if let Some(case) = MENU_CASES.split(',').find(|case| !table.contains(case)) {
            bail!("{entry}: {case} is not on the screen, but: {}", table.trim());
        }
        let log = bench.path(entry);
        std::fs::write(&log, said)?;
        logs.push(log.display().to_string());
    }
    let out = bench.path("report").display().to_string();
    let ended = bench.xtask(&["bench", "--read", &logs[0], "--read", &logs[1], "--out", &out], &[])?;
    ended.expect_status(0)?.expect_in_output("| getppid |")?;
    let rows = results(&bench.path("report"))?;
    if rows.len() < MENU_CASES.split(',').count() || rows.iter().any(|row| row["ratio"].is_null()) {
        bail!("the report lacks rows or figures: {rows:?}");
    }
    Ok(ended)
}

/// The boot image, with `entry` started by itself.
fn menu_image(bench: &Bench, entry: &str) -> Result<PathBuf> {
    let iso = bench.path("sawmill.iso");
    let arguments = format!("--runs 1 --mark --only {MENU_CASES}");
    let options = ["image", "--out", &iso.display().to_string(), "--default", entry, "--bench-arguments", &arguments];
    bench.xtask(&options, &[])?.expect_status(0)?;
    Ok(iso)
}

/// What executes a boot entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Emulation {
    /// Has VT-x.
    Bochs,
    /// Is faster.
    Qemu,
}

/// A machine that boots the image.
struct Booted<'a> {
    emulator: Emulator,
    events: Receiver<session::Event>,
    emulation: Emulation,
    scratch: &'a Scratch,
}

impl<'a> Booted<'a> {
    fn start(iso: &Path, emulation: Emulation, scratch: &'a Scratch) -> Result<Self> {
        let ports = Ports::open(1)?;
        let hardware = Hardware { memory_mib: 640, marks: Marks::Say(screen::list_command()), ..hardware() };
        let command = match emulation {
            Emulation::Bochs => bochs::command(&hardware, iso, None, &ports, scratch)?,
            Emulation::Qemu => {
                let how = (Accelerator::Emulation, Start::Bios);
                let mut command = qemu::command(&hardware, how, iso, None, &ports, scratch)?;
                screen::attach(&mut command);
                command
            }
        };
        let (sender, events) = std::sync::mpsc::channel::<session::Event>();
        let emulator = Emulator::start(command, Words::Own, &ports, &scratch.join(WORDS), &sender)?;
        Ok(Self { emulator, events, emulation, scratch })
    }

    /// What the serial line says up to `end`.
    fn expect(&self, end: &str) -> Result<String> {
        let started = Instant::now();
        let said = listen(&self.events, END_LIMIT, |said| said.contains(end))?;
        if !said.contains(end) {
            let seconds = started.elapsed().as_secs();
            bail!("no `{end}` after {seconds} s; it said:\n{}", crate::command::last_lines(&said));
        }
        Ok(said)
    }

    /// The emulator's listing of the text screen's memory; Bochs makes it at the program's mark.
    fn screen_memory(&self) -> Result<String> {
        match self.emulation {
            Emulation::Bochs => Ok(String::from_utf8_lossy(&std::fs::read(self.scratch.join(WORDS))?).into_owned()),
            Emulation::Qemu => screen::memory(self.scratch.path()),
        }
    }
}
