// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads the benchmark program's output out of a console log.
//!
//! A log may hold anything between the program's lines (kernel messages, carriage returns); a line counts when
//! it is a JSON object with one of the program's keys. A log without the last line is a failed run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What the program said about one case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Ticks of the time stamp counter per operation: median over the runs.
    pub tsc: f64,
    /// Lowest run.
    pub minimum: f64,
    /// Highest run.
    pub maximum: f64,
    /// The same three without idle time, in cases that wait for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busy: Option<f64>,
    /// Lowest run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busy_minimum: Option<f64>,
    /// Highest run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busy_maximum: Option<f64>,
    /// Operations in one run.
    pub operations: u64,
    /// Timed runs.
    pub runs: u32,
    /// Counters per operation by name, `total` among them; absent where the system tells none.
    pub exits: Option<BTreeMap<String, f64>>,
}

impl Sample {
    /// What the operation costs: median, lowest and highest run, without waiting.
    pub fn work(&self) -> (f64, f64, f64) {
        match (self.busy, self.busy_minimum, self.busy_maximum) {
            (Some(median), Some(minimum), Some(maximum)) => (median, minimum, maximum),
            _ => (self.tsc, self.minimum, self.maximum),
        }
    }

    /// A counter per operation; zero when the system tells counters but not this one.
    pub fn counter(&self, name: &str) -> Option<f64> {
        self.exits.as_ref().map(|exits| exits.get(name).copied().unwrap_or(0.0))
    }
}

/// One case's outcome.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It ran.
    Measured(Sample),
    /// It could not run, and why.
    Skipped(String),
}

/// A case and its outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Name of the case.
    pub case: String,
    /// File size or number of entries; zero for cases without.
    pub parameter: u64,
    /// What one operation is.
    pub unit: String,
    /// What came of it.
    pub outcome: Outcome,
}

impl Entry {
    /// Operations of one run; none of a case that did not run.
    pub fn operations(&self) -> u64 {
        match &self.outcome {
            Outcome::Measured(sample) => sample.operations,
            Outcome::Skipped(_) => 0,
        }
    }
}

/// The machine as the program found it; what an older program did not say is empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// `multiserver` or `stock`.
    pub system: String,
    /// The processor's own name.
    pub processor: String,
    /// What the virtual machine, if it is one, calls itself.
    pub hypervisor: String,
    /// Ticks of the time stamp counter in a microsecond.
    pub ticks_per_us: f64,
    /// Ticks of a multiplication that waits for the one before: exactly 1 where instructions are counted.
    pub ticks_per_multiplication: f64,
}

/// All that one system's run said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    /// `uname -r` of the system.
    pub release: String,
    /// Where it ran, as the program found it.
    pub machine: Machine,
    /// The cases in the order they ran.
    pub entries: Vec<Entry>,
    /// Why the run is not complete, if it is not.
    pub incomplete: Option<String>,
}

/// Reads a console log.
pub fn parse(log: &str) -> Run {
    let mut run = Run { incomplete: Some("the benchmark program never started".to_owned()), ..Run::default() };
    for line in log.lines() {
        let Some(object) = object_in(line) else { continue };
        if object.contains_key("start") {
            run.release = text(&object, "release");
            run.machine = serde_json::from_value(Value::Object(object)).unwrap_or_default();
            run.incomplete = Some("the output ends before the benchmark's last line".to_owned());
        } else if let Some(status) = object.get("status").filter(|_| object.contains_key("end")) {
            run.incomplete = (status != 0).then(|| format!("the benchmark ended with status {status}"));
        } else if let Some(entry) = entry(&object) {
            run.entries.push(entry);
        }
    }
    run
}

/// The JSON object in a line, past any prefix that a console put before it.
fn object_in(line: &str) -> Option<Map<String, Value>> {
    let from = line.find("{\"")?;
    let to = line.rfind('}')?;
    serde_json::from_str(line.get(from..=to)?).ok()
}

fn text(object: &Map<String, Value>, key: &str) -> String {
    object.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn entry(object: &Map<String, Value>) -> Option<Entry> {
    let case = object.get("case")?.as_str()?.to_owned();
    let parameter = object.get("parameter")?.as_u64()?;
    let unit = text(object, "unit");
    let outcome = match object.get("skipped") {
        Some(reason) => Outcome::Skipped(reason.as_str().unwrap_or("no reason given").to_owned()),
        None => Outcome::Measured(serde_json::from_value(Value::Object(object.clone())).ok()?),
    };
    Some(Entry { case, parameter, unit, outcome })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STOCK: &str = include_str!("testdata/stock.log");

    #[test]
    fn a_real_log_is_read_completely() {
        let run = parse(STOCK);
        assert_eq!(run.incomplete, None);
        assert_eq!(run.release, "6.1.192");
        assert_eq!(run.entries.iter().filter(|entry| entry.case == "reread").count(), 8);
        let has_exits = |entry: &Entry| matches!(&entry.outcome, Outcome::Measured(sample) if sample.exits.is_some());
        assert!(!run.entries.iter().any(has_exits));
    }

    #[test]
    fn a_cut_log_is_incomplete() {
        let cut = &STOCK[..STOCK.len() / 2];
        assert!(parse(cut).incomplete.is_some());
        assert!(parse("").incomplete.is_some());
    }

    #[test]
    fn prefixes_noise_and_skips_are_understood() {
        let log = "[app] {\"start\":\"sawmill-bench\",\"release\":\"6.1\"}\r\nBUG: {\"\n\
                   [ 1.0] {\"case\":\"stat\",\"parameter\":1,\"unit\":\"stat\",\"skipped\":\"no file\"}\r\n\
                   {\"case\":\"open\",\"parameter\":1,\"unit\":\"open\",\"tsc\":10,\"minimum\":9,\"maximum\":11,\
                   \"operations\":5,\"runs\":3,\"exits\":{\"total\":2.0}}\n{\"end\":\"sawmill-bench\",\"status\":0}\n";
        let run = parse(log);
        assert_eq!(run.incomplete, None);
        assert_eq!(run.entries[0].outcome, Outcome::Skipped("no file".to_owned()));
        let Outcome::Measured(sample) = &run.entries[1].outcome else { panic!("open was measured") };
        assert_eq!(sample.counter("total"), Some(2.0));
        assert_eq!(sample.counter("vmfunc"), Some(0.0));
    }

    #[test]
    fn a_bad_status_is_a_failed_run() {
        let log = "{\"start\":\"sawmill-bench\"}\n{\"end\":\"sawmill-bench\",\"status\":3}\n";
        assert!(parse(log).incomplete.is_some_and(|why| why.contains('3')));
    }
}
