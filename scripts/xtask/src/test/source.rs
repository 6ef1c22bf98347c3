// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tests that need no machine: format, lints, generated files, sizes, and everything `cargo test` runs.

use std::process::Command;

use anyhow::{Result, bail};

use super::measure;
use super::support::Bench;
use super::{Case, Skipped};
use crate::generate;

/// Lines that no file may exceed.
const FILE_LINES_MAX: usize = 600;
/// Crates that only build for the machine itself.
const MACHINE_CRATES: [&str; 4] = ["sawmill-machine", "sawmill-image", "sawmill-root", "sawmill-conformance"];

/// The tests.
pub const CASES: &[Case] = &[
    Case { name: "source-format", limit_s: 120, run: format },
    Case { name: "source-generated", limit_s: 60, run: generated },
    Case { name: "source-readme", limit_s: 60, run: readme },
    Case { name: "source-file-sizes", limit_s: 60, run: file_sizes },
    Case { name: "source-lints", limit_s: 900, run: lints },
    Case { name: "source-lints-machine", limit_s: 900, run: lints_machine },
    Case { name: "unit", limit_s: 1200, run: unit },
    Case { name: "miri", limit_s: 3600, run: miri },
];

fn cargo(bench: &Bench, arguments: &[&str]) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    bench.run(Command::new(cargo).args(arguments).env("RUST_BACKTRACE", "0"), &[])?.expect_status(0)?;
    Ok(())
}

fn format(bench: &Bench) -> Result<()> {
    cargo(bench, &["fmt", "--all", "--check"])
}

fn generated(_: &Bench) -> Result<()> {
    generate::run(generate::Mode::Check)
}

/// The README's figures are generated: the marks are there, with a table between them.
fn readme(_: &Bench) -> Result<()> {
    crate::bench::readme::check(&crate::paths::repository())
}

fn file_sizes(_: &Bench) -> Result<()> {
    let long: Vec<String> = measure::source_files()?
        .into_iter()
        .filter_map(|(name, text)| {
            let lines = text.lines().count();
            (lines > FILE_LINES_MAX).then(|| format!("{name} has {lines} lines"))
        })
        .collect();
    if !long.is_empty() {
        bail!("more than {FILE_LINES_MAX} lines: {}", long.join(", "));
    }
    Ok(())
}

fn lints(bench: &Bench) -> Result<()> {
    cargo(bench, &["clippy", "--quiet", "--all-targets", "--", "--deny", "warnings"])
}

fn lints_machine(bench: &Bench) -> Result<()> {
    let mut arguments = vec!["clippy", "--quiet", "--target", "x86_64-unknown-none"];
    for name in MACHINE_CRATES {
        arguments.extend(["--package", name]);
    }
    arguments.extend(["--", "--deny", "warnings"]);
    cargo(bench, &arguments)
}

/// Looks for undefined behaviour in the crates without hardware, where the toolchain can (a nightly one).
fn miri(bench: &Bench) -> Result<()> {
    let has_miri = Command::new("cargo").args(["miri", "--version"]).output().is_ok_and(|it| it.status.success());
    if !has_miri {
        bail!(Skipped("this toolchain has no `cargo miri` (it is a nightly component)"));
    }
    let mut command = Command::new("cargo");
    command.args([
        "miri",
        "test",
        "--package",
        "sawmill-abi",
        "--package",
        "sawmill-logic",
        "--package",
        "sawmill-proto",
    ]);
    // Tests that draw cases read the clock and a file of past failures.
    command.env("MIRIFLAGS", "-Zmiri-disable-isolation").env("PROPTEST_CASES", "4");
    bench.run(&mut command, &[])?.expect_status(0)?;
    Ok(())
}

fn unit(bench: &Bench) -> Result<()> {
    let has_nextest = crate::command::exists("cargo-nextest");
    if !has_nextest {
        return cargo(bench, &["test", "--quiet"]);
    }
    let only_failures = ["--status-level", "fail", "--final-status-level", "fail", "--failure-output", "final"];
    cargo(bench, &[["nextest", "run", "--no-fail-fast"].as_slice(), &only_failures].concat())
}
