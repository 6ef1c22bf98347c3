// SPDX-License-Identifier: MIT OR Apache-2.0
//! The same program does the same to files here and on stock Linux's ext2, and prints the same.

use anyhow::{Result, bail};

use super::Case;
use super::support::Bench;
use crate::ext2;

/// The programs, compiled on the host.
const PROGRAMS: &str = "scripts/xtask/src/test/alike";

/// The tests.
pub const CASES: &[Case] = &[
    Case { name: "files-like-stock", limit_s: 400, run: like_stock },
    Case { name: "files-full-like-stock", limit_s: 500, run: full_like_stock },
    Case { name: "files-times-like-stock", limit_s: 400, run: times_like_stock },
];

/// Operations of all kinds.
fn like_stock(bench: &Bench) -> Result<()> {
    alike(bench, "alike", "32M", &["--snapshot"])
}

/// A full disk says so in write(2), and keeps what it has taken.
fn full_like_stock(bench: &Bench) -> Result<()> {
    // It is filled seven times.
    alike(bench, "full", "12M", &[])
}

/// Times of access, by the rules of the mount.
fn times_like_stock(bench: &Bench) -> Result<()> {
    alike(bench, "times", "32M", &["--snapshot"])
}

/// Runs a program of [`PROGRAMS`] in a file system of `size` on stock Linux, which leaves the image as it is,
/// and here with `options`.
fn alike(bench: &Bench, name: &str, size: &str, options: &[&str]) -> Result<()> {
    let program = bench.compile(&format!("{PROGRAMS}/{name}.c"), &["-Wno-unused-result"])?;
    let image = bench.image(size, &[&program])?;
    let command = format!("/bin/{name}");
    let disk = image.display().to_string();
    let run = |more: &[&str]| {
        let options: Vec<&str> = ["--disk", &disk].iter().chain(more).copied().collect();
        bench.boot(&options, &[&command, "/root/alike"], &[])
    };
    let stock = run(&["--stock", "--snapshot"])?;
    stock.expect_status(0)?;
    let own = run(options)?;
    own.expect_status(0)?;
    let pairs = stock.output.lines().zip(own.output.lines());
    let differences: Vec<String> =
        pairs.filter(|(a, b)| a != b).map(|(a, b)| format!("stock: {a}\n here: {b}")).collect();
    if !differences.is_empty() {
        bail!("{}", differences.join("\n"));
    }
    own.expect_output(&stock.output)?;
    ext2::expect_clean(&image)
}
