// SPDX-License-Identifier: MIT OR Apache-2.0
//! Running other programs: output into a log, a failure shows the log's tail.
//!
//! [`Tool`] is a thin layer over `std::process::Command` that knows its log file and its phase.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};

use crate::progress::Phase;

/// Lines of a log that a failure shows.
const TAIL_LINES: usize = 25;

/// A program about to run.
#[derive(Debug)]
pub struct Tool {
    command: Command,
    name: String,
    log: Option<PathBuf>,
    accepted: &'static [i32],
}

impl Tool {
    /// A run of `program`.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let name = program.as_ref().to_string_lossy().into_owned();
        let mut command = Command::new(program);
        command.stdin(Stdio::null());
        Self { command, name, log: None, accepted: &[] }
    }

    /// Adds one argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    /// Runs in `dir`.
    pub fn dir(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    /// Appends output to `log` instead of keeping it in memory.
    pub fn log(mut self, log: &Path) -> Self {
        self.log = Some(log.to_path_buf());
        self
    }

    /// Takes these exit statuses for success, too.
    pub fn accept(mut self, statuses: &'static [i32]) -> Self {
        self.accepted = statuses;
        self
    }

    fn is_good(&self, status: ExitStatus) -> bool {
        status.success() || status.code().is_some_and(|code| self.accepted.contains(&code))
    }

    /// Runs to the end, quietly.
    ///
    /// # Errors
    /// The program is missing or failed; the message holds the tail of what it said.
    pub fn run(self) -> Result<()> {
        self.output().map(drop)
    }

    /// Runs to the end and returns its standard output (empty when it goes to a log).
    ///
    /// # Errors
    /// As [`Tool::run`].
    pub fn output(mut self) -> Result<String> {
        if let Some(log) = self.log.clone() {
            let (out, err) = self.open_log(&log)?;
            let status = self.command.stdout(out).stderr(err).status().with_context(|| self.missing())?;
            if !self.is_good(status) {
                bail!("`{}` failed ({status}); the end of {}:\n{}", self.name, log.display(), tail(&log)?);
            }
            return Ok(String::new());
        }
        let output = self.command.stdout(Stdio::piped()).stderr(Stdio::piped()).output();
        let output = output.with_context(|| self.missing())?;
        if !self.is_good(output.status) {
            let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
            said.push_str(&String::from_utf8_lossy(&output.stderr));
            bail!("`{}` failed ({}):\n{}", self.name, output.status, last_lines(&said));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs to the end; each line goes to the log and, through `report`, to the phase.
    ///
    /// # Errors
    /// As [`Tool::run`].
    pub fn run_lines(mut self, phase: &mut Phase, mut report: impl FnMut(&str) -> Option<String>) -> Result<()> {
        let log = self.log.clone().context("run_lines needs a log")?;
        let (out, err) = self.open_log(&log)?;
        let mut child = self.command.stdout(Stdio::piped()).stderr(err).spawn().with_context(|| self.missing())?;
        if let Some(stdout) = child.stdout.take() {
            use std::io::Write;
            let mut out = out;
            for line in BufReader::new(stdout).lines() {
                let line = line?;
                writeln!(out, "{line}")?;
                if let Some(message) = report(&line) {
                    phase.step(&message);
                }
            }
        }
        let status = child.wait()?;
        if !self.is_good(status) {
            bail!("`{}` failed ({status}); the end of {}:\n{}", self.name, log.display(), tail(&log)?);
        }
        Ok(())
    }

    fn missing(&self) -> String {
        format!("cannot run `{}`: is it installed? `cargo xtask setup` installs what is missing", self.name)
    }

    fn open_log(&self, log: &Path) -> Result<(File, File)> {
        let open = || OpenOptions::new().create(true).append(true).open(log);
        let file = open().with_context(|| format!("cannot open the log {}", log.display()))?;
        let second = file.try_clone()?;
        Ok((file, second))
    }
}

/// Whether a program of this name is in the search path.
pub fn exists(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()))
        || ["/usr/sbin", "/sbin"].iter().any(|dir| Path::new(dir).join(program).is_file())
}

/// The last lines of a file, for an error message.
pub fn tail(path: &Path) -> Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.read_to_end(&mut bytes)?;
    Ok(last_lines(&String::from_utf8_lossy(&bytes)))
}

/// The last lines of a text, indented.
pub fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(TAIL_LINES);
    lines[from..].iter().map(|line| format!("    {line}\n")).collect()
}
