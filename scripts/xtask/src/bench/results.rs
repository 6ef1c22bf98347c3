// SPDX-License-Identifier: MIT OR Apache-2.0
//! The results of a comparison: `results.json`, and what the reports are made from.
//!
//! [`VERSION`] grows whenever a field changes its meaning or goes; new optional fields leave it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::configuration::Configuration;
use super::model::{Kind, Model};
use super::sample::Sample;

/// Version of the schema. 2: exits are those of all partitions; `busy` in cases that wait.
pub const VERSION: u32 = 2;

/// A whole comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// Always `sawmill-bench-results`.
    pub schema: String,
    /// [`VERSION`].
    pub version: u32,
    /// When, where, with what.
    pub about: About,
    /// Constants of the modelled figures.
    pub model: Model,
    /// One row per case and parameter.
    pub rows: Vec<Row>,
    /// Where the instructions of rows above their goal go.
    #[serde(default)]
    pub parts: Vec<Parts>,
    /// Figures of the system as a whole.
    #[serde(default)]
    pub facts: Vec<Fact>,
    /// How far both systems' Linux is configured alike; none where nothing was booted.
    #[serde(default)]
    pub configuration: Option<Configuration>,
    /// What went wrong as a whole, in sentences.
    pub notes: Vec<String>,
}

/// Where the multiserver's instructions of one row go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parts {
    /// As in [`Row`].
    pub case: String,
    /// As in [`Row`].
    pub parameter: u64,
    /// Part of the system, and its instructions per operation.
    pub parts: BTreeMap<String, u64>,
}

/// A figure of the system as a whole: size, memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// What is counted.
    pub what: String,
    /// The figure.
    pub value: f64,
    /// Its unit.
    pub unit: String,
    /// What the design wants at most.
    pub goal: Option<f64>,
}

/// When, where and with what a comparison was made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// UTC, to the second.
    pub date: String,
    /// The command that repeats it.
    pub command: String,
    /// Emulator or machine.
    pub machine: String,
    /// Ticks of its time stamp counter in a microsecond; 0 when unknown.
    #[serde(default)]
    pub ticks_per_us: f64,
    /// Linux source both systems are built from.
    pub linux: String,
    /// Revision of this repository.
    pub revision: String,
    /// Where the disk image was during the runs.
    pub disk: String,
}

/// One case with both systems' figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Name of the case.
    pub case: String,
    /// File size or number of entries.
    pub parameter: u64,
    /// What one operation is.
    pub unit: String,
    /// Stock Linux.
    pub stock: Side,
    /// The multiserver.
    pub ours: Side,
    /// Ours to stock, both as `kind` says.
    pub ratio: Option<f64>,
    /// What the ratio compares.
    pub kind: Option<Kind>,
}

/// One system's part of a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Figures.
    Measured {
        /// As the program printed them.
        sample: Sample,
        /// Cycles or instructions that the ratio is made from.
        cost: f64,
    },
    /// Why there are none.
    Missing(String),
}

impl Side {
    /// The figures, if there are any.
    pub fn sample(&self) -> Option<&Sample> {
        match self {
            Self::Measured { sample, .. } => Some(sample),
            Self::Missing(_) => None,
        }
    }

    /// The cost, if there is any.
    pub fn cost(&self) -> Option<f64> {
        match self {
            Self::Measured { cost, .. } => Some(*cost),
            Self::Missing(_) => None,
        }
    }

    /// Why there are no figures.
    pub fn missing(&self) -> Option<&str> {
        match self {
            Self::Measured { .. } => None,
            Self::Missing(reason) => Some(reason),
        }
    }
}

impl Row {
    /// Case and parameter as people read them: `reread 64 KB`.
    pub fn title(&self) -> String {
        title(&self.case, self.parameter)
    }
}

impl Parts {
    /// As [`Row::title`].
    pub fn title(&self) -> String {
        title(&self.case, self.parameter)
    }
}

fn title(case: &str, parameter: u64) -> String {
    match parameter {
        0 | 1 => case.to_owned(),
        bytes if bytes % (1 << 20) == 0 => format!("{case} {} MB", bytes >> 20),
        bytes if bytes % (1 << 10) == 0 => format!("{case} {} KB", bytes >> 10),
        count => format!("{case} of {count}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_carry_units() {
        let missing = || Side::Missing("x".to_owned());
        let row = |parameter| Row {
            case: "c".to_owned(),
            parameter,
            unit: String::new(),
            stock: missing(),
            ours: missing(),
            ratio: None,
            kind: None,
        };
        assert_eq!(row(0).title(), "c");
        assert_eq!(row(100).title(), "c of 100");
        assert_eq!(row(65536).title(), "c 64 KB");
        assert_eq!(row(4 << 20).title(), "c 4 MB");
    }
}
