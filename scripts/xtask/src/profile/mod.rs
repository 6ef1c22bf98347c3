// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask profile CASE`: the instructions of a benchmark case, by the part of the system that runs them.
//!
//! Runs the case in Bochs, whose debugger says each instruction of the last run ([`count`]), and adds them up by
//! function, and by part: [`parts`] finds where a function comes from. Exact, and far slower than a run.

mod count;
mod parts;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::bench::{peer, program, sample};
use crate::{linux, paths};
use count::Place;
use parts::Symbols;

/// Options of `profile`.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// The cases, by name (`sawmill-bench --list`).
    #[arg(required = true)]
    cases: Vec<String>,
    /// Operations of a run, in per cent of what the comparison does.
    #[arg(long, default_value_t = 100)]
    scale: u32,
    /// How many functions to list besides the parts.
    #[arg(long, default_value_t = 0)]
    functions: usize,
    /// The partition that serves these cases: `ext2`, or `ip` for sockets.
    #[arg(long, default_value = "ext2")]
    server: String,
    /// Profiles stock Linux instead (from an ATA disk).
    #[arg(long)]
    stock: bool,
    /// Keeps what the emulator said about each instruction: about 110 bytes for each.
    #[arg(long, value_name = "FILE")]
    keep: Option<PathBuf>,
}

/// What is run.
#[derive(Clone, Copy, Debug)]
pub struct Work<'a> {
    /// The cases, by name.
    pub cases: &'a [String],
    /// Operations of a run, in per cent of what the comparison does.
    pub scale: u32,
    /// The partition that serves them; none: stock Linux.
    pub server: Option<&'a str>,
    /// Where what the emulator says about each instruction is kept.
    pub keep: Option<&'a Path>,
}

/// The instructions of one case.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Name of the case.
    pub case: String,
    /// File size or number of entries; zero for cases without.
    pub parameter: u64,
    operations: u64,
    functions: BTreeMap<(&'static str, String), u64>,
}

impl Profile {
    /// Instructions per operation, by part.
    pub fn parts(&self) -> BTreeMap<&'static str, u64> {
        let mut parts: BTreeMap<_, u64> = BTreeMap::new();
        for (&(part, _), &instructions) in &self.functions {
            *parts.entry(part).or_default() += instructions;
        }
        parts.into_iter().map(|(part, instructions)| (part, self.each(instructions))).collect()
    }

    fn each(&self, instructions: u64) -> u64 {
        instructions.div_ceil(self.operations)
    }
}

/// Profiles cases and prints a table of each in Markdown.
///
/// # Errors
/// The system did not run, or the program did not mark what is to be counted.
pub fn run(options: &Options) -> Result<()> {
    let work = Work {
        cases: &options.cases,
        scale: options.scale,
        server: (!options.stock).then_some(&options.server),
        keep: options.keep.as_deref(),
    };
    for profile in count_cases(&work)? {
        println!("{}", render(options, &profile));
    }
    Ok(())
}

/// Profiles cases.
///
/// # Errors
/// As [`run`].
pub fn count_cases(work: &Work) -> Result<Vec<Profile>> {
    // First: what is built now is what runs.
    let kernels = match work.server {
        None => Kernels::Stock(Symbols::read(&linux::build("stock")?, "stock")?),
        Some(server) => {
            let client = Symbols::read(&linux::build("app")?, "app")?;
            Kernels::Partitions(client, Symbols::read(&linux::build(server)?, server)?)
        }
    };
    let scratch = paths::Scratch::new("profile")?;
    let image = program::make_image(&program::compile(scratch.path())?, scratch.path())?;
    let record = work.keep.map_or_else(|| scratch.join("instructions"), Path::to_path_buf);
    let peer = peer::start()?;
    let system = if work.server.is_none() { "--stock" } else { "--memory-disk" };
    let output = Command::new(std::env::current_exe()?)
        .args(["run", "--machine", "bochs", system, "--disk"])
        .arg(&image)
        .arg("--instructions")
        .arg(&record)
        .args(["--", program::PROGRAM, "--set", "short", "--runs", "1", "--mark"])
        .args(["--peer", &peer])
        .args(["--scale", &work.scale.to_string(), "--only", &work.cases.join(",")])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    let said = sample::parse(&String::from_utf8_lossy(&output.stdout).replace('\r', ""));
    let sections = count::read(&record)?;
    let ran: Vec<_> = said.entries.iter().filter(|entry| entry.operations() > 0).collect();
    if ran.is_empty() || ran.len() != sections.len() {
        bail!("{} cases ran, {} were recorded; {}", ran.len(), sections.len(), said.incomplete.unwrap_or_default());
    }
    Ok(ran.into_iter().zip(&sections).map(|(entry, counts)| profile(entry, counts, &kernels)).collect())
}

fn profile(entry: &sample::Entry, counts: &count::Counts, kernels: &Kernels) -> Profile {
    let mut functions: BTreeMap<_, u64> = BTreeMap::new();
    for (&(place, address), &instructions) in counts {
        let (part, function) = kernels.find(place, address);
        *functions.entry((part, function.to_owned())).or_default() += instructions;
    }
    Profile { case: entry.case.clone(), parameter: entry.parameter, operations: entry.operations(), functions }
}

/// The kernels whose instructions are counted.
enum Kernels {
    Stock(Symbols),
    /// Client and server.
    Partitions(Symbols, Symbols),
}

impl Kernels {
    /// The part and the function that an instruction belongs to.
    fn find(&self, place: Place, address: u64) -> (&'static str, &str) {
        match (place, self) {
            (Place::Program, _) => ("program", ""),
            (Place::Hypervisor, _) => ("hypervisor", ""),
            (_, Self::Stock(stock)) => stock.find(address, &parts::STOCK),
            (Place::Client, Self::Partitions(client, _)) => client.find(address, &parts::CLIENT),
            (Place::Server, Self::Partitions(_, server)) => server.find(address, &parts::SERVER),
        }
    }
}

fn render(options: &Options, profile: &Profile) -> String {
    let Profile { case, operations, functions, .. } = profile;
    let mut text = format!("| part of `{case}` | instructions per operation |\n|---|--:|\n");
    for (part, instructions) in profile.parts() {
        let _ = writeln!(text, "| {part} | {instructions} |");
    }
    let _ = writeln!(text, "| all, {operations} operations | {} |", profile.each(functions.values().sum()));
    let mut functions: Vec<_> = functions.iter().collect();
    functions.sort_by_key(|&(_, &instructions)| std::cmp::Reverse(instructions));
    for ((part, function), &instructions) in functions.into_iter().take(options.functions) {
        let _ = writeln!(text, "{:8} {part}: {function}", profile.each(instructions));
    }
    text
}
