// SPDX-License-Identifier: MIT OR Apache-2.0
//! Checks a trace file as a viewer would read it: slices of a track nest, flows are whole and lie in slices.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// Names of the IPC slices by process, in the order of the file.
    pub slices: BTreeMap<String, Vec<String>>,
    /// Names of the threads that ran, by process.
    pub threads: BTreeMap<String, BTreeSet<String>>,
    /// Calls that were followed to the server and back.
    pub calls: usize,
    /// Calls that were followed from `Pending` to their completion.
    pub completions: usize,
}

#[derive(Debug, Clone, Copy)]
struct Span {
    start: f64,
    end: f64,
}

/// Rounding of times, microseconds.
const SLACK: f64 = 0.001;

/// Checks the text of a trace file.
pub fn check(value: &Value) -> Result<Found> {
    let events = value["traceEvents"].as_array().context("there is no list of events")?;
    let mut found = Found::default();
    let mut names: BTreeMap<u64, &str> = BTreeMap::new();
    let mut spans: BTreeMap<u64, Vec<Span>> = BTreeMap::new();
    let mut flows: BTreeMap<u64, Vec<(&str, u64, f64)>> = BTreeMap::new();
    let number = |event: &Value, key: &str| event[key].as_f64().with_context(|| format!("no {key} in {event}"));
    for event in events {
        let (pid, tid) = (event["pid"].as_u64().context("no pid")?, event["tid"].as_u64().unwrap_or(0));
        match event["ph"].as_str().context("no phase")? {
            "M" if event["name"] == "process_name" => {
                names.insert(pid, event["args"]["name"].as_str().context("no name")?);
            }
            "M" => {}
            "X" => {
                let start = number(event, "ts")?;
                spans.entry(tid).or_default().push(Span { start, end: start + number(event, "dur")? });
                let process =
                    || Ok::<_, anyhow::Error>((*names.get(&pid).context("a process without a name")?).to_owned());
                let name = event["name"].as_str().context("no name")?.to_owned();
                if event["cat"] == "ipc" {
                    found.slices.entry(process()?).or_default().push(name);
                } else if event["cat"] == "thread" {
                    found.threads.entry(process()?).or_default().insert(name);
                }
            }
            "i" => {
                number(event, "ts")?;
            }
            phase @ ("s" | "t" | "f") => {
                let id = event["id"].as_u64().context("a flow without an id")?;
                flows.entry(id).or_default().push((phase, tid, number(event, "ts")?));
            }
            other => bail!("unknown phase {other}"),
        }
    }
    for spans in spans.values_mut() {
        expect_nested(spans)?;
    }
    for (id, steps) in &flows {
        let phases: Vec<&str> = steps.iter().map(|(phase, ..)| *phase).collect();
        let is_ordered = steps.is_sorted_by(|a, b| a.2 <= b.2 + SLACK);
        let is_whole = match phases.as_slice() {
            ["s", "t", "f"] => steps[0].1 == steps[2].1,
            ["s", "f"] => true,
            _ => false,
        };
        if !is_whole || !is_ordered {
            bail!("flow {id} is not whole: {steps:?}");
        }
        found.completions += usize::from(steps.len() == 2);
        for (_, tid, at) in steps {
            let lies_in = |span: &Span| span.start <= at + SLACK && *at <= span.end + SLACK;
            if !spans.get(tid).is_some_and(|spans| spans.iter().any(lies_in)) {
                bail!("flow {id} touches no slice at {at}");
            }
        }
    }
    found.calls = flows.len() - found.completions;
    Ok(found)
}

fn expect_nested(spans: &mut [Span]) -> Result<()> {
    spans.sort_by(|a, b| a.start.total_cmp(&b.start).then(b.end.total_cmp(&a.end)));
    let mut open: Vec<Span> = Vec::new();
    for span in spans.iter() {
        while open.pop_if(|outer| outer.end <= span.start + SLACK).is_some() {}
        if let Some(outer) = open.last().filter(|outer| span.end > outer.end + SLACK) {
            bail!("slices cross: {outer:?} and {span:?}");
        }
        open.push(*span);
    }
    Ok(())
}
