// SPDX-License-Identifier: MIT OR Apache-2.0
//! Vector registers of programs survive what Linux and the hypervisor switch; long additions are right.

use anyhow::{Result, bail};

use super::Case;
use super::support::Bench;

const PROGRAM: &str = "scripts/xtask/src/test/vectors.c";
const ADDITIONS: &str = "scripts/xtask/src/test/carries.c";
/// Fewer switches of a process have shown nothing.
const SWITCHES_MIN: u64 = 500;

/// The test.
pub const CASES: &[Case] = &[Case { name: "program-vectors", limit_s: 300, run: program_vectors }];

fn program_vectors(bench: &Bench) -> Result<()> {
    let (vectors, carries) = (bench.compile(PROGRAM, &["-mavx"])?, bench.compile(ADDITIONS, &[])?);
    let image = bench.image("64M", &[&vectors, &carries])?.display().to_string();
    let ended = bench.boot(&["--disk", &image], &["sh", "-c", "/bin/carries && /bin/vectors"], &[])?;
    ended.expect_status(0)?;
    let counts = ended.output.lines().filter_map(|line| line.strip_prefix("lost 0, switches ")?.parse::<u64>().ok());
    match counts.filter(|switches| *switches >= SWITCHES_MIN).count() {
        2 => Ok(()),
        _ => bail!("not both processes were switched often:\n{}", ended.output),
    }
}
