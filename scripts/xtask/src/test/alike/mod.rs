// SPDX-License-Identifier: MIT OR Apache-2.0
//! The same program does the same to files here and on stock Linux's ext2, and prints the same.

use anyhow::{Result, bail};

use super::Case;
use super::support::Bench;
use crate::command::Tool;
use crate::{paths, rootfs};

/// The program, compiled on the host.
const PROGRAM: &str = "scripts/xtask/src/test/alike/alike.c";

/// The tests.
pub const CASES: &[Case] = &[Case { name: "files-like-stock", limit_s: 400, run: like_stock }];

fn like_stock(bench: &Bench) -> Result<()> {
    let (image, program) = (bench.path("disk.ext2"), bench.path("alike"));
    let flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Wno-unused-result", "-Werror", "-static", "-s", "-o"];
    Tool::new("gcc").args(flags).arg(&program).arg(paths::repository().join(PROGRAM)).run()?;
    Tool::new("cp").arg(rootfs::busybox()?).arg(&image).run()?;
    Tool::new("chmod").arg("u+w").arg(&image).run()?;
    let write = format!("write {} /bin/alike", program.display());
    for request in [write.as_str(), "sif /bin/alike mode 0100755"] {
        Tool::new("/sbin/debugfs").args(["-w", "-R", request]).arg(&image).run()?;
    }
    let image = image.display().to_string();
    let run = |more: &[&str]| {
        let options: Vec<&str> = ["--snapshot", "--disk", &image].iter().chain(more).copied().collect();
        bench.boot(&options, &["/bin/alike", "/root/alike"], &[])
    };
    let stock = run(&["--stock"])?;
    stock.expect_status(0)?;
    let own = run(&[])?;
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
