// SPDX-License-Identifier: MIT OR Apache-2.0
//! Puts the two systems' runs side by side, case by case.

use super::model::{Cost, Counter, Kind, Model};
use super::results::{Row, Side};
use super::sample::{Entry, Outcome, Run};

/// What a pair of runs becomes; a case that one system lacks says why.
pub fn rows(stock: &Run, ours: &Run, model: &Model, counter: Counter) -> Vec<Row> {
    let mut keys: Vec<&Entry> = stock.entries.iter().collect();
    keys.extend(ours.entries.iter().filter(|entry| find(stock, entry).is_none()));
    keys.into_iter().map(|key| row(key, stock, ours, model, counter)).collect()
}

fn find<'run>(run: &'run Run, key: &Entry) -> Option<&'run Entry> {
    run.entries.iter().find(|entry| entry.case == key.case && entry.parameter == key.parameter)
}

fn row(key: &Entry, stock: &Run, ours: &Run, model: &Model, counter: Counter) -> Row {
    let (stock, stock_kind) = side(key, stock, |sample| model.cost_native(sample, counter));
    let (ours, our_kind) = side(key, ours, |sample| model.cost_multiserver(sample, counter));
    let ratio = match (stock.cost(), ours.cost()) {
        (Some(theirs), Some(mine)) if theirs > 0.0 => Some(mine / theirs),
        _ => None,
    };
    let kind = ratio.and(our_kind).or(stock_kind);
    Row { case: key.case.clone(), parameter: key.parameter, unit: key.unit.clone(), stock, ours, ratio, kind }
}

fn side(key: &Entry, run: &Run, cost: impl Fn(&super::sample::Sample) -> Cost) -> (Side, Option<Kind>) {
    match find(run, key).map(|entry| &entry.outcome) {
        Some(Outcome::Measured(sample)) => {
            let cost = cost(sample);
            (Side::Measured { sample: sample.clone(), cost: cost.value }, Some(cost.kind))
        }
        Some(Outcome::Skipped(reason)) => (Side::Missing(reason.clone()), None),
        None => {
            let reason = run.incomplete.as_deref().unwrap_or("the benchmark did not run this case");
            (Side::Missing(reason.to_owned()), None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::sample;

    const STOCK: &str = include_str!("testdata/stock.log");
    const OURS: &str = include_str!("testdata/ours.log");

    fn compare(ours: &str) -> Vec<Row> {
        rows(&sample::parse(STOCK), &sample::parse(ours), &Model::default(), Counter::Instructions)
    }

    fn of<'rows>(rows: &'rows [Row], case: &str) -> &'rows Row {
        rows.iter().find(|row| row.case == case).expect("the case is there")
    }

    #[test]
    fn every_stock_case_has_a_row_with_a_ratio_or_a_reason() {
        let rows = compare(OURS);
        assert_eq!(rows.len(), sample::parse(STOCK).entries.len());
        assert!(rows.iter().all(|row| row.ratio.is_some() != row.ours.missing().is_some()));
    }

    #[test]
    fn exits_enter_the_ratio() {
        let rows = compare(OURS);
        let create = of(&rows, "create");
        let sample = create.ours.sample().expect("create was measured");
        let expected = sample.tsc + 1200.0 * sample.counter("total").expect("exits are known");
        assert_eq!(create.ours.cost(), Some(expected));
        assert_eq!(create.kind, Some(Kind::Modelled));
    }

    #[test]
    fn a_run_that_died_names_the_reason_in_every_row_it_lacks() {
        let rows = compare("");
        assert!(rows.iter().all(|row| row.ours.missing() == Some("the benchmark program never started")));
    }

    #[test]
    fn cases_that_only_ours_has_are_kept() {
        let rows = rows(&Run::default(), &sample::parse(OURS), &Model::default(), Counter::Instructions);
        assert!(rows.iter().all(|row| row.stock.missing().is_some() && row.ratio.is_none()));
        assert!(!rows.is_empty());
    }
}
