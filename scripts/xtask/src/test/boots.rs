// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tests that boot the multiserver and run unmodified programs.

use anyhow::{Context, Result, bail};

use super::Case;
use super::measure;
use super::support::Bench;
use crate::command::Tool;
use crate::{ext2, linux, paths, rootfs};

/// Size of the Debian image.
pub const DEBIAN_SIZE: &str = "1G";
/// What the Debian image holds.
pub const DEBIAN_PACKAGES: [&str; 8] =
    ["bash", "coreutils", "python3-minimal", "sqlite3", "perl-base", "gcc", "make", "libc6-dev"];
/// The job that the Debian image runs.
const DEBIAN_JOB: &str = include_str!("debian-job.sh");

/// The tests.
pub const CASES: &[Case] = &[
    Case { name: "stock-program", limit_s: 120, run: stock_program },
    Case { name: "program-streams", limit_s: 180, run: program_streams },
    Case { name: "program-input", limit_s: 180, run: program_input },
    Case { name: "program-killed", limit_s: 180, run: program_killed },
    Case { name: "program-not-found", limit_s: 180, run: program_not_found },
    Case { name: "program-2-cpus", limit_s: 240, run: program_2_cpus },
    Case { name: "shell", limit_s: 180, run: shell },
    Case { name: "disk-changes-kept", limit_s: 240, run: disk_changes_kept },
    Case { name: "disk-snapshot", limit_s: 180, run: disk_snapshot },
    Case { name: "trace-file", limit_s: 240, run: super::trace_file::run },
    Case { name: "trace-cost", limit_s: 400, run: super::trace_file::cost },
    Case { name: "top", limit_s: 240, run: super::top::run },
    Case { name: "time-limit", limit_s: 120, run: time_limit },
    Case { name: "debian-job", limit_s: 900, run: debian_job },
];

/// Builds everything that the tests boot.
pub fn prepare(needs_debian: bool) -> Result<()> {
    crate::release::build(&paths::repository().join("servers/system.toml"))?;
    linux::build("stock")?;
    if needs_debian {
        rootfs::cached_debian(DEBIAN_SIZE, &DEBIAN_PACKAGES.map(str::to_owned))?;
    }
    Ok(())
}

/// The same init and machinery on stock Linux: a failure here is none of the multiserver.
fn stock_program(bench: &Bench) -> Result<()> {
    bench.boot(&["--stock"], &["sh", "-c", "echo out; exit 3"], &[])?.expect_status(3)?.expect_output("out\n")?;
    Ok(())
}

/// Output, error output and status come out apart and exactly.
fn program_streams(bench: &Bench) -> Result<()> {
    let options = ["--hypervisor-options", "statistics=on"];
    let ended = bench.boot(&options, &["sh", "-c", "echo out; echo err >&2; exit 7"], &[])?;
    ended.expect_status(7)?.expect_output("out\n")?;
    if ended.errors != "err\n" {
        bail!("unexpected error output:\n{}", ended.errors);
    }
    figures_of(&std::fs::read_to_string(bench.path("log"))?);
    Ok(())
}

/// Picks the boot time and the memory of each partition out of a run's log.
fn figures_of(log: &str) {
    let boot = log.lines().find_map(|line| line.split_once("init is there after "));
    if let Some((_, time)) = boot {
        measure::remember(format!(
            "boot: from the emulator's start to the app partition's init {time} (two runs at a time)"
        ));
    }
    for line in log.lines().filter_map(|line| line.split_once("] MEMORY ").map(|(_, record)| record)) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if let [name, pages, frames] = fields.as_slice()
            && let (Ok(pages), Ok(frames)) = (u64::from_str_radix(pages, 16), u64::from_str_radix(frames, 16))
        {
            let kib = |count: u64| count * 4;
            measure::remember(format!("memory of {name}: {} KiB, and {} KiB of the kernel's", kib(pages), kib(frames)));
        }
    }
}

/// Input of any bytes arrives whole.
fn program_input(bench: &Bench) -> Result<()> {
    let input: Vec<u8> = (0..20_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let file = bench.path("input");
    std::fs::write(&file, &input)?;
    let sum = Tool::new("md5sum").arg(&file).output()?;
    let sum = sum.split_whitespace().next().context("md5sum says nothing")?;
    bench.boot(&[], &["md5sum"], &input)?.expect_status(0)?.expect_output(&format!("{sum}  -\n"))?;
    Ok(())
}

fn program_killed(bench: &Bench) -> Result<()> {
    bench.boot(&[], &["sh", "-c", "kill -9 $$"], &[])?.expect_status(128 + 9)?;
    Ok(())
}

fn program_not_found(bench: &Bench) -> Result<()> {
    bench.boot(&[], &["/bin/nonesuch"], &[])?.expect_status(127)?.expect_in_errors("not found")?;
    Ok(())
}

fn program_2_cpus(bench: &Bench) -> Result<()> {
    let script = "grep -c ^processor /proc/cpuinfo; (cat /bin/busybox | md5sum) & wait; ls / | wc -l";
    bench.boot(&["--cpus", "2"], &["sh", "-c", script], &[])?.expect_status(0)?.expect_in_output("2\n")?;
    Ok(())
}

/// A shell on the terminal: what is typed is run, and its status is the run's.
fn shell(bench: &Bench) -> Result<()> {
    let log = bench.path("log").display().to_string();
    let ended = bench.xtask(&["run", "--timeout", "170", "--log", &log], b"tty; echo A$((40+2)); exit 5\n")?;
    ended.expect_status(5)?.expect_in_output("/dev/hvc0")?.expect_in_output("A42")?;
    Ok(())
}

/// What a program writes is in the image, and the image is clean.
fn disk_changes_kept(bench: &Bench) -> Result<()> {
    let image = bench.image("32M", &[])?;
    let (disk, out) = (image.display().to_string(), bench.path("out"));
    let copy = format!("/root/data:{}", out.display());
    let script = "seq 1 50000 > /root/data; mkdir /root/d; mv /root/data /root/d/x; mv /root/d/x /root/data; md5sum < /root/data";
    let ended = bench.boot(&["--disk", &disk, "--copy-out", &copy], &["sh", "-c", script], &[])?;
    ended.expect_status(0)?;
    let sum = Tool::new("md5sum").arg(&out).output()?;
    ended.expect_output(&format!("{}  -\n", sum.split_whitespace().next().unwrap_or_default()))?;
    ext2::expect_clean(&image)
}

/// With --snapshot the image is not touched.
fn disk_snapshot(bench: &Bench) -> Result<()> {
    let image = bench.image("32M", &[])?;
    let before = Tool::new("md5sum").arg(&image).output()?;
    let disk = image.display().to_string();
    bench.boot(&["--disk", &disk, "--snapshot"], &["sh", "-c", "echo x > /root/x; sync"], &[])?.expect_status(0)?;
    if Tool::new("md5sum").arg(&image).output()? != before {
        bail!("the image has changed");
    }
    Ok(())
}

fn time_limit(bench: &Bench) -> Result<()> {
    // A busy loop: the emulator runs through idle time faster than the clock on the wall.
    let ended = bench.xtask(&["run", "--timeout", "20", "--", "sh", "-c", "while :; do :; done"], &[])?;
    ended.expect_status(124)?.expect_output("")?.expect_in_errors("time limit of 20 s")?;
    Ok(())
}

/// A Debian userland unpacks, compares, compiles, runs, and queries; afterwards the image is clean.
fn debian_job(bench: &Bench) -> Result<()> {
    let image = bench.path("debian.ext2");
    rootfs::debian(&image, DEBIAN_SIZE, &DEBIAN_PACKAGES.map(str::to_owned))?;
    let (disk, out) = (image.display().to_string(), bench.path("report"));
    let copy = format!("/root/report:{}", out.display());
    let options = ["--disk", disk.as_str(), "--memory", "768", "--copy-out", &copy];
    let ended = bench.boot(&options, &["/bin/bash", "-c", DEBIAN_JOB], &[])?;
    ended.expect_status(0)?.expect_in_output("debian job done")?;
    let report = std::fs::read_to_string(&out).context("the report did not come back")?;
    if !report.contains("integrity ok") {
        bail!("the report is not whole:\n{report}");
    }
    ext2::expect_clean(&image)
}
