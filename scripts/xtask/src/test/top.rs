// SPDX-License-Identifier: MIT OR Apache-2.0
//! sm-top in the app partition, and out of a log with root's blocks: what it says fits what was done.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::support::Bench;

/// Files that are looked up while sm-top watches: each is a call, at the least.
const LOOKUPS: u64 = 200;

/// What a busy loop gets of a CPU at the least.
const BUSY_PERCENT: f64 = 80.0;
/// How a table begins on a terminal.
const AGAIN: &str = "\u{1b}[H";

/// The test.
pub fn run(bench: &Bench) -> Result<()> {
    let script = format!(
        "(sleep 1; i=0; while [ $i -lt {LOOKUPS} ]; do [ -e /root/none$i ]; i=$((i+1)); done; exec sleep 20) & \
         sm-top --json --interval 8; sm-top --interval 1 | grep -c KiB; sm-top --count 2 > /dev/hvc0; \
         (while :; do :; done) & sm-top --json --interval 2; kill $!"
    );
    let ended = bench.boot(&["--hypervisor-options", "top=2"], &["sh", "-c", &script], &[])?;
    ended.expect_status(0)?;
    let (object, rest) = ended.output.split_once('\n').context("sm-top says nothing")?;
    check(&serde_json::from_str(object).context("sm-top wrote no JSON")?, LOOKUPS)?;
    let (heads, busy) = rest.split_once('\n').context("sm-top shows nothing")?;
    if heads != "2" {
        bail!("the table lacks its heads: {heads}");
    }
    let busy: Value = serde_json::from_str(busy).context("sm-top wrote no JSON")?;
    let share = number(partition(&busy, "app")?, "cpu_percent")?;
    if share < BUSY_PERCENT {
        bail!("a loop runs all the time, and app has {share} % of the CPU");
    }
    // On a terminal it begins at the top again, and blanks what is left of longer lines.
    let shown = bench.log().matches(AGAIN).count();
    if shown != 2 {
        bail!("two tables were asked for, and the terminal was rewritten {shown} times");
    }
    let log = bench.path("log").display().to_string();
    let ended = bench.xtask(&["top", "--json", &log], &[])?;
    ended.expect_status(0)?;
    check(&serde_json::from_str(&ended.output).context("xtask top wrote no JSON")?, 0)
}

/// A partition of what sm-top says.
pub fn partition<'a>(top: &'a Value, name: &str) -> Result<&'a Value> {
    let partitions = top["partitions"].as_array().context("there are no partitions")?;
    partitions.iter().find(|it| it["name"] == name).with_context(|| format!("no {name}"))
}

fn number(of: &Value, key: &str) -> Result<f64> {
    of[key].as_f64().with_context(|| format!("no {key} in {of}"))
}

/// Three partitions; with `calls`, so many at least went from the programs to the file server.
fn check(top: &Value, calls: u64) -> Result<()> {
    let (root, ext2, app) = (partition(top, "root")?, partition(top, "ext2")?, partition(top, "app")?);
    let period = number(top, "period_s")?;
    for partition in [root, ext2, app] {
        let (memory, limit) = (number(partition, "memory_kib")?, number(partition, "memory_limit_kib")?);
        let total = number(&partition["exits_per_s"], "total")?;
        let classes = partition["exits_per_s"].as_object().context("no exits")?;
        let sum: f64 = classes.iter().filter(|(name, _)| *name != "total").filter_map(|(_, rate)| rate.as_f64()).sum();
        // Each rate is rounded down.
        if sum > total || total - sum > classes.len() as f64 {
            bail!("exits by reason do not add up: {partition}");
        }
        if partition["life"] != "ready" || memory < 1024.0 || memory > limit || number(partition, "restarts")? != 0.0 {
            bail!("this cannot be: {partition}");
        }
    }
    let cpu: Vec<f64> = [root, ext2, app].iter().map(|it| number(it, "cpu_percent")).collect::<Result<_>>()?;
    if cpu.iter().sum::<f64>() > 100.5 {
        bail!("one CPU did more than it can: {cpu:?} %");
    }
    // What a server runs is what it runs for calls.
    let of_calls = number(ext2, "us_per_call")? * number(ext2, "served_per_s")? / 1e4;
    if calls > 0 && (of_calls - number(ext2, "cpu_percent")?).abs() > 0.2 + of_calls / 5.0 {
        bail!("so many calls of that length are {of_calls:.1} % of a CPU, but: {ext2}");
    }
    // Only the partition that has the pool knows it; root does not.
    let (pool, used) = (number(top, "pool_kib")?, number(top, "pool_used_kib")?);
    if calls > 0 && (pool < 1024.0 || used <= 0.0 || used > pool) {
        bail!("the pool cannot be {used} of {pool} KiB");
    }
    let (asked, served) = (number(app, "calls_per_s")? * period, number(ext2, "served_per_s")? * period);
    let exits = number(&app["exits_per_s"], "portal_call")? * period;
    if asked + period < calls as f64 || served + period < calls as f64 || (exits - asked).abs() > 2.0 * period {
        bail!("{calls} calls were made, and app called {asked}, by {exits} exits, ext2 served {served}: {top}");
    }
    Ok(())
}
