// SPDX-License-Identifier: MIT OR Apache-2.0
//! The accepted ratios (`ci/accepted-ratios.toml`) and whether results keep within them.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::results::Row;

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    version: u32,
    case: BTreeMap<String, Limits>,
}

/// Limits of one case.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// The check fails above this ratio.
    pub accepted: f64,
    /// Where the design wants it; shown, not checked.
    pub goal: Option<f64>,
    /// The check fails above this many VM exits per operation.
    pub exits: Option<f64>,
}

impl Accepted {
    /// Reads the file's text.
    ///
    /// # Errors
    /// The text is not TOML of this shape, or of another version.
    pub fn parse(text: &str) -> Result<Self> {
        let accepted: Self = toml::from_str(text).context("the accepted ratios are malformed")?;
        if accepted.version != 1 {
            bail!("accepted ratios of version {}: this program knows version 1", accepted.version);
        }
        Ok(accepted)
    }

    /// What the design wants of a case.
    pub fn goal(&self, case: &str) -> Option<f64> {
        self.case.get(case)?.goal
    }

    /// Whether a row's ratio is above what the design wants, as the report writes both.
    pub fn is_above_goal(&self, row: &Row) -> bool {
        let hundredths = |ratio: f64| (ratio * 100.0).round();
        matches!((row.ratio, self.goal(&row.case)), (Some(ratio), Some(goal)) if hundredths(ratio) > hundredths(goal))
    }

    /// One sentence per case that is worse than accepted; `is_wanted` says which cases were to run.
    pub fn violations(&self, rows: &[Row], is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let mut found = Vec::new();
        for (case, limits) in self.case.iter().filter(|(case, _)| is_wanted(case)) {
            let mut any = false;
            for row in rows.iter().filter(|row| row.case == *case) {
                any = true;
                found.extend(violation(row, limits));
            }
            if !any {
                found.push(format!("{case}: has an accepted ratio but did not run"));
            }
        }
        found
    }
}

fn violation(row: &Row, limits: &Limits) -> Option<String> {
    let title = row.title();
    let Some(ratio) = row.ratio else {
        let why = row.ours.missing().or(row.stock.missing()).unwrap_or("no figures");
        return Some(format!("{title}: no ratio: {why}"));
    };
    if ratio > limits.accepted {
        return Some(format!("{title}: ratio {ratio:.2}, accepted is {:.2}", limits.accepted));
    }
    let exits = row.ours.sample().and_then(|sample| sample.counter("total"));
    match (limits.exits, exits) {
        (Some(most), Some(exits)) if exits > most => {
            Some(format!("{title}: {exits:.2} VM exits per operation, accepted are {most}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{compare, model, sample};

    fn rows() -> Vec<Row> {
        let stock = sample::parse(include_str!("testdata/stock.log"));
        let ours = sample::parse(include_str!("testdata/ours.log"));
        compare::rows(&stock, &ours, &model::Model::default(), model::Counter::Instructions)
    }

    fn violations(text: &str, is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
        Accepted::parse(text).expect("well formed").violations(&rows(), is_wanted)
    }

    #[test]
    fn the_repository_s_file_is_well_formed() {
        let text = include_str!("../../../../ci/accepted-ratios.toml");
        assert_eq!(Accepted::parse(text).expect("well formed").goal("reread"), Some(1.0));
    }

    #[test]
    fn within_the_limits_nothing_is_said() {
        assert!(violations("version = 1\n[case.reread]\naccepted = 9.0", |_| true).is_empty());
    }

    #[test]
    fn a_worse_ratio_is_said_once_per_parameter() {
        let said = violations("version = 1\n[case.reread]\naccepted = 0.1", |_| true);
        assert_eq!(said.len(), 8);
        assert!(said[0].starts_with("reread 64 KB: ratio 0.96"), "{}", said[0]);
    }

    #[test]
    fn too_many_exits_are_a_violation_even_at_a_good_ratio() {
        let said = violations("version = 1\n[case.create]\naccepted = 99.0\nexits = 1", |_| true);
        assert!(said[0].contains("VM exits"), "{said:?}");
    }

    #[test]
    fn a_case_that_did_not_run_fails_unless_it_was_not_wanted() {
        let text = "version = 1\n[case.teleport]\naccepted = 1.0\n[case.tcp-stream]\naccepted = 9.0";
        assert_eq!(violations(text, |_| true).len(), 2);
        assert!(violations(text, |case| case == "reread").is_empty());
    }

    #[test]
    fn other_versions_and_misspellings_are_refused() {
        assert!(Accepted::parse("version = 2\n[case]").is_err());
        assert!(Accepted::parse("version = 1\n[case.a]\naccept = 1.0").is_err());
    }
}
