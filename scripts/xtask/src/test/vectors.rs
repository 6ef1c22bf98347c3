// SPDX-License-Identifier: MIT OR Apache-2.0
//! Vector registers of programs survive what Linux and the hypervisor switch.

use anyhow::{Result, bail};

use super::Case;
use super::files;
use super::support::Bench;
use crate::command::Tool;
use crate::paths;

const PROGRAM: &str = "scripts/xtask/src/test/vectors.c";
/// Fewer switches of a process have shown nothing.
const SWITCHES_MIN: u64 = 500;

/// The test.
pub const CASES: &[Case] = &[Case { name: "program-vectors", limit_s: 300, run: program_vectors }];

fn program_vectors(bench: &Bench) -> Result<()> {
    let program = bench.path("vectors");
    let flags = ["-std=gnu11", "-O2", "-mavx", "-Wall", "-Wextra", "-Werror", "-static", "-s", "-o"];
    Tool::new("gcc").args(flags).arg(&program).arg(paths::repository().join(PROGRAM)).run()?;
    let image = files::image(bench, &[&program])?.display().to_string();
    let ended = bench.boot(&["--disk", &image], &["/bin/vectors"], &[])?;
    ended.expect_status(0)?;
    let counts = ended.output.lines().filter_map(|line| line.strip_prefix("lost 0, switches ")?.parse::<u64>().ok());
    match counts.filter(|switches| *switches >= SWITCHES_MIN).count() {
        2 => Ok(()),
        _ => bail!("not both processes were switched often:\n{}", ended.output),
    }
}
