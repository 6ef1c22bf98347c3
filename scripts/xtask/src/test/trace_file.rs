// SPDX-License-Identifier: MIT OR Apache-2.0
//! `--trace FILE`: a program's run leaves a file that a JSON library reads and whose calls are whole.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::measure;
use super::support::Bench;
use crate::trace::check;

/// Entries that may be overwritten before root reads them, of a thousand.
const LOST_MAX: usize = 20;

/// The test.
pub fn run(bench: &Bench) -> Result<()> {
    let file = bench.path("trace.json").display().to_string();
    let script = "mkdir /root/d && echo x > /root/d/f && sync && rm -r /root/d && ls -l /bin | wc -l > /dev/null";
    bench.boot(&["--trace", &file], &["sh", "-c", script], &[])?.expect_status(0)?;
    let value: Value = serde_json::from_str(&std::fs::read_to_string(&file).context("there is no trace")?)?;
    let found = check::check(&value)?;
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
