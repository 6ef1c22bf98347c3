// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask profile CASE`: the instructions of a benchmark case, by the part of the system that runs them.
//!
//! Runs the case in Bochs, whose debugger says each instruction of the last run ([`count`]), and adds them up by
//! function, and by part: [`parts`] finds where a function comes from. Exact, and far slower than a run.

mod count;
mod parts;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
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

/// Profiles cases and prints a table of each in Markdown.
///
/// # Errors
/// The system did not run, or the program did not mark what is to be counted.
pub fn run(options: &Options) -> Result<()> {
    // First: what is built now is what runs.
    let kernels = if options.stock {
        Kernels::Stock(Symbols::read(&linux::build("stock")?, "stock")?)
    } else {
        let client = Symbols::read(&linux::build("app")?, "app")?;
        Kernels::Partitions(client, Symbols::read(&linux::build(&options.server)?, &options.server)?)
    };
    let scratch = paths::Scratch::new("profile")?;
    let image = program::make_image(&program::compile(scratch.path())?, scratch.path())?;
    let record = options.keep.clone().unwrap_or_else(|| scratch.join("instructions"));
    let peer = peer::start()?;
    let system = if options.stock { "--stock" } else { "--memory-disk" };
    let output = Command::new(std::env::current_exe()?)
        .args(["run", "--machine", "bochs", system, "--disk"])
        .arg(&image)
        .arg("--instructions")
        .arg(&record)
        .args(["--", program::PROGRAM, "--set", "short", "--runs", "1", "--mark"])
        .args(["--peer", &peer])
        .args(["--scale", &options.scale.to_string(), "--only", &options.cases.join(",")])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    let said = sample::parse(&String::from_utf8_lossy(&output.stdout).replace('\r', ""));
    let sections = count::read(&record)?;
    let ran: Vec<_> = said.entries.iter().filter(|entry| entry.operations() > 0).collect();
    if ran.is_empty() || ran.len() != sections.len() {
        bail!("{} cases ran, {} were recorded; {}", ran.len(), sections.len(), said.incomplete.unwrap_or_default());
    }
    for (entry, counts) in ran.into_iter().zip(&sections) {
        println!("{}", render(options, entry, counts, &kernels));
    }
    Ok(())
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

fn render(options: &Options, entry: &sample::Entry, counts: &count::Counts, kernels: &Kernels) -> String {
    let operations = entry.operations();
    let mut parts: BTreeMap<&str, u64> = BTreeMap::new();
    let mut functions: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for (&(place, address), &instructions) in counts {
        let (part, function) = kernels.find(place, address);
        *parts.entry(part).or_default() += instructions;
        *functions.entry((part, function)).or_default() += instructions;
    }
    let each = |instructions: u64| instructions.div_ceil(operations);
    let mut text = format!("| part of `{}` | instructions per operation |\n|---|--:|\n", entry.case);
    for (part, &instructions) in &parts {
        let _ = writeln!(text, "| {part} | {} |", each(instructions));
    }
    let _ = writeln!(text, "| all, {operations} operations | {} |", each(parts.values().sum()));
    let mut functions: Vec<_> = functions.into_iter().collect();
    functions.sort_by_key(|&(_, instructions)| std::cmp::Reverse(instructions));
    for ((part, function), instructions) in functions.into_iter().take(options.functions) {
        let _ = writeln!(text, "{:8} {part}: {function}", each(instructions));
    }
    text
}
