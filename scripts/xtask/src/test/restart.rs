// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tests of a server's death and restart under a program that uses it.

use anyhow::{Result, bail};

use super::Case;
use super::support::Bench;
use crate::ext2;

/// What runs meanwhile.
const JOB: &str = include_str!("restart-job.sh");

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
    let ended = bench.boot(&options, &["sh", "-c", JOB], &[])?;
    ended.expect_status(0)?.expect_in_output("survived with")?;
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
