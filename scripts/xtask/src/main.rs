// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask`: everything this repository does, one subcommand each.
//!
//! The shell scripts beside this crate only forward to it.

mod bench;
mod command;
mod generate;
mod linux;
mod paths;
mod progress;

use std::process::ExitCode;

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
        Task::Generate { check } => {
            generate::run(if check { generate::Mode::Check } else { generate::Mode::Write })?;
        }
        Task::Linux { names } => {
            for name in names {
                let kernel = linux::build(&name)?;
                println!("{}", kernel.vmlinux().display());
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
