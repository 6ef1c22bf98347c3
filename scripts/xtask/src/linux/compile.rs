// SPDX-License-Identifier: MIT OR Apache-2.0
//! Compiling a configured kernel, with the number of steps done as progress.

use std::path::Path;

use anyhow::Result;

use super::{Flavour, Recipe};
use crate::command::{self, Tool};
use crate::progress::Phase;

/// Fixed so that the same inputs give the same kernel.
const BUILD_TIME: &str = "Thu Jan  1 00:00:00 UTC 1970";

/// Builds vmlinux (and bzImage for `stock`) in `build`; returns the number of steps make took.
pub fn run(recipe: &Recipe, tree: &Path, build: &Path, log: &Path, phase: &mut Phase) -> Result<u32> {
    let compiler = if command::exists("ccache") { "ccache gcc" } else { "gcc" };
    let jobs = std::thread::available_parallelism().map_or(2, |cpus| cpus.get().min(8));
    let mut make = Tool::new("make").arg("-C").arg(tree).arg(format!("O={}", build.display()));
    make = make.arg(format!("CC={compiler}")).arg(format!("-j{jobs}"));
    make = make.env("KBUILD_BUILD_TIMESTAMP", BUILD_TIME).env("KBUILD_BUILD_USER", "sawmill");
    make = make.env("KBUILD_BUILD_HOST", "sawmill").env("KBUILD_BUILD_VERSION", "1");
    make = make.arg("vmlinux");
    if recipe.flavour == Flavour::Stock {
        make = make.arg("bzImage");
    }
    let mut steps = 0;
    make.log(log).run_lines(phase, |line| {
        let (action, object) = line.trim_start().split_once("  ")?;
        if action.len() > 8 {
            return None;
        }
        steps += 1;
        Some(format!("{steps} steps, {}", object.trim()))
    })?;
    Ok(steps)
}
