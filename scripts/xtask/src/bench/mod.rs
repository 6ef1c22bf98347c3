// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask bench`: the multiserver against stock Linux, operation by operation.
//!
//! Boots both on the same machine with the same image and the same benchmark binary, reads the lines the
//! program prints ([`sample`]), puts them side by side ([`compare`], [`model`]) and writes the reports
//! ([`markdown`], [`html`], [`plot`], [`results`]). Only [`program`], [`stock`] and this file touch anything outside.

mod accepted;
mod compare;
mod facts;
mod figures;
mod html;
mod markdown;
mod memory;
mod model;
mod plot;
mod program;
mod results;
mod sample;
mod stock;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use crate::command::Tool;
use crate::progress::{self, Phase};
use crate::{linux, paths};

/// The case that the conformance suite measures, not the program: what a call costs without Linux around it.
const EMPTY_CALL: &str = "portal-call";

/// What the partitions occupy, from root's records; a run of its own, since keeping records costs a little.
const MEMORY: &str = "memory";

/// Options of `bench`.
#[derive(Args, Debug)]
pub struct Options {
    /// Machine that both systems run on.
    #[arg(long, value_enum, default_value = "bochs")]
    machine: Machine,
    /// Cases to run, by name (`sawmill-bench --list`, portal-call, memory); all when left out.
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    only: Vec<String>,
    /// Timed runs per case.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=64))]
    runs: u32,
    /// How many lengths of each case.
    #[arg(long, value_enum, default_value = "short")]
    set: Set,
    /// Where the disk image is: the PC's ATA disk, whose waiting counts, or memory.
    #[arg(long, value_enum, default_value = "memory")]
    disk: DiskPlace,
    /// Directory for report.md, report.html, results.json and the raw logs.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Fails when a ratio is worse than ci/accepted-ratios.toml says.
    #[arg(long)]
    check: bool,
    /// Cycles charged for a VM exit with its entry.
    #[arg(long, default_value_t = 1200.0)]
    exit_cycles: f64,
    /// Cycles charged for a VMFUNC.
    #[arg(long, default_value_t = 150.0)]
    vmfunc_cycles: f64,
    /// Reads this console log instead of booting stock Linux.
    #[arg(long, value_name = "LOG")]
    stock_log: Option<PathBuf>,
    /// Reads this console log instead of booting the multiserver.
    #[arg(long, value_name = "LOG")]
    our_log: Option<PathBuf>,
}

/// Machines that `bench` knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Machine {
    /// Counts instructions; figures are modelled.
    Bochs,
    /// QEMU/KVM with nested VT-x; figures are measured.
    Qemu,
}

impl Machine {
    fn name(self) -> &'static str {
        match self {
            Self::Bochs => "bochs",
            Self::Qemu => "qemu",
        }
    }
}

/// Lengths of cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Set {
    /// Less than a minute in Bochs.
    Short,
    /// All parameters.
    Full,
}

/// Where a disk image is during a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DiskPlace {
    /// The emulated PC's ATA disk; waiting for it counts.
    Ata,
    /// Physical memory, as a persistent-memory disk.
    Memory,
}

/// Runs the comparison.
///
/// # Errors
/// A tool is missing, or stock Linux did not run. What the multiserver cannot do is told in the report.
pub fn run(options: &Options) -> Result<ExitCode> {
    if options.machine == Machine::Qemu && !Path::new("/dev/kvm").exists() {
        bail!(
            "--machine qemu measures real cycles and needs /dev/kvm, which this host does not have; use --machine bochs"
        );
    }
    let out = options.out.clone().unwrap_or_else(|| paths::target().join("bench"));
    std::fs::create_dir_all(&out).with_context(|| format!("cannot create {}", out.display()))?;
    let accepted_file = paths::repository().join("ci/accepted-ratios.toml");
    let accepted = accepted::Accepted::parse(
        &std::fs::read_to_string(&accepted_file).with_context(|| format!("cannot read {}", accepted_file.display()))?,
    )?;
    let scratch = paths::Scratch::new("bench")?;
    let needs_image = options.stock_log.is_none() || options.our_log.is_none();
    let image =
        if needs_image { Some(program::make_image(&program::compile(scratch.path())?, scratch.path())?) } else { None };

    let stock_log = stock_log(options, image.as_deref(), &scratch)?;
    std::fs::write(out.join("stock.log"), &stock_log)?;
    let ours = our_log(options, image.as_deref(), &scratch)?;
    std::fs::write(out.join("multiserver.log"), &ours.output)?;
    std::fs::write(out.join("multiserver-system.log"), &ours.system)?;

    let mut results = compare_logs(options, &stock_log, &ours)?;
    let records = if is_wanted(options, MEMORY) && options.our_log.is_none() {
        memory_records(options, image.as_deref(), &scratch)?
    } else {
        String::new()
    };
    results.facts = facts::collect(&records)?;
    if is_wanted(options, EMPTY_CALL) && options.our_log.is_none() {
        let log = conformance_log(options, &scratch)?;
        std::fs::write(out.join("conformance.log"), &log)?;
        results.facts.extend(facts::empty_call(&log));
    }
    write_reports(&results, &accepted, &out)?;
    print!("{}", markdown::render(&results, &accepted));
    progress::note(&format!("reports in {}", out.display()));
    if !options.check {
        return Ok(ExitCode::SUCCESS);
    }
    let violations = accepted.violations(&results.rows, |case| is_wanted(options, case));
    for violation in &violations {
        eprintln!("bad  {violation}");
    }
    Ok(if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn is_wanted(options: &Options, case: &str) -> bool {
    options.only.is_empty() || options.only.iter().any(|name| name == case)
}

fn program_arguments(options: &Options) -> Vec<String> {
    let set = if options.set == Set::Full { "full" } else { "short" };
    let only = if options.only.is_empty() { "all".to_owned() } else { options.only.join(",") };
    ["--set", set, "--runs", &options.runs.to_string(), "--only", &only].map(str::to_owned).to_vec()
}

fn limit(options: &Options) -> Duration {
    let base = if options.set == Set::Full { 1800 } else { 300 };
    Duration::from_secs(base * u64::from(options.runs.max(5)) / 5)
}

fn stock_log(options: &Options, image: Option<&Path>, scratch: &paths::Scratch) -> Result<String> {
    if let Some(log) = &options.stock_log {
        return std::fs::read_to_string(log).with_context(|| format!("cannot read {}", log.display()));
    }
    if options.machine == Machine::Qemu {
        bail!("stock Linux under QEMU is not there yet; give its console log with --stock-log");
    }
    let kernel = linux::build("stock")?;
    let run = stock::StockRun {
        kernel: &kernel,
        image: image.context("no image was made")?,
        disk: options.disk,
        arguments: &program_arguments(options).join(" "),
        dir: &scratch.join("stock"),
        limit: limit(options),
    };
    run.run()
}

/// What the multiserver's run said.
#[derive(Debug, Default)]
struct OurLog {
    /// The program.
    output: String,
    /// All partitions, as far as known.
    system: String,
    /// Why the run failed, if it did.
    failure: Option<String>,
}

/// Runs the multiserver; a run that fails is told in the report.
fn our_log(options: &Options, image: Option<&Path>, scratch: &paths::Scratch) -> Result<OurLog> {
    if let Some(log) = &options.our_log {
        let output = std::fs::read_to_string(log).with_context(|| format!("cannot read {}", log.display()))?;
        return Ok(OurLog { output, ..OurLog::default() });
    }
    let (disk, system) = (scratch.join("ours.ext2"), scratch.join("system.log"));
    std::fs::copy(image.context("no image was made")?, &disk)?;
    let phase = Phase::start("the multiserver");
    let output = Command::new(std::env::current_exe()?)
        .args(["run", "--machine", options.machine.name(), "--disk"])
        .arg(&disk)
        .arg("--log")
        .arg(&system)
        .args((options.disk == DiskPlace::Memory).then_some("--memory-disk"))
        .args(["--timeout", &limit(options).as_secs().to_string(), "--", program::PROGRAM])
        .args(program_arguments(options))
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .output()?;
    phase.done(&output.status.to_string());
    let said = String::from_utf8_lossy(&output.stderr);
    let failure = (!output.status.success()).then(|| failure(&said, &output.status.to_string()));
    if failure.is_some() {
        eprint!("{}", crate::command::last_lines(&said));
    }
    let system = std::fs::read(&system).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    Ok(OurLog { output: String::from_utf8_lossy(&output.stdout).replace('\r', ""), system, failure })
}

/// What the conformance partitions say; empty when they do not run.
fn conformance_log(options: &Options, scratch: &paths::Scratch) -> Result<String> {
    let log = scratch.join("conformance.log");
    let phase = Phase::start("the conformance suite");
    let output = Command::new(std::env::current_exe()?)
        .args(["run", "--machine", options.machine.name(), "--system"])
        .arg(paths::repository().join("servers/conformance.toml"))
        .arg("--log")
        .arg(&log)
        .args(["--timeout", &limit(options).as_secs().to_string()])
        .stdin(Stdio::null())
        .output()?;
    phase.done(&output.status.to_string());
    Ok(std::fs::read(&log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default())
}

/// Root's records of a run that does next to nothing; empty when it fails.
fn memory_records(options: &Options, image: Option<&Path>, scratch: &paths::Scratch) -> Result<String> {
    let (disk, records) = (scratch.join("memory.ext2"), scratch.join("records"));
    std::fs::copy(image.context("no image was made")?, &disk)?;
    let phase = Phase::start("the multiserver's memory");
    let output = Command::new(std::env::current_exe()?)
        .args(["run", "--machine", options.machine.name(), "--disk"])
        .arg(&disk)
        .arg("--trace")
        .arg(&records)
        .args(["--timeout", &limit(options).as_secs().to_string(), "--", program::PROGRAM])
        .args(["--only", "getppid", "--runs", "1"])
        .stdin(Stdio::null())
        .output()?;
    phase.done(&output.status.to_string());
    Ok(std::fs::read(&records).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default())
}

/// The line of a failed run's standard error that says most.
fn failure(said: &str, status: &str) -> String {
    let line = said.lines().rfind(|line| line.starts_with("error")).or(said.lines().last());
    line.map_or_else(|| status.to_owned(), |line| line.trim().to_owned())
}

fn compare_logs(options: &Options, stock_log: &str, our_log: &OurLog) -> Result<results::Results> {
    let (stock, mut ours) = (sample::parse(stock_log), sample::parse(&our_log.output));
    if let (Some(why), Some(failure)) = (&ours.incomplete, &our_log.failure) {
        ours.incomplete = Some(format!("{why} ({failure})"));
    }
    let counter = match options.machine {
        Machine::Bochs => model::Counter::Instructions,
        Machine::Qemu => model::Counter::Cycles,
    };
    let model = model::Model { exit_cycles: options.exit_cycles, vmfunc_cycles: options.vmfunc_cycles };
    let incomplete = |name: &str, run: &sample::Run| run.incomplete.as_ref().map(|why| format!("{name}: {why}."));
    let mut notes: Vec<_> =
        [incomplete("Stock Linux", &stock), incomplete("The multiserver", &ours)].into_iter().flatten().collect();
    let rows = compare::rows(&stock, &ours, &model, counter);
    if rows.iter().any(|row| row.kind == Some(model::Kind::Instructions)) {
        notes.push("The multiserver told no VM exits: ratios compare instructions only and flatter it.".to_owned());
    }
    Ok(results::Results {
        schema: "sawmill-bench-results".to_owned(),
        version: results::VERSION,
        about: about(options, &stock)?,
        model,
        rows,
        facts: Vec::new(),
        notes,
    })
}

fn about(options: &Options, stock: &sample::Run) -> Result<results::About> {
    let said = |tool: Tool| tool.output().map(|text| text.trim().to_owned()).unwrap_or_else(|_| "unknown".to_owned());
    let repository = paths::repository();
    let machine = match options.machine {
        Machine::Bochs => "Bochs 2.7, corei7_skylake_x, one CPU, clock sync=none",
        Machine::Qemu => "QEMU/KVM with nested VT-x",
    };
    let disk = match options.disk {
        DiskPlace::Ata => "ext2, 4 KB blocks, ATA",
        DiskPlace::Memory => "ext2, 4 KB blocks, memory",
    };
    Ok(results::About {
        date: said(Tool::new("date").args(["-u", "+%Y-%m-%d %H:%M:%S UTC"])),
        command: format!("scripts/bench-compare.sh {}", program_arguments(options).join(" ")),
        machine: machine.to_owned(),
        linux: format!("{} (Debian linux-source-6.1)", stock.release),
        revision: said(Tool::new("git").args(["describe", "--always", "--dirty"]).dir(&repository)),
        disk: disk.to_owned(),
    })
}

fn write_reports(results: &results::Results, accepted: &accepted::Accepted, out: &Path) -> Result<()> {
    let mut plots = Vec::new();
    if let Some(svg) = plot::reread(&results.rows, "cycles per 4 KB record")? {
        plots.push((
            "Re-read of a cached file in 4 KB records, by file size; dashed, the paper's figures of 2000.",
            svg,
        ));
    }
    if let Some(svg) = plot::ratios(&results.rows)? {
        plots.push(("Cost of each operation relative to stock Linux (1 = equal, less is better).", svg));
    }
    let write = |name: &str, text: String| {
        std::fs::write(out.join(name), text).with_context(|| format!("cannot write {name} in {}", out.display()))
    };
    write("report.md", markdown::render(results, accepted))?;
    write("report.html", html::render(results, accepted, &plots))?;
    write("results.json", serde_json::to_string_pretty(results)? + "\n")
}

#[cfg(test)]
mod tests;
