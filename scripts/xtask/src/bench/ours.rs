// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs by `xtask run`: the multiserver with the benchmark, its conformance suite, its memory; and in QEMU both systems.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::Result;

use super::{DiskPlace, Machine, Options, limit, program};
use crate::paths::{self, Scratch};
use crate::progress::Phase;

/// What the multiserver's run said.
#[derive(Debug, Default)]
pub struct OurLog {
    /// The program.
    pub output: String,
    /// All partitions, as far as known.
    pub system: String,
    /// Why the run failed, if it did.
    pub failure: Option<String>,
}

/// Runs the multiserver; a run that fails is told in the report.
pub fn run(options: &Options, image: &Path, arguments: &[String], scratch: &Scratch) -> Result<OurLog> {
    let (disk, system) = (scratch.join("ours.ext2"), scratch.join("system.log"));
    std::fs::copy(image, &disk)?;
    let mut command = xtask_run(options)?;
    command.arg("--system").arg(&options.system).args(["--net", "user", "--disk"]).arg(&disk).arg("--log").arg(&system);
    command.args((options.disk == DiskPlace::Memory && options.machine == Machine::Bochs).then_some("--memory-disk"));
    command.args(["--", program::PROGRAM]).args(arguments).stderr(Stdio::piped());
    let output = finish(command, "the multiserver")?;
    let said = String::from_utf8_lossy(&output.stderr);
    let failure = (!output.status.success()).then(|| failure(&said, &output.status.to_string()));
    if failure.is_some() {
        eprint!("{}", crate::command::last_lines(&said));
    }
    Ok(OurLog { output: text(&output.stdout), system: read(&system), failure })
}

/// Runs stock Linux on the same machine, its disk on the same controller.
pub fn stock_in_qemu(options: &Options, image: &Path, arguments: &[String], scratch: &Scratch) -> Result<String> {
    let disk = scratch.join("stock.ext2");
    std::fs::copy(image, &disk)?;
    let mut command = xtask_run(options)?;
    command.args(["--stock", "--net", "user", "--disk"]).arg(&disk);
    command.args(["--", program::PROGRAM]).args(arguments);
    Ok(text(&finish(command, "stock Linux")?.stdout))
}

/// What the conformance partitions say; empty when they do not run.
pub fn conformance_log(options: &Options, scratch: &Scratch) -> Result<String> {
    let log = scratch.join("conformance.log");
    let mut command = xtask_run(options)?;
    command.arg("--system").arg(paths::repository().join("servers/conformance.toml")).arg("--log").arg(&log);
    finish(command, "the conformance suite")?;
    Ok(read(&log))
}

/// Root's records of a run that does next to nothing; empty when it fails.
pub fn memory_records(options: &Options, scratch: &Scratch) -> Result<String> {
    let log = scratch.join("memory.log");
    let mut command = xtask_run(options)?;
    command.arg("--system").arg(&options.system).args(["--hypervisor-options", "statistics=on", "--log"]).arg(&log);
    command.args(["--", "/bin/true"]);
    finish(command, "the multiserver's memory")?;
    Ok(read(&log))
}

fn xtask_run(options: &Options) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["run", "--machine", options.machine.name(), "--timeout", &limit(options).as_secs().to_string()]);
    Ok(command)
}

fn finish(mut command: Command, what: &str) -> Result<Output> {
    let phase = Phase::start(what);
    let output = command.stdin(Stdio::null()).output()?;
    phase.done(&output.status.to_string());
    Ok(output)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('\r', "")
}

fn read(file: &Path) -> String {
    std::fs::read(file).map(|bytes| text(&bytes)).unwrap_or_default()
}

/// The line of a failed run's standard error that says most.
pub fn failure(said: &str, status: &str) -> String {
    let is_reason = |line: &&str| line.starts_with("error") || line.starts_with("sawmill: ");
    let line = said.lines().rfind(is_reason).or(said.lines().last());
    line.map_or_else(|| status.to_owned(), |line| line.trim().to_owned())
}
