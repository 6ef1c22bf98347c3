// SPDX-License-Identifier: MIT OR Apache-2.0
//! The README's table and plot, made from results: what stands between two marks is written, the rest is people's.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::figures;
use super::model::Kind;
use super::plot;
use super::results::{Results, Row};

const BEGIN: &str = "<!-- bench-compare begin: written by scripts/bench-compare.sh --readme -->";
const END: &str = "<!-- bench-compare end -->";
/// Where the plot lies, seen from the README.
const PLOT: &str = "hypervisor/doc/comparison.svg";

/// The first line of the plot.
const LICENCE: &str = "<!-- SPDX-License-Identifier: MIT OR Apache-2.0 -->";

/// The rows of the table: what people call it, and the case.
const OPERATIONS: [(&str, &str); 38] = [
    ("re-read 4 KB, cached", "reread"),
    ("fault on 64 KB of a mapped, cached file", "mmap-read"),
    ("stat, cached", "stat"),
    ("open + close", "open"),
    ("write 4 KB into a cached file", "rewrite"),
    ("write 4 KB, new file", "write"),
    ("write 4 KB, new file, one fsync", "write-fsync"),
    ("cold sequential read, per 4 KB", "read-cold"),
    ("cold random read, 4 KB", "read-random"),
    ("stat, uncached", "stat-uncached"),
    ("create", "create"),
    ("rename", "rename"),
    ("unlink", "unlink"),
    ("mkdir", "mkdir"),
    ("1-byte write + fsync", "byte-fsync"),
    ("listing, per entry", "readdir"),
    ("small file of a tree written", "tree-write"),
    ("null call", "getppid"),
    ("pipe round trip", "pipe"),
    ("context switch", "switch"),
    ("page fault", "page-fault"),
    ("mmap + munmap", "mmap"),
    ("fork + wait", "fork"),
    ("fork + exec + wait", "exec"),
    ("TCP round trip, loopback", "tcp-round-trip"),
    ("TCP stream, loopback, per 4 KB", "tcp-stream"),
    ("TCP out through the NIC, per MB", "nic-tcp-out"),
    ("TCP in through the NIC, per MB", "nic-tcp-in"),
    ("TCP round trip through the NIC", "nic-tcp-round-trip"),
    ("UDP round trip through the NIC", "nic-udp-round-trip"),
    ("TCP connection through the NIC", "nic-connect"),
    ("sendfile through the NIC, per MB", "nic-sendfile"),
    ("tar x of /usr/include", "tar"),
    ("make of a small C package", "make"),
    ("sqlite3: 3,000 rows", "sqlite3"),
    ("redis: 4,000 requests, Unix socket", "redis-unix"),
    ("redis: 4,000 requests, TCP, loopback", "redis"),
    ("power-on to the program", "boot"),
];

/// Writes the table into the README and the plot beside the documents.
///
/// # Errors
/// The README lacks the marks; a file cannot be written; there is nothing to plot.
pub fn write(results: &Results, repository: &Path) -> Result<()> {
    let file = repository.join("README.md");
    let text = std::fs::read_to_string(&file).context("cannot read README.md")?;
    std::fs::write(&file, replaced(&text, &section(results))?)?;
    let svg =
        plot::reread(&results.rows, "cycles per 4 KB record")?.context("the case reread is needed for the plot")?;
    std::fs::write(repository.join(PLOT), format!("{LICENCE}\n{svg}\n"))?;
    Ok(())
}

/// Checks that the marks are there, with a table and its plot between them.
///
/// # Errors
/// What is missing.
pub fn check(repository: &Path) -> Result<()> {
    let text = std::fs::read_to_string(repository.join("README.md")).context("cannot read README.md")?;
    let (_, section, _) = parts(&text)?;
    let rows = section.lines().filter(|line| line.starts_with("| ")).count();
    if rows < 10 || !section.contains("scripts/bench-compare.sh") {
        bail!("README's generated section has {rows} rows, or no command");
    }
    let plot = std::fs::read_to_string(repository.join(PLOT)).with_context(|| format!("cannot read {PLOT}"))?;
    if !section.contains(PLOT) || !plot.contains("<svg") {
        bail!("README's plot {PLOT} is not shown or no picture");
    }
    Ok(())
}

fn parts(text: &str) -> Result<(&str, &str, &str)> {
    let (before, rest) = text.split_once(BEGIN).with_context(|| format!("README.md lacks the mark `{BEGIN}`"))?;
    let (section, after) = rest.split_once(END).with_context(|| format!("README.md lacks the mark `{END}`"))?;
    Ok((before, section, after))
}

fn replaced(text: &str, section: &str) -> Result<String> {
    let (before, _, after) = parts(text)?;
    Ok(format!("{before}{BEGIN}\n{section}{END}{after}"))
}

fn section(results: &Results) -> String {
    let about = &results.about;
    let day = about.date.split(' ').next().unwrap_or_default();
    let mut text = format!("From `{}` of {day}, {}: {}.\n\n", about.command, about.revision, about.machine);
    let kind = results.rows.iter().find_map(|row| row.ratio.and(row.kind)).map_or("modelled", Kind::label);
    // Writing into a string cannot fail.
    let _ = writeln!(text, "| operation | stock | multiserver | exits | ratio, {kind} |\n|---|--:|--:|--:|--:|");
    for (name, case) in OPERATIONS {
        let rows: Vec<&Row> = results.rows.iter().filter(|row| row.case == case && row.ratio.is_some()).collect();
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { continue };
        let sizes = match (first.parameter, last.parameter) {
            (low, high) if low != high => format!(", {} to {}", amount(low), amount(high)),
            _ => String::new(),
        };
        let span = |of: &dyn Fn(&Row) -> Option<f64>, write: &dyn Fn(f64) -> String| {
            let values: Vec<f64> = rows.iter().filter_map(|row| of(row)).collect();
            let least = write(values.iter().copied().fold(f64::INFINITY, f64::min));
            let most = write(values.iter().copied().fold(f64::NEG_INFINITY, f64::max));
            if least == most { least } else { format!("{least} - {most}") }
        };
        let stock = span(&|row| Some(row.stock.sample()?.work().0), &figures::number);
        let ours = span(&|row| Some(row.ours.sample()?.work().0), &figures::number);
        let exits = span(&|row| row.ours.sample()?.counter("total"), &short);
        let ratio = span(&|row| row.ratio, &|ratio| format!("{ratio:.2}"));
        let _ = writeln!(text, "| {name}{sizes} | {stock} | {ours} | {exits} | {ratio} |");
    }
    let _ = writeln!(text, "\n![Re-read of a cached file, by file size]({PLOT})");
    text
}

fn amount(parameter: u64) -> String {
    match parameter {
        bytes if bytes != 0 && bytes % (1 << 20) == 0 => format!("{} MB", bytes >> 20),
        bytes if bytes != 0 && bytes % (1 << 10) == 0 => format!("{} KB", bytes >> 10),
        count => format!("{} entries", figures::number(count as f64)),
    }
}

/// Exits: one decimal, which a timer in passing does not reach.
fn short(exits: f64) -> String {
    match exits {
        exits if exits < 0.05 => "0".to_owned(),
        exits if exits < 9.95 => format!("{exits:.1}"),
        exits => figures::number(exits),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{compare, model, results, sample};

    fn results() -> Results {
        let stock = sample::parse(include_str!("testdata/stock.log"));
        let ours = sample::parse(include_str!("testdata/ours.log"));
        let model = model::Model::default();
        let rows = compare::rows(&stock, &ours, &model, model::Counter::Instructions);
        let about = results::About {
            date: "2026-01-02 03:04:05 UTC".to_owned(),
            command: "scripts/bench-compare.sh --runs 3".to_owned(),
            ..results::About::default()
        };
        Results {
            schema: String::new(),
            version: 1,
            about,
            model,
            parts: Vec::new(),
            rows,
            facts: Vec::new(),
            configuration: None,
            notes: Vec::new(),
        }
    }

    #[test]
    fn what_is_around_the_section_stays() {
        let text = format!("# A\n{BEGIN}\noutdated\n{END}\n## B\n");
        let new = replaced(&text, &section(&results())).expect("has marks");
        assert!(new.starts_with("# A\n<!--") && new.ends_with("-->\n## B\n") && !new.contains("outdated"));
        assert!(new.contains("| re-read 4 KB, cached, 64 KB to 8 MB | ") && new.contains("of 2026-01-02"));
        assert!(replaced("# A\n", "x").is_err());
        let again = replaced(&new, &section(&results())).expect("has marks");
        assert_eq!(again, new);
    }
}
