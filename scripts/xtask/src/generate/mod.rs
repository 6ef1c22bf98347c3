// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files made from the interface crates: C headers for the glue, and the reference page.
//!
//! The results are committed, so that people can read them; `--check` fails when one is out of date.

mod header;
mod reference;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::paths;
use crate::progress;

/// What to do with a file that differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Write it.
    Write,
    /// Fail.
    Check,
}

/// Makes, or checks, every generated file.
pub fn run(mode: Mode) -> Result<()> {
    let root = paths::repository();
    let files: [(PathBuf, String); 3] = [
        (root.join("linux-glue/include/sawmill/hypercall.h"), header::hypercall()?),
        (root.join("hypervisor/doc/interface.md"), reference::page()),
        (root.join("servers/run/run.h"), header::run()?),
    ];

    let mut stale = Vec::new();
    for (path, content) in files {
        let name = path.strip_prefix(&root).unwrap_or(&path).display().to_string();
        if std::fs::read_to_string(&path).is_ok_and(|old| old == content) {
            continue;
        }
        if mode == Mode::Check {
            stale.push(name);
            continue;
        }
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        std::fs::write(&path, content).with_context(|| format!("cannot write {name}"))?;
        progress::note(&format!("generated {name}"));
    }
    if !stale.is_empty() {
        bail!("out of date: {}; `cargo xtask generate` makes them again", stale.join(", "));
    }
    Ok(())
}
