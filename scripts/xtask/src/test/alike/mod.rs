// SPDX-License-Identifier: MIT OR Apache-2.0
//! The same program does the same to files here and on stock Linux's ext2, and prints the same.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::Case;
use super::support::Bench;
use crate::command::Tool;
use crate::{paths, rootfs};

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
    alike(bench, "alike", &image(bench)?, &["--snapshot"])
}

/// A full disk says so in write(2), and keeps what it has taken.
fn full_like_stock(bench: &Bench) -> Result<()> {
    let image = image(bench)?;
    // It is filled seven times.
    Tool::new("/sbin/resize2fs").arg(&image).arg("12M").run()?;
    alike(bench, "full", &image, &[])?;
    Tool::new("/sbin/e2fsck").args(["-f", "-n"]).arg(&image).run()
}

/// Times of access, by the rules of the mount.
fn times_like_stock(bench: &Bench) -> Result<()> {
    alike(bench, "times", &image(bench)?, &["--snapshot"])
}

fn image(bench: &Bench) -> Result<PathBuf> {
    let image = bench.path("disk.ext2");
    Tool::new("cp").arg(rootfs::busybox()?).arg(&image).run()?;
    Tool::new("chmod").arg("u+w").arg(&image).run()?;
    Ok(image)
}

/// Runs a program of [`PROGRAMS`] on stock Linux, which leaves the image as it is, and here with `options`.
fn alike(bench: &Bench, name: &str, image: &Path, options: &[&str]) -> Result<()> {
    let program = bench.path(name);
    let source = paths::repository().join(PROGRAMS).join(name).with_extension("c");
    let flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Wno-unused-result", "-Werror", "-static", "-s", "-o"];
    Tool::new("gcc").args(flags).arg(&program).arg(source).run()?;
    let command = format!("/bin/{name}");
    for request in [format!("write {} {command}", program.display()), format!("sif {command} mode 0100755")] {
        Tool::new("/sbin/debugfs").args(["-w", "-R", &request]).arg(image).run()?;
    }
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
    Ok(())
}
