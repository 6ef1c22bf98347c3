// SPDX-License-Identifier: MIT OR Apache-2.0
//! sm-top in the app partition, and out of a log with root's blocks: what it says fits what was done.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::support::Bench;

/// Files that are looked up while sm-top watches: each is a call, at the least.
const LOOKUPS: u64 = 200;

/// The test.
pub fn run(bench: &Bench) -> Result<()> {
    let script = format!(
        "(sleep 1; i=0; while [ $i -lt {LOOKUPS} ]; do [ -e /root/none$i ]; i=$((i+1)); done; exec sleep 20) & \
         sm-top --json --interval 8; sm-top --interval 1 | grep -c KiB"
    );
    let ended = bench.boot(&["--hypervisor-options", "top=2"], &["sh", "-c", &script], &[])?;
    ended.expect_status(0)?;
    let (object, rest) = ended.output.split_once('\n').context("sm-top says nothing")?;
    check(&serde_json::from_str(object).context("sm-top wrote no JSON")?, LOOKUPS)?;
    if rest.trim() != "2" {
        bail!("the table lacks its heads: {rest}");
    }
    let log = bench.path("log").display().to_string();
    let ended = bench.xtask(&["top", "--json", &log], &[])?;
    ended.expect_status(0)?;
    check(&serde_json::from_str(&ended.output).context("xtask top wrote no JSON")?, 0)
}

/// Three partitions; with `calls`, so many at least went from the programs to the file server.
fn check(top: &Value, calls: u64) -> Result<()> {
    let partitions = top["partitions"].as_array().context("there are no partitions")?;
    let find = |name: &str| partitions.iter().find(|it| it["name"] == name).with_context(|| format!("no {name}"));
    let number = |of: &Value, key: &str| of[key].as_f64().with_context(|| format!("no {key} in {of}"));
    let (root, ext2, app) = (find("root")?, find("ext2")?, find("app")?);
    let period = number(top, "period_s")?;
    for partition in [root, ext2, app] {
        if partition["life"] != "ready" || number(partition, "memory_kib")? < 1024.0 {
            bail!("this cannot be: {partition}");
        }
    }
    let cpu: Vec<f64> = [root, ext2, app].iter().map(|it| number(it, "cpu_percent")).collect::<Result<_>>()?;
    if cpu.iter().sum::<f64>() > 100.5 {
        bail!("one CPU did more than it can: {cpu:?} %");
    }
    let (asked, served) = (number(app, "calls_per_s")? * period, number(ext2, "served_per_s")? * period);
    let exits = number(&app["exits_per_s"], "portal_call")? * period;
    if asked + period < calls as f64 || served + period < calls as f64 || (exits - asked).abs() > 2.0 * period {
        bail!("{calls} calls were made, and app called {asked}, by {exits} exits, ext2 served {served}: {top}");
    }
    Ok(())
}
