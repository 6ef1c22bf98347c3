// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask bench`: the multiserver against stock Linux, operation by operation.
//!
//! Boots both on the same machine with the same image and the same benchmark binary, reads the lines the
//! program prints ([`sample`]), puts them side by side ([`compare`], [`model`]) and writes the reports
//! ([`markdown`], [`html`], [`plot`], [`results`]). Only [`program`], [`stock`] and this file touch anything outside.

mod accepted;
mod compare;
mod configuration;
mod facts;
mod figures;
mod html;
mod markdown;
mod memory;
mod model;
mod ours;
mod parts;
pub mod peer;
mod plot;
pub mod program;
mod read;
pub mod readme;
mod results;
pub mod sample;
mod stock;
mod wholes;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use crate::command::Tool;
use crate::{linux, paths, progress};
use ours::OurLog;
use wholes::System;

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
    /// The system description of the multiserver.
    #[arg(long, default_value_os_t = paths::repository().join("servers/system.toml"))]
    system: PathBuf,
    /// Also sockets through the NIC, with a peer on this host.
    #[arg(long)]
    nic: bool,
    /// Also the whole jobs: tar, make, sqlite3, redis, on a Debian image; they take as long as all the rest.
    #[arg(long)]
    wholes: bool,
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
    /// Writes the README's table and plot.
    #[arg(long)]
    readme: bool,
    /// Cycles charged for a VM exit with its entry.
    #[arg(long, default_value_t = 1200.0)]
    exit_cycles: f64,
    /// Cycles charged for a VMFUNC.
    #[arg(long, default_value_t = 150.0)]
    vmfunc_cycles: f64,
    /// Boots nothing: reads what the benchmark entries of the boot menu left on the serial line.
    #[arg(long, value_name = "LOG")]
    read: Vec<PathBuf>,
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
    let boots = options.read.is_empty();
    if boots && options.machine == Machine::Qemu && !Path::new("/dev/kvm").exists() {
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
    let (stock_log, ours) = match boots {
        true => logs(options, &scratch)?,
        false => {
            let (stock, output) = read::logs(&options.read)?;
            (stock, OurLog { output, ..OurLog::default() })
        }
    };
    std::fs::write(out.join("stock.log"), &stock_log)?;
    std::fs::write(out.join("multiserver.log"), &ours.output)?;
    std::fs::write(out.join("multiserver-system.log"), &ours.system)?;

    let mut results = compare_logs(options, &stock_log, &ours)?;
    let records = match boots && is_wanted(options, MEMORY) && options.our_log.is_none() {
        true => ours::memory_records(options, &scratch)?,
        false => String::new(),
    };
    results.facts = facts::collect(&records)?;
    results.configuration = boots.then(|| configuration::collect(&options.system, &out)).transpose()?;
    if boots && is_wanted(options, EMPTY_CALL) && options.our_log.is_none() {
        let log = ours::conformance_log(options, &scratch)?;
        std::fs::write(out.join("conformance.log"), &log)?;
        results.facts.extend(facts::empty_call(&log));
    }
    // A check wants an answer soon; elsewhere nothing says each instruction.
    if boots && !options.check && options.machine == Machine::Bochs && options.our_log.is_none() {
        match parts::collect(&results.rows, &accepted) {
            Ok(parts) => results.parts = parts,
            Err(error) => results.notes.push(format!("No table of where the instructions go: {error:#}.")),
        }
    }
    write_reports(&results, &accepted, &out)?;
    if options.readme {
        readme::write(&results, &paths::repository())?;
    }
    print!("{}", markdown::render(&results, &accepted));
    progress::note(&format!("reports in {}", out.display()));
    if !options.check {
        return Ok(ExitCode::SUCCESS);
    }
    let mut violations = accepted.violations(&results.rows, |case| is_wanted(options, case));
    violations.extend(results.configuration.iter().flat_map(configuration::Configuration::violations));
    for violation in &violations {
        eprintln!("bad  {violation}");
    }
    Ok(if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Boots what has to be booted.
fn logs(options: &Options, scratch: &paths::Scratch) -> Result<(String, OurLog)> {
    let given = |log: &Path| std::fs::read_to_string(log).with_context(|| format!("cannot read {}", log.display()));
    let (stock_given, ours_given) = (options.stock_log.as_deref(), options.our_log.as_deref());
    let program = match (stock_given, ours_given) {
        (Some(_), Some(_)) => PathBuf::new(),
        _ => program::compile(scratch.path())?,
    };
    let (mut stock, mut ours) = (String::new(), OurLog::default());
    if has_cases(options) {
        let peer = if options.nic { Some(peer::start()?) } else { None };
        let arguments = program_arguments(options, peer.as_deref());
        let image = match program.as_os_str().is_empty() {
            true => PathBuf::new(),
            false => program::make_image(&program, scratch.path())?,
        };
        if stock_given.is_none() {
            stock = stock_log(options, &image, &arguments, scratch)?;
        }
        if ours_given.is_none() {
            ours = ours::run(options, &image, &arguments, scratch)?;
        }
    }
    let jobs = jobs(options).join(",");
    if !jobs.is_empty() && !program.as_os_str().is_empty() {
        let image = wholes::make_image(&program, scratch.path())?;
        if stock_given.is_none() {
            stock += &wholes::run(System::Stock, options, &image, &jobs)?;
        }
        if ours_given.is_none() {
            ours.output += &wholes::run(System::Multiserver, options, &image, &jobs)?;
        }
    }
    if let Some(log) = stock_given {
        stock = given(log)?;
    }
    if let Some(log) = ours_given {
        ours.output = given(log)?;
    }
    Ok((stock, ours))
}

/// The whole jobs that are wanted.
fn jobs(options: &Options) -> Vec<&'static str> {
    let is_named = |job: &str| options.only.iter().any(|name| name == job);
    wholes::JOBS.into_iter().filter(|job| options.wholes || is_named(job)).collect()
}

/// Whether anything but whole jobs is wanted.
fn has_cases(options: &Options) -> bool {
    options.only.is_empty() || options.only.iter().any(|name| !wholes::JOBS.contains(&name.as_str()))
}

fn is_wanted(options: &Options, case: &str) -> bool {
    let is_extra = case.starts_with("nic-") && !options.nic || wholes::JOBS.contains(&case) && !options.wholes;
    options.only.is_empty() && !is_extra || options.only.iter().any(|name| name == case)
}

fn program_arguments(options: &Options, peer: Option<&str>) -> Vec<String> {
    let set = if options.set == Set::Full { "full" } else { "short" };
    let only: Vec<&str> = options.only.iter().map(String::as_str).filter(|name| !wholes::JOBS.contains(name)).collect();
    let only = if only.is_empty() { "all".to_owned() } else { only.join(",") };
    let mut arguments =
        ["--set", set, "--runs", &options.runs.to_string(), "--only", &only].map(str::to_owned).to_vec();
    arguments.extend(peer.into_iter().flat_map(|peer| ["--peer".to_owned(), peer.to_owned()]));
    arguments
}

fn limit(options: &Options) -> Duration {
    // For a host that has other things to do, too.
    let base = if options.set == Set::Full { 3600 } else { 1200 };
    Duration::from_secs(base * u64::from(options.runs.max(5)) / 5)
}

fn stock_log(options: &Options, image: &Path, arguments: &[String], scratch: &paths::Scratch) -> Result<String> {
    if options.machine == Machine::Qemu {
        return ours::stock_in_qemu(options, image, arguments, scratch);
    }
    let kernel = linux::build("stock")?;
    let run = stock::StockRun {
        kernel: &kernel,
        image,
        disk: options.disk,
        arguments: &arguments.join(" "),
        dir: &scratch.join("stock"),
        limit: limit(options),
    };
    run.run()
}

fn compare_logs(options: &Options, stock_log: &str, our_log: &OurLog) -> Result<results::Results> {
    let (stock, mut ours) = (sample::parse(stock_log), sample::parse(&our_log.output));
    if let (Some(why), Some(failure)) = (&ours.incomplete, &our_log.failure) {
        ours.incomplete = Some(format!("{why} ({failure})"));
    }
    let by_option = match options.machine {
        Machine::Bochs => model::Counter::Instructions,
        Machine::Qemu => model::Counter::Cycles,
    };
    let counter = read::counter(&ours.machine).or(read::counter(&stock.machine)).unwrap_or(by_option);
    let model = model::Model { exit_cycles: options.exit_cycles, vmfunc_cycles: options.vmfunc_cycles };
    let incomplete = |name: &str, run: &sample::Run| run.incomplete.as_ref().map(|why| format!("{name}: {why}."));
    let mut notes: Vec<_> =
        [incomplete("Stock Linux", &stock), incomplete("The multiserver", &ours)].into_iter().flatten().collect();
    notes.extend(read::warnings(&stock.machine, &ours.machine));
    let rows = compare::rows(&stock, &ours, &model, counter);
    if rows.iter().any(|row| row.kind == Some(model::Kind::Instructions)) {
        notes.push("The multiserver told no VM exits: ratios compare instructions only and flatter it.".to_owned());
    }
    Ok(results::Results {
        schema: "sawmill-bench-results".to_owned(),
        version: results::VERSION,
        about: about(options, &stock, &ours)?,
        model,
        rows,
        parts: Vec::new(),
        facts: Vec::new(),
        configuration: None,
        notes,
    })
}

/// The command that repeats the comparison.
fn command(options: &Options) -> String {
    let mut words = vec!["scripts/bench-compare.sh".to_owned()];
    words.extend(program_arguments(options, None).into_iter().filter(|word| word != "all"));
    words.retain(|word| word != "--only" || !options.only.is_empty());
    if options.set == Set::Short {
        words.retain(|word| word != "--set" && word != "short");
    }
    if !options.read.is_empty() {
        words = vec!["scripts/bench-compare.sh --read LOG".to_owned()];
    }
    if let Ok(system) = options.system.strip_prefix(paths::repository())
        && system != Path::new("servers/system.toml")
    {
        words.push(format!("--system {}", system.display()));
    }
    words.extend(options.nic.then(|| "--nic".to_owned()));
    words.extend(options.wholes.then(|| "--wholes".to_owned()));
    words.join(" ")
}

fn about(options: &Options, stock: &sample::Run, ours: &sample::Run) -> Result<results::About> {
    let said = |tool: Tool| tool.output().map(|text| text.trim().to_owned()).unwrap_or_else(|_| "unknown".to_owned());
    let repository = paths::repository();
    let found = if ours.machine.processor.is_empty() { &stock.machine } else { &ours.machine };
    let machine = match options.machine {
        _ if !options.read.is_empty() => match found.ticks_per_us {
            ticks if ticks > 0.0 => format!("{}, {ticks:.0} ticks in a microsecond", found.processor),
            _ => "unknown".to_owned(),
        },
        Machine::Bochs => "Bochs 2.7, corei7_skylake_x, one CPU, clock sync=none".to_owned(),
        Machine::Qemu => format!("QEMU/KVM with nested VT-x on {}", found.processor),
    };
    let disk = match options.disk {
        DiskPlace::Ata => "ext2, 4 KB blocks, ATA",
        DiskPlace::Memory => "ext2, 4 KB blocks, memory",
    };
    Ok(results::About {
        date: said(Tool::new("date").args(["-u", "+%Y-%m-%d %H:%M:%S UTC"])),
        command: command(options),
        machine,
        ticks_per_us: found.ticks_per_us,
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
