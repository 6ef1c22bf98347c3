// SPDX-License-Identifier: MIT OR Apache-2.0
//! `--trace FILE`: a program's run leaves a file that a JSON library reads and whose calls are whole.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::measure;
use super::support::Bench;
use crate::trace::check;

/// Entries that may be overwritten before root reads them, of a thousand.
const LOST_MAX: usize = 20;

/// What a trace may cost, of the instructions of the traced work.
const COST_MAX: f64 = 0.05;
/// Work for the measurement of that: files, processes, and switches between them.
const WORK: &str = "i=0; while [ $i -lt 40 ]; do i=$((i+1)); mkdir /root/d && echo $i > /root/d/f && \
                    cat /root/d/f | wc -l > /dev/null && ls -l /root/d > /dev/null && rm -r /root/d; done; sync";
/// Between the counters before and after it.
const BETWEEN: &str = "----";

/// The test.
pub fn run(bench: &Bench) -> Result<()> {
    let file = bench.path("trace.json").display().to_string();
    let script = "mkdir /root/d && echo x > /root/d/f && sync && rm -r /root/d && ls -l /bin | wc -l > /dev/null";
    bench.boot(&["--trace", &file], &["sh", "-c", script], &[])?.expect_status(0)?;
    let value: Value = serde_json::from_str(&std::fs::read_to_string(&file).context("there is no trace")?)?;
    let found = check::check(&value)?;
    if found.threads.get("app").is_none_or(|threads| !threads.contains("ls")) || !found.threads.contains_key("ext2") {
        bail!("the trace lacks the threads of partitions: {:?}", found.threads);
    }
    for partition in ["app", "ext2"] {
        let names = found.slices.get(partition).with_context(|| format!("{partition} has no calls"))?;
        for operation in ["root-fs LOOKUP", "root-fs MKDIR", "root-fs RMDIR"] {
            if !names.iter().any(|name| name == operation) {
                bail!("{partition} has no call `{operation}`");
            }
        }
    }
    let other = &value["otherData"];
    let lost = other["lost_entries"].as_u64().context("lost entries are not counted")? as usize;
    let events = value["traceEvents"].as_array().map_or(0, Vec::len);
    if other["is_complete"] != true || lost * 1000 > events * LOST_MAX {
        bail!("the trace has holes: {other}");
    }
    let (calls, completions) = (found.calls, found.completions);
    measure::remember(format!(
        "trace: {events} events, {calls} calls and {completions} completions followed, {lost} entries lost"
    ));
    Ok(())
}

/// The same work with a trace and without: all that any partition does for it, root's part among it.
pub fn cost(bench: &Bench) -> Result<()> {
    let file = bench.path("trace.json").display().to_string();
    let (with, without) = (work(bench, &["--trace", &file])?, work(bench, &[])?);
    let more = with / without - 1.0;
    measure::remember(format!("trace: {:.1} % more instructions ({with} and {without})", more * 100.0));
    if more > COST_MAX {
        bail!("a trace costs {:.1} % of instructions: {with} with it, {without} without", more * 100.0);
    }
    Ok(())
}

/// Ticks that all partitions ran for the work.
fn work(bench: &Bench, options: &[&str]) -> Result<f64> {
    let script = format!("C=/proc/sawmill/statistics; cat $C; echo {BETWEEN}; {WORK}; cat $C");
    let ended = bench.boot(options, &["sh", "-c", &script], &[])?;
    ended.expect_status(0)?;
    let (before, after) = ended.output.split_once(BETWEEN).context("there are no two readings")?;
    Ok(ran(after)? - ran(before)?)
}

/// The sum of `run=` in the lines of virtual CPUs.
fn ran(counters: &str) -> Result<f64> {
    let words = counters.lines().filter(|line| line.starts_with("vcpu ")).flat_map(str::split_whitespace);
    let ticks = words.filter_map(|word| word.strip_prefix("run=")).map(str::parse::<f64>);
    let ticks: Vec<f64> = ticks.collect::<std::result::Result<_, _>>().context("a counter is no number")?;
    if ticks.len() < 3 {
        bail!("there are not three partitions: {counters}");
    }
    Ok(ticks.iter().sum())
}
