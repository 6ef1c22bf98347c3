// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask`: everything this repository does, one subcommand each.
//!
//! The shell scripts beside this crate only forward to it.

mod bench;
mod build;
mod command;
mod cpio;
mod doctor;
mod ext2;
mod generate;
mod image;
mod initrd;
mod linux;
mod packages;
mod paths;
mod profile;
mod progress;
mod release;
mod rootfs;
mod run;
mod setup;
mod test;
mod trace;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Sets up, generates, builds, boots, judges and tests the multiserver.
#[derive(Debug, Parser)]
#[command(name = "xtask", version)]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Installs the packages and the Rust target that are missing.
    Setup {
        /// Says nothing when nothing is missing.
        #[arg(long)]
        if_needed: bool,
    },
    /// Says what this machine has and lacks for each way of running.
    Doctor,
    /// Makes the C headers and the reference page from the interface crates.
    Generate {
        /// Fails when a file is out of date instead of writing it.
        #[arg(long)]
        check: bool,
    },
    /// Builds Linux kernels: app, ext2, stock.
    Linux {
        /// Names of directories in servers/ with a kernel.config.
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Compares the multiserver with stock Linux, operation by operation.
    Bench(Box<bench::Options>),
    /// Counts the instructions of a benchmark case by the part of the system that runs them (Bochs).
    Profile(profile::Options),
    /// Builds everything that a boot image needs, without making one.
    Build {
        /// The system description.
        #[arg(long, default_value_os_t = paths::repository().join("servers/system.toml"))]
        system: PathBuf,
    },
    /// Makes a bootable ISO for BIOS, UEFI and USB sticks.
    Image(release::Options),
    /// Boots the multiserver: an interactive shell, or one program.
    Run(Box<run::Options>),
    /// Shows what the partitions do, from a log of a run with `--hypervisor-options top=1`.
    Top {
        /// One object instead of tables.
        #[arg(long)]
        json: bool,
        /// Looks again so often, in seconds; without it, once.
        #[arg(long)]
        interval: Option<u32>,
        /// The log, as `xtask run --log` writes it, or of a serial console.
        log: PathBuf,
    },
    /// Runs the tests; the last line counts them.
    Test(test::Options),
    /// Prints figures about the source.
    Measure,
    /// Makes an ext2 image with a minimal Debian.
    Rootfs {
        /// The image to write.
        out: PathBuf,
        /// Its size.
        #[arg(long, default_value = "1G")]
        size: String,
        /// Packages besides the essential ones.
        packages: Vec<String>,
    },
}

fn main() -> ExitCode {
    match dispatch(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(task: Task) -> Result<ExitCode> {
    match task {
        Task::Bench(options) => return bench::run(&options),
        Task::Setup { if_needed } => setup::run(if if_needed { setup::Voice::Needed } else { setup::Voice::Full })?,
        Task::Doctor => return Ok(if doctor::run() { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
        Task::Generate { check } => {
            generate::run(if check { generate::Mode::Check } else { generate::Mode::Write })?;
        }
        Task::Linux { names } => {
            for name in names {
                let kernel = linux::build(&name)?;
                println!("{}", kernel.vmlinux().display());
            }
        }
        Task::Profile(options) => profile::run(&options)?,
        Task::Build { system } => release::build(&system)?,
        Task::Top { json, interval, log } => return top(json, interval, &log),
        Task::Image(options) => release::image(&options)?,
        Task::Run(options) => return Ok(run_status(&options)),
        Task::Test(options) => {
            let passed = test::run(&options).inspect_err(|_| println!("0 passed, 1 failed"))?;
            return Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }

        Task::Measure => test::print_measures(),
        Task::Rootfs { out, size, packages } => rootfs::debian(&out, &size, &packages)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The program of the app partition, which reads logs as well.
fn top(json: bool, interval: Option<u32>, log: &Path) -> Result<ExitCode> {
    let mut program = Command::new(initrd::compiled("top", "sm-top")?);
    program.args(json.then_some("--json"));
    match interval {
        Some(seconds) => program.args(["--count", "0", "--interval", &seconds.to_string()]),
        None => program.args(["--count", "1"]),
    };
    let status = program.arg(log).status()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The exit status of a run: that of the program, or one that says that the system failed.
fn run_status(options: &run::Options) -> ExitCode {
    let status = run::run(options).unwrap_or_else(|error| {
        eprintln!("sawmill: the system failed: {error:#}");
        run::SYSTEM_FAILURE
    });
    ExitCode::from(status)
}
