// SPDX-License-Identifier: MIT OR Apache-2.0
//! Programs that others wrote, run on the multiserver: fsx and pjdfstest, static, from crates.io.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::super::support::Bench;
use super::{debugfs, expect_clean, image, put};
use crate::command::Tool;
use crate::paths;

/// Names and versions of the programs.
const FSX: (&str, &str) = ("fsx", "0.3.2");
const PJDFSTEST: (&str, &str) = ("pjdfstest", "0.2.2");
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// Time stamps of ext2 are whole seconds, and tests wait for the next.
const PJDFSTEST_SETTINGS: &str = include_str!("pjdfstest.toml");
const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:::/bin/false\nnobody:x:65534:65534:::/bin/false\n";
const GROUP: &str = "root:x:0:\ndaemon:x:1:\nnogroup:x:65534:\n";
/// These fail on stock Linux's ext2, too: its times are whole seconds in 32 bits.
const FAILS_ON_EXT2: [&str; 2] = ["utimensat::subsecond", "utimensat::y2038"];
/// At least so many tests pass; fewer have not run.
const PASSES_MIN: usize = 300;

/// The static program, built once and cached.
fn program((name, version): (&str, &str)) -> Result<PathBuf> {
    let root = paths::cached("judges")?.join(format!("{name}-{version}"));
    let program = root.join("bin").join(name);
    if !program.is_file() {
        let install = ["install", "--quiet", "--locked", "--target", TARGET, "--version", version, name, "--root"];
        let build = Tool::new("cargo").args(install).arg(&root).env("RUSTFLAGS", "-C target-feature=+crt-static");
        build.run().with_context(|| format!("cannot build {name} from crates.io"))?;
    }
    Ok(program)
}

pub fn fsx_1_cpu(bench: &Bench) -> Result<()> {
    fsx(bench, "1")
}

pub fn fsx_2_cpus(bench: &Bench) -> Result<()> {
    fsx(bench, "2")
}

/// Random reads, writes, truncations and mappings of one file, each checked.
fn fsx(bench: &Bench, cpus: &str) -> Result<()> {
    let image = image(bench, &[&program(FSX)?])?;
    let disk = image.display().to_string();
    let script =
        "for seed in 1 2; do fsx -q -S $seed -N 3000 -P /root /root/file$seed || exit 9; echo seed $seed passed; done";
    let ended = bench.boot(&["--disk", &disk, "--cpus", cpus], &["/bin/sh", "-c", script], &[])?;
    ended.expect_status(0)?.expect_in_output("seed 1 passed")?.expect_in_output("seed 2 passed")?;
    expect_clean(&image)
}

/// What POSIX says of names, modes, owners and times.
pub fn pjdfstest(bench: &Bench) -> Result<()> {
    let image = image(bench, &[&program(PJDFSTEST)?])?;
    for (name, text) in [("passwd", PASSWD), ("group", GROUP), ("pjdfstest.toml", PJDFSTEST_SETTINGS)] {
        let file = bench.path(name);
        std::fs::write(&file, text)?;
        // The first two replace files of the image.
        debugfs(&image, &format!("rm /etc/{name}")).ok();
        put(&image, &file, &format!("/etc/{name}"))?;
    }
    let disk = image.display().to_string();
    let script = "mkdir /root/pj; pjdfstest -c /etc/pjdfstest.toml -p /root/pj \
        chmod chown link mkdir open rename rmdir symlink truncate unlink utimensat 2>&1";
    let ended = bench.boot(&["--disk", &disk], &["/bin/sh", "-c", script], &[])?;
    let of = |verdict: &str| -> Vec<&str> {
        ended.output.lines().filter_map(|line| Some(line.strip_suffix(verdict)?.trim())).collect()
    };
    let failed: Vec<&str> = of(" FAILED").into_iter().filter(|name| !FAILS_ON_EXT2.contains(name)).collect();
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    let passed = of(" ok").len();
    if passed < PASSES_MIN || !ended.output.contains("Summary:") {
        bail!("only {passed} tests passed:\n{}", crate::command::last_lines(&ended.output));
    }
    expect_clean(&image)
}
