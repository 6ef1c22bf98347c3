// SPDX-License-Identifier: MIT OR Apache-2.0
//! `report.md`: the comparison as Markdown tables.

use std::fmt::Write;

use super::accepted::Accepted;
use super::configuration::Configuration;
use super::model::Kind;
use super::results::Results;
use super::{figures, parts};

/// Writes the report.
pub fn render(results: &Results, accepted: &Accepted) -> String {
    let mut text = String::new();
    // Writing into a string cannot fail.
    let _ = write(&mut text, results, accepted);
    text
}

fn write(text: &mut String, results: &Results, accepted: &Accepted) -> std::fmt::Result {
    let about = &results.about;
    writeln!(text, "# The multiserver and stock Linux, operation by operation\n")?;
    writeln!(text, "{}\n", explanation(results))?;
    for note in &results.notes {
        writeln!(text, "**{note}**\n")?;
    }
    writeln!(
        text,
        "| operation | stock | ours | exits | IPC | VMFUNC | ours, {} | ratio | goal |",
        cost_name(results)
    )?;
    writeln!(text, "|---|--:|--:|--:|--:|--:|--:|--:|--:|")?;
    for row in &results.rows {
        let (stock, ours) = (figures::ticks(&row.stock), figures::ticks(&row.ours));
        let (exits, cost) = (figures::exits(&row.ours), figures::cost(&row.ours, time_scale(results)));
        let (ratio, goal) = (figures::ratio(row), figures::goal(row, accepted));
        let (ipc, vmfunc) = (figures::counter(&row.ours, "ipc"), figures::counter(&row.ours, "vmfunc"));
        let title = row.title();
        writeln!(text, "| {title} | {stock} | {ours} | {exits} | {ipc} | {vmfunc} | {cost} | {ratio} | {goal} |")?;
    }
    let missing: Vec<_> = results.rows.iter().filter_map(|row| Some((row, figures::why_not(row)?))).collect();
    if !missing.is_empty() {
        writeln!(text, "\n## Cases without a ratio\n")?;
        for (row, why) in missing {
            writeln!(text, "- {}: {why}", row.title())?;
        }
    }
    let mut lines = parts::table(&results.parts).into_iter();
    if let Some(titles) = lines.next() {
        writeln!(text, "\n## Where the instructions go\n\n{}\n", parts::EXPLANATION)?;
        writeln!(text, "| {} |\n|---{}|", titles.join(" | "), "|--:".repeat(results.parts.len()))?;
        for line in lines {
            writeln!(text, "| {} |", line.join(" | "))?;
        }
    }
    if !results.facts.is_empty() {
        writeln!(text, "\n## The system as a whole\n\n| what | value | at most |\n|---|--:|--:|")?;
        for fact in &results.facts {
            let (value, goal) = figures::fact(fact);
            writeln!(text, "| {} | {value} | {goal} |", fact.what)?;
        }
    }
    writeln!(text, "\n## Spread and counters\n")?;
    writeln!(
        text,
        "| operation | one operation is | runs | stock min/max | ours min/max | exits by reason, ticks by partition |"
    )?;
    writeln!(text, "|---|---|--:|--:|--:|---|")?;
    for row in &results.rows {
        let runs = figures::runs(row);
        let (stock, ours) = (figures::spread(&row.stock), figures::spread(&row.ours));
        writeln!(text, "| {} | {} | {runs} | {stock} | {ours} | {} |", row.title(), row.unit, figures::reasons(row))?;
    }
    if let Some(configuration) = &results.configuration {
        writeln!(text, "\n## Configuration\n\n{}\n", configured(configuration))?;
        for (why, symbols) in &configuration.differences {
            writeln!(text, "- {}: {}", reason(why), symbols.join(", "))?;
        }
    }
    writeln!(text, "\n## How it was made\n")?;
    for (what, value) in facts(about) {
        writeln!(text, "- {what}: {value}")?;
    }
    Ok(())
}

/// What the figures are, in sentences; both reports show it.
pub fn explanation(results: &Results) -> String {
    let model = &results.model;
    if is_measured(results) {
        let time = match results.about.ticks_per_us {
            ticks if ticks > 0.0 => format!(" {:.0} of them are a microsecond.", ticks),
            _ => String::new(),
        };
        return format!("Measured: ticks of the time stamp counter per operation, the median of the runs.{time}");
    }
    format!(
        "Modelled, not measured: the emulator counts executed instructions per operation (median of the runs), and \
         modelled cycles = instructions + {} x VM exits + {} x VMFUNC. The ratio is ours to stock Linux; time that \
         the emulated disk takes counts as if it were instructions, in both systems.",
        figures::number(model.exit_cycles),
        figures::number(model.vmfunc_cycles),
    )
}

/// How far stock Linux is configured as the partitions are together, in a sentence.
pub fn configured(configuration: &Configuration) -> String {
    let Configuration { symbols, alike, .. } = configuration;
    format!(
        "Stock Linux has the configuration that the partitions have together: {alike} of the {symbols} symbols that either \
         sets are alike, and the rest are named here. The whole configurations lie beside this report, in `configurations/`."
    )
}

/// A difference's reason, or that there is none.
pub fn reason(why: &str) -> &str {
    if why.is_empty() { "NOT EXPLAINED" } else { why }
}

/// Ticks of a microsecond, where they are time.
pub fn time_scale(results: &Results) -> f64 {
    if is_measured(results) { results.about.ticks_per_us } else { 0.0 }
}

/// Whether the results come from hardware.
pub fn is_measured(results: &Results) -> bool {
    results.rows.iter().any(|row| row.kind == Some(Kind::Measured))
}

/// How the column of costs is called.
pub fn cost_name(results: &Results) -> &'static str {
    let kind = results.rows.iter().filter(|row| row.ratio.is_some()).find_map(|row| row.kind);
    kind.unwrap_or(Kind::Modelled).label()
}

/// What, when and where, as pairs.
pub fn facts(about: &super::results::About) -> [(&'static str, &str); 6] {
    [
        ("Command", &about.command),
        ("Date", &about.date),
        ("Machine", &about.machine),
        ("Linux source of both", &about.linux),
        ("Disk", &about.disk),
        ("Revision", &about.revision),
    ]
}
