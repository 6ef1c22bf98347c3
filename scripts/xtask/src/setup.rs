// SPDX-License-Identifier: MIT OR Apache-2.0
//! `xtask setup`: installs what is missing, and only that.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::packages;
use crate::progress::Phase;

/// Whether to speak when nothing is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Voice {
    /// Says what it found.
    Full,
    /// Only speaks when it does something.
    Needed,
}

/// Installs Debian packages and the Rust target.
pub fn run(voice: Voice) -> Result<()> {
    let missing = packages::missing();
    if !missing.is_empty() {
        if !crate::command::exists("apt-get") {
            let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
            bail!("missing, and there is no apt-get to install them: {}", names.join(" "));
        }
        eprintln!("missing packages:");
        for package in &missing {
            eprintln!("     {:20} {}", package.name, package.purpose);
        }
        install(&missing)?;
        let still: Vec<&str> = packages::missing().iter().map(|package| package.name).collect();
        if !still.is_empty() {
            bail!("still missing after the installation: {}", still.join(" "));
        }
    }
    let targets = packages::missing_targets();
    for target in &targets {
        let phase = Phase::start(&format!("Rust target {target}"));
        let status = Command::new("rustup").args(["target", "add", target]).stdout(Stdio::null()).status();
        if !status.context("cannot run rustup; install Rust with rustup")?.success() {
            bail!("rustup cannot add the target {target}");
        }
        phase.done("");
    }
    if voice == Voice::Full && missing.is_empty() && targets.is_empty() {
        println!("nothing is missing");
    }
    Ok(())
}

fn install(missing: &[&packages::Package]) -> Result<()> {
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    let phase = Phase::start(&format!("apt-get: {} packages", names.len()));
    apt(&["update", "-qq"])?;
    let mut arguments = vec!["install", "-y", "-qq", "--no-install-recommends"];
    arguments.extend(&names);
    apt(&arguments).with_context(|| format!("try by hand: {}", packages::install_command(missing)))?;
    phase.done("");
    Ok(())
}

/// Runs apt-get as the superuser; its words go to standard error.
fn apt(arguments: &[&str]) -> Result<()> {
    // SAFETY: geteuid has no preconditions.
    let is_superuser = unsafe { libc::geteuid() == 0 };
    let mut command = if is_superuser {
        Command::new("apt-get")
    } else {
        eprintln!("     as the superuser, by sudo: apt-get {}", arguments.join(" "));
        let mut command = Command::new("sudo");
        command.args(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        command
    };
    command.env("DEBIAN_FRONTEND", "noninteractive").args(arguments).stdout(Stdio::null());
    let status = command.status().context("cannot run apt-get")?;
    if !status.success() {
        bail!("apt-get {} failed", arguments.join(" "));
    }
    Ok(())
}
