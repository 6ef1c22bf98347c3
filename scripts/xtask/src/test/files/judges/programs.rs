// SPDX-License-Identifier: MIT OR Apache-2.0
//! The judges' programs and the images that they are on, all made before the time of any test runs.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::super::super::support::Bench;
use crate::command::Tool;
use crate::progress::Phase;
use crate::{ext2, paths, rootfs};

/// Names and versions of programs from crates.io.
pub const FSX: (&str, &str) = ("fsx", "0.3.2");
pub const PJDFSTEST: (&str, &str) = ("pjdfstest", "0.2.2");
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// The Debian image of the other judges, and the tests that need it.
const DEBIAN_SIZE: &str = "1G";
const DEBIAN_PACKAGES: [&str; 7] = ["bash", "fio", "git", "libpython3.11-testsuite", "python3", "sqlite3", "stress-ng"];
const DEBIAN_TESTS: [&str; 6] = ["fio", "sqlite", "tree", "python", "stress", "debian-judges"];

/// Builds what the tests of these names run.
pub fn prepare(names: &[&str]) -> Result<()> {
    for tool in [FSX, PJDFSTEST] {
        if names.iter().any(|name| name.contains(tool.0)) {
            program(tool)?;
        }
    }
    let is_long = |name: &&&str| name.starts_with("files-long-");
    if names.iter().filter(is_long).any(|name| DEBIAN_TESTS.iter().any(|test| name.contains(test))) {
        debian_image()?;
    }
    Ok(())
}

/// The static program, built once and cached.
pub fn program((name, version): (&str, &str)) -> Result<PathBuf> {
    let root = paths::cached("judges")?.join(format!("{name}-{version}"));
    let program = root.join("bin").join(name);
    if !program.is_file() {
        let phase = Phase::start(&format!("{name} {version} from crates.io"));
        let install = ["install", "--quiet", "--locked", "--target", TARGET, "--version", version, name, "--root"];
        let build = Tool::new("cargo").args(install).arg(&root).env("RUSTFLAGS", "-C target-feature=+crt-static");
        build.run().with_context(|| format!("cannot build {name} from crates.io"))?;
        phase.done(&program.display().to_string());
    }
    Ok(program)
}

fn debian_image() -> Result<PathBuf> {
    rootfs::cached_debian(DEBIAN_SIZE, &DEBIAN_PACKAGES.map(str::to_owned))
}

/// A copy of the Debian image with files of the host: their text or path, and their names there.
pub fn debian(bench: &Bench, files: &[(&str, Content<'_>)]) -> Result<PathBuf> {
    debian_with(&debian_image()?, bench, files)
}

/// The same of another image.
pub fn debian_with(original: &Path, bench: &Bench, files: &[(&str, Content<'_>)]) -> Result<PathBuf> {
    let image = bench.path("debian.ext2");
    ext2::copy(original, &image)?;
    for (name, content) in files {
        let file = match content {
            Content::Text(text) => {
                let file = bench.path("content");
                std::fs::write(&file, text)?;
                file
            }
            Content::File(file) => (*file).to_path_buf(),
        };
        ext2::put(&image, &file, name)?;
    }
    Ok(image)
}

/// What a file of an image holds.
#[derive(Debug, Clone, Copy)]
pub enum Content<'a> {
    /// This text.
    Text(&'a str),
    /// What this file of the host holds.
    File(&'a Path),
}
