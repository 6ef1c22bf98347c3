// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whole jobs: a Debian image with the programs, the jobs' scripts and the benchmark, booted by `xtask run`.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Result;

use crate::progress::Phase;
use crate::{ext2, paths, rootfs};

/// The jobs, by case of `servers/bench/cases_whole.c`.
pub const JOBS: [&str; 5] = ["tar", "make", "sqlite3", "redis-unix", "redis"];

const SIZE: &str = "1G";
const PACKAGES: [&str; 9] =
    ["bash", "coreutils", "sqlite3", "gcc", "make", "libc6-dev", "redis-server", "redis-tools", "tar"];
/// Files of the small C package that the job `make` builds; `package.mk` names them, too.
const PACKAGE: [&str; 6] = ["bench.h", "exits.c", "machine.c", "report.c", "shared.c", "soak.c"];
/// Timed runs: a job takes as long as all the other cases together.
const RUNS_MAX: u32 = 2;

/// Which system runs the jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// Linux on the machine itself.
    Stock,
    /// The partitions.
    Multiserver,
}

/// The image, with `program` and the jobs in it.
pub fn make_image(program: &Path, into: &Path) -> Result<PathBuf> {
    let image = into.join("jobs.ext2");
    rootfs::debian(&image, SIZE, &PACKAGES.map(str::to_owned))?;
    let sources = paths::repository().join("scripts/xtask/src/bench/jobs");
    let mut orders = String::from("mkdir /jobs\nmkdir /jobs/package\n");
    for entry in std::fs::read_dir(&sources)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let to = if name == "package.mk" { "package/Makefile" } else { name.as_str() };
        writeln!(orders, "write {} /jobs/{to}", path.display())?;
    }
    for name in PACKAGE {
        writeln!(
            orders,
            "write {} /jobs/package/{name}",
            paths::repository().join("servers/bench").join(name).display()
        )?;
    }
    let target = super::program::PROGRAM;
    writeln!(orders, "write {} {target}\nset_inode_field {target} mode 0100755", program.display())?;
    let script = into.join("orders");
    std::fs::write(&script, orders)?;
    ext2::change_all(&image, &script)?;
    Ok(image)
}

/// Boots a system with the image and runs `jobs`; returns what the program said.
pub fn run(system: System, options: &super::Options, image: &Path, jobs: &str) -> Result<String> {
    let phase = Phase::start(&format!("whole jobs on {system:?}"));
    let runs = options.runs.min(RUNS_MAX).to_string();
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["run", "--machine", options.machine.name(), "--snapshot", "--net", "user", "--disk"]).arg(image);
    match system {
        System::Stock => command.arg("--stock"),
        System::Multiserver => command.arg("--system").arg(&options.system),
    };
    command.args(["--timeout", &(super::limit(options).as_secs() * 3).to_string(), "--", super::program::PROGRAM]);
    let output = command.args(["--runs", &runs, "--only", jobs]).stdin(Stdio::null()).output()?;
    phase.done(&output.status.to_string());
    if !output.status.success() {
        eprint!("{}", crate::command::last_lines(&String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).replace('\r', ""))
}
