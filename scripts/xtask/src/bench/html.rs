// SPDX-License-Identifier: MIT OR Apache-2.0
//! `report.html`: one file, no scripts, nothing fetched; for a phone, a screen and paper.

use std::fmt::Write;

use super::accepted::Accepted;
use super::results::{Results, Row};
use super::{figures, markdown, parts};

const STYLE: &str = include_str!("report.css");

/// Writes the report with its plots (SVG text).
pub fn render(results: &Results, accepted: &Accepted, plots: &[(&str, String)]) -> String {
    let mut text = String::new();
    // Writing into a string cannot fail.
    let _ = write(&mut text, results, accepted, plots);
    text
}

fn write(out: &mut String, results: &Results, accepted: &Accepted, plots: &[(&str, String)]) -> std::fmt::Result {
    writeln!(out, "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">")?;
    writeln!(out, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")?;
    writeln!(out, "<title>The multiserver and stock Linux</title>\n<style>\n{STYLE}</style>")?;
    writeln!(out, "<main>\n<h1>The multiserver and stock Linux, operation by operation</h1>")?;
    let badge = if markdown::is_measured(results) { "measured" } else { "modelled" };
    let explanation = escape(&markdown::explanation(results));
    writeln!(out, "<p><span class=\"badge\">{badge}</span> {explanation}</p>")?;
    for note in &results.notes {
        writeln!(out, "<p class=\"note\">{}</p>", escape(note))?;
    }
    for (caption, svg) in plots {
        writeln!(out, "<figure>\n{svg}<figcaption>{}</figcaption>\n</figure>", escape(caption))?;
    }
    let cost = markdown::cost_name(results);
    writeln!(out, "<h2>Figures</h2>\n<div class=\"wide\"><table>")?;
    writeln!(
        out,
        "<thead><tr><th>operation<th>stock<th>ours<th>exits<th>ours, {cost}<th>ratio<th>goal</tr></thead><tbody>"
    )?;
    for row in &results.rows {
        write_row(out, row, accepted, markdown::time_scale(results))?;
    }
    writeln!(out, "</tbody></table></div>")?;
    let mut lines = parts::table(&results.parts).into_iter();
    if let Some(titles) = lines.next() {
        let explanation = escape(parts::EXPLANATION);
        writeln!(out, "<h2>Where the instructions go</h2>\n<p>{explanation}</p>\n<div class=\"wide\"><table>")?;
        writeln!(out, "<thead><tr><th>{}</tr></thead><tbody>", escape(&titles.join("\n")).replace('\n', "<th>"))?;
        for line in lines {
            writeln!(out, "<tr><th scope=\"row\">{}</tr>", escape(&line.join("\n")).replace('\n', "<td>"))?;
        }
        writeln!(out, "</tbody></table></div>")?;
    }
    if !results.facts.is_empty() {
        writeln!(out, "<h2>The system as a whole</h2>\n<div class=\"wide\"><table>")?;
        writeln!(out, "<thead><tr><th>what<th>value<th>at most</tr></thead><tbody>")?;
        for fact in &results.facts {
            let (value, goal) = figures::fact(fact);
            writeln!(out, "<tr><th scope=\"row\">{}<td>{value}<td>{goal}</tr>", escape(&fact.what))?;
        }
        writeln!(out, "</tbody></table></div>")?;
    }
    if let Some(configuration) = &results.configuration {
        writeln!(out, "<h2>Configuration</h2>\n<p>{}</p>\n<dl>", escape(&markdown::configured(configuration)))?;
        for (why, symbols) in &configuration.differences {
            writeln!(out, "<dt>{}<dd>{}", escape(markdown::reason(why)), escape(&symbols.join(", ")))?;
        }
        writeln!(out, "</dl>")?;
    }
    writeln!(out, "<h2>How it was made</h2>\n<dl>")?;
    for (what, value) in markdown::facts(&results.about) {
        writeln!(out, "<dt>{what}<dd>{}", escape(value))?;
    }
    writeln!(out, "</dl>\n</main>\n</html>")
}

fn write_row(out: &mut String, row: &Row, accepted: &Accepted, scale: f64) -> std::fmt::Result {
    let (title, unit) = (escape(&row.title()), escape(&row.unit));
    if let Some(why) = figures::why_not(row) {
        let stock = figures::ticks(&row.stock);
        let why = escape(&why);
        return writeln!(
            out,
            "<tr><th scope=\"row\">{title}<small>{unit}</small><td>{stock}<td colspan=\"5\" class=\"why\">{why}</tr>"
        );
    }
    let class = match (row.ratio, accepted.goal(&row.case)) {
        (Some(ratio), Some(goal)) if ratio > goal => " class=\"over\"",
        (Some(_), Some(_)) => " class=\"within\"",
        _ => "",
    };
    writeln!(
        out,
        "<tr><th scope=\"row\">{title}<small>{unit}; runs: {}</small><td>{}<small>{}</small><td>{}<small>{}</small>\
         <td title=\"{}\">{}<td>{}<td{class}>{}<td>{}</tr>",
        figures::runs(row),
        figures::ticks(&row.stock),
        figures::spread(&row.stock),
        figures::ticks(&row.ours),
        figures::spread(&row.ours),
        escape(&figures::reasons(row)),
        figures::exits(&row.ours),
        figures::cost(&row.ours, scale),
        figures::ratio(row),
        figures::goal(row, accepted),
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
