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
    side.sample().map_or_else(|| "-".to_owned(), |sample| number(sample.work().0))
}

/// Lowest and highest run as a distance from the median: `-1/+3 %`.
pub fn spread(side: &Side) -> String {
    side.sample().map(|sample| sample.work()).filter(|work| work.0 > 0.0).map_or_else(String::new, |work| {
        let (median, minimum, maximum) = work;
        let percent = |value: f64| (value / median - 1.0) * 100.0;
        format!("{:+.1}/{:+.1} %", percent(minimum), percent(maximum))
    })
}

/// How many timed runs there were.
pub fn runs(row: &Row) -> u32 {
    row.stock.sample().or(row.ours.sample()).map_or(0, |sample| sample.runs)
}

/// VM exits per operation: a number, or that nobody knows.
pub fn exits(side: &Side) -> String {
    match side.sample() {
        None => "-".to_owned(),
        Some(sample) => sample.counter("total").map_or_else(|| "unknown".to_owned(), |total| format!("{total:.2}")),
    }
}

/// A counter per operation, such as `ipc`: a number, or that nobody knows.
pub fn counter(side: &Side, name: &str) -> String {
    side.sample().and_then(|sample| sample.counter(name)).map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"))
}

/// The cost that the ratio is made from; measured, as time besides (`1,234 (0.39 us)`).
pub fn cost(side: &Side, ticks_per_us: f64) -> String {
    let Some(cost) = side.cost() else { return "-".to_owned() };
    match ticks_per_us {
        ticks if ticks > 0.0 => format!("{} ({:.3} us)", number(cost), cost / ticks),
        _ => number(cost),
    }
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

/// Counters that have a column of their own, or are no exits.
const APART: [&str; 3] = ["total", "ipc", "vmfunc"];

/// Exits per operation by reason, the largest first, then what each partition ran: `timer 0.02; ext2 1,500`.
pub fn reasons(row: &Row) -> String {
    let Some(exits) = row.ours.sample().and_then(|sample| sample.exits.as_ref()) else {
        return String::new();
    };
    let is_reason = |name: &str| !APART.contains(&name) && !name.contains('.');
    let mut reasons: Vec<_> = exits.iter().filter(|(name, value)| is_reason(name) && **value >= 0.005).collect();
    reasons.sort_by(|left, right| right.1.total_cmp(left.1));
    let mut named: Vec<_> = reasons.iter().map(|(name, value)| format!("{name} {value:.2}")).collect();
    let ran = exits.iter().filter_map(|(name, ticks)| Some((name.strip_suffix(".run")?, *ticks)));
    named.extend(ran.filter(|(_, ticks)| *ticks >= 10.0).map(|(of, ticks)| format!("{of} {}", number(ticks))));
    named.join(", ")
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
