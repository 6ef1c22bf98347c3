// SPDX-License-Identifier: MIT OR Apache-2.0
//! Debian's Linux source: which version is installed, and an unpacked copy in the cache.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::command::Tool;
use crate::paths;
use crate::progress::Phase;

/// The package that brings the source.
pub const PACKAGE: &str = "linux-source-6.1";
const ARCHIVE: &str = "/usr/src/linux-source-6.1.tar.xz";

/// The version of the installed source package, such as `6.1.192-2`.
pub fn version() -> Result<String> {
    let query = Tool::new("dpkg-query").args(["--show", "--showformat=${Version}", PACKAGE]).output();
    let version = query.unwrap_or_default().trim().to_owned();
    if version.is_empty() || !Path::new(ARCHIVE).is_file() {
        bail!("the package {PACKAGE} is not installed; `cargo xtask setup` installs it");
    }
    Ok(version)
}

/// The unpacked source, never changed after unpacking.
pub fn unpack(version: &str) -> Result<PathBuf> {
    let sources = paths::cached("src")?;
    let _lock = super::lock(&sources.join("lock"))?;
    let tree = sources.join(PACKAGE);
    let mark = sources.join("version");
    let unpacked = std::fs::read_to_string(&mark).unwrap_or_default();
    if unpacked.trim() == version && tree.join("Makefile").is_file() {
        return Ok(tree);
    }
    // A tree without a mark was unpacked by hand or by a run that was cut off: only its own version tells.
    let phase = Phase::start(&format!("unpacking Linux {version}"));
    let fresh = sources.join("unpacking");
    for old in [&fresh, &tree] {
        if old.exists() {
            std::fs::remove_dir_all(old).with_context(|| format!("cannot remove {}", old.display()))?;
        }
    }
    std::fs::create_dir_all(&fresh)?;
    Tool::new("tar").args(["--extract", "--file", ARCHIVE, "--directory"]).arg(&fresh).run()?;
    std::fs::rename(fresh.join(PACKAGE), &tree).context("the archive holds no linux-source-6.1")?;
    std::fs::remove_dir_all(&fresh)?;
    std::fs::write(&mark, format!("{version}\n"))?;
    phase.done(&tree.display().to_string());
    Ok(tree)
}
