// SPDX-License-Identifier: MIT OR Apache-2.0
//! How figures are written: the same in Markdown, HTML and plots.

use super::accepted::Accepted;
use super::results::{Fact, Row, Side};

/// `12,345`, or one decimal below ten.
pub fn number(value: f64) -> String {
    if value != 0.0 && value.abs() < 9.95 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits.as_str()), |rest| ("-", rest));
    let mut grouped = String::from(sign);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Ticks of one side, or a dash.
pub fn ticks(side: &Side) -> String {
    side.sample().map_or_else(|| "-".to_owned(), |sample| number(sample.tsc))
}

/// Lowest and highest run as a distance from the median: `-1/+3 %`.
pub fn spread(side: &Side) -> String {
    side.sample().filter(|sample| sample.tsc > 0.0).map_or_else(String::new, |sample| {
        let percent = |value: f64| (value / sample.tsc - 1.0) * 100.0;
        format!("{:+.1}/{:+.1} %", percent(sample.minimum), percent(sample.maximum))
    })
}

/// VM exits per operation: a number, or that nobody knows.
pub fn exits(side: &Side) -> String {
    match side.sample() {
        None => "-".to_owned(),
        Some(sample) => sample.counter("total").map_or_else(|| "unknown".to_owned(), |total| format!("{total:.2}")),
    }
}

/// The cost that the ratio is made from.
pub fn cost(side: &Side) -> String {
    side.cost().map_or_else(|| "-".to_owned(), number)
}

/// `1.04`, or a dash.
pub fn ratio(row: &Row) -> String {
    row.ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"))
}

/// The design's goal for a row, or nothing.
pub fn goal(row: &Row, accepted: &Accepted) -> String {
    accepted.goal(&row.case).map_or_else(String::new, |goal| format!("{goal:.2}"))
}

/// A fact's value with its unit, and its goal.
pub fn fact(fact: &Fact) -> (String, String) {
    let with_unit = |value: f64| format!("{} {}", number(value), fact.unit);
    (with_unit(fact.value), fact.goal.map_or_else(String::new, with_unit))
}

/// Counters per operation other than the total, the largest first: `portal_call 1.00, timer 0.02`.
pub fn reasons(row: &Row) -> String {
    let Some(exits) = row.ours.sample().and_then(|sample| sample.exits.as_ref()) else {
        return String::new();
    };
    let mut named: Vec<_> = exits.iter().filter(|(name, value)| *name != "total" && **value >= 0.005).collect();
    named.sort_by(|left, right| right.1.total_cmp(left.1));
    named.iter().map(|(name, value)| format!("{name} {value:.2}")).collect::<Vec<_>>().join(", ")
}

/// Why a row has no ratio, if it has none.
pub fn why_not(row: &Row) -> Option<String> {
    if row.ratio.is_some() {
        return None;
    }
    let side = |name: &str, side: &Side| side.missing().map(|reason| format!("{name}: {reason}"));
    let reasons: Vec<_> = [side("stock", &row.stock), side("ours", &row.ours)].into_iter().flatten().collect();
    Some(reasons.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(number(0.0), "0");
        assert_eq!(number(9.94), "9.9");
        assert_eq!(number(200.4), "200");
        assert_eq!(number(65_000.0), "65,000");
        assert_eq!(number(1_234_567.0), "1,234,567");
        assert_eq!(number(-1_234.0), "-1,234");
    }
}
