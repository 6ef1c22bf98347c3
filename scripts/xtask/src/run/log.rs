// SPDX-License-Identifier: MIT OR Apache-2.0
//! What all partitions said, line by line with their names: into a file, and the tail kept for error messages.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};

/// Lines kept for error messages.
const TAIL_LINES: usize = 40;
/// A longer line is cut: not everything on a serial line is text.
const LINE_MAX: usize = 1024;

/// First words of the lines in which root records counters, and its partition id.
const RECORDS: [&str; 2] = ["STATISTICS ", "MEMORY "];
pub const ROOT: u8 = 1;
/// Stands for the Linux that runs the machine, where there is one.
pub const HOST: u8 = u8::MAX - 1;
const HOST_NAME: &str = "kvm-host";

/// The log of one run.
#[derive(Debug)]
pub struct Log {
    file: Option<File>,
    records: Vec<String>,
    trace: Vec<u8>,
    is_verbose: bool,
    names: Vec<String>,
    open_lines: BTreeMap<u8, Vec<u8>>,
    tail: VecDeque<String>,
}

impl Log {
    /// A log into `file`, if given; with `is_verbose`, also onto standard error.
    pub fn new(file: Option<&Path>, is_verbose: bool, names: Vec<String>) -> Result<Self> {
        let file = file.map(|path| File::create(path).with_context(|| format!("cannot write {}", path.display())));
        Ok(Self {
            file: file.transpose()?,
            records: Vec::new(),
            trace: Vec::new(),
            is_verbose,
            names,
            open_lines: BTreeMap::new(),
            tail: VecDeque::new(),
        })
    }

    /// Takes a piece of root's trace.
    pub fn take_trace(&mut self, bytes: &[u8]) {
        self.trace.extend_from_slice(bytes);
    }

    /// Root's trace so far.
    pub fn trace(&self) -> &[u8] {
        &self.trace
    }

    /// Root's lines about memory and exits.
    pub fn records(&self) -> &[String] {
        &self.records
    }

    /// Takes what a partition said; returns the lines that became complete.
    pub fn write(&mut self, partition: u8, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        let open = self.open_lines.entry(partition).or_default();
        for &byte in bytes {
            if byte == b'\n' || open.len() >= LINE_MAX {
                lines.push(String::from_utf8_lossy(&std::mem::take(open)).into_owned());
            }
            if byte != b'\n' && byte != b'\r' {
                open.push(byte);
            }
        }
        for line in &lines {
            self.put(partition, line);
        }
        lines
    }

    /// A line of the host tool itself.
    pub fn note(&mut self, text: &str) {
        self.emit(&format!("[host] {text}"));
    }

    /// The last lines, for an error message.
    pub fn tail(&mut self) -> String {
        let open: Vec<(u8, Vec<u8>)> = std::mem::take(&mut self.open_lines).into_iter().collect();
        for (partition, line) in open.into_iter().filter(|(_, line)| !line.is_empty()) {
            self.put(partition, &String::from_utf8_lossy(&line));
        }
        if self.tail.is_empty() {
            return "    (nothing was said)\n".to_owned();
        }
        self.tail.iter().map(|line| format!("    {line}\n")).collect()
    }

    fn put(&mut self, partition: u8, line: &str) {
        if partition == ROOT && RECORDS.iter().any(|word| line.starts_with(word)) {
            self.records.push(line.to_owned());
        }
        let known = self.names.get(usize::from(partition)).cloned();
        let other = || if partition == HOST { HOST_NAME.to_owned() } else { partition.to_string() };
        let name = known.unwrap_or_else(other);
        self.emit(&format!("[{name}] {line}"));
    }

    fn emit(&mut self, line: &str) {
        if let Some(file) = &mut self.file {
            // A full disk must not end a run; the tail still has the last lines.
            let _ = writeln!(file, "{line}");
        }
        if self.is_verbose {
            eprintln!("{line}\r");
        }
        if self.tail.len() == TAIL_LINES {
            self.tail.pop_front();
        }
        self.tail.push_back(line.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::Log;

    #[test]
    fn lines_carry_their_partition_and_do_not_mix() -> anyhow::Result<()> {
        let mut log = Log::new(None, false, vec!["hypervisor".into(), "root".into()])?;
        assert!(log.write(0, b"bo").is_empty());
        assert_eq!(log.write(1, b"hello\r\n"), ["hello"]);
        assert_eq!(log.write(0, b"ot\n"), ["boot"]);
        log.write(7, b"open");
        assert_eq!(log.tail(), "    [root] hello\n    [hypervisor] boot\n    [7] open\n");
        Ok(())
    }
}
