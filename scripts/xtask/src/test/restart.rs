// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tests of a server's death and restart under a program that uses it.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::support::Bench;
use super::{Case, measure, top};
use crate::ext2;

/// What runs meanwhile.
const JOB: &str = include_str!("restart-job.sh");
/// A call that the new server serves follows the last one of the old within this time of the machine, a sleep of the
/// program's included.
const WAIT_LIMIT_MS: u64 = 1000;

/// The tests.
pub const CASES: &[Case] = &[
    Case { name: "restart-ext2", limit_s: 240, run: restart_1_cpu },
    Case { name: "restart-ext2-2-cpus", limit_s: 300, run: restart_2_cpus },
];

fn restart_1_cpu(bench: &Bench) -> Result<()> {
    restart(bench, "1")
}

fn restart_2_cpus(bench: &Bench) -> Result<()> {
    restart(bench, "2")
}

/// The file server is killed; the program goes on, and loses nothing that was synchronized.
fn restart(bench: &Bench, cpus: &str) -> Result<()> {
    let image = bench.image("32M", &[])?;
    let disk = image.display().to_string();
    let options = ["--cpus", cpus, "--disk", &disk, "--hypervisor-options", "kill=ext2@4000"];
    let ended = bench.boot(&options, &["sh", "-c", &format!("{JOB}\nsm-top --json")], &[])?;
    ended.expect_status(0)?.expect_in_output("survived with")?;
    let wait = ended.milliseconds("longest wait")?;
    measure::remember(format!("restart of the ext2 server: {wait} ms from a served call to the next ({cpus} CPU(s))"));
    if wait > WAIT_LIMIT_MS {
        bail!("nothing was served for {wait} ms");
    }
    let said: Option<Value> = ended.output.lines().last().and_then(|line| serde_json::from_str(line).ok());
    let top = said.context("no word of sm-top")?;
    if top::partition(&top, "ext2")?["restarts"] != 1 || top::partition(&top, "app")?["restarts"] != 0 {
        bail!("sm-top does not tell that ext2 was started again: {top}");
    }
    let log = bench.log();
    for event in ["partition ext2: killed by the boot option", "partition ext2: started again (1)"] {
        if !log.contains(event) {
            bail!("`{event}` is not in the log");
        }
    }
    // What a crash leaves behind.
    ext2::repair(&image)?;
    ext2::expect_clean(&image)
}
