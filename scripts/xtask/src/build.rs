// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is compiled to run on the machine: the hypervisor, flat partition images, and programs of C.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use goblin::elf::Elf;
use goblin::elf::program_header::PT_LOAD;

use crate::command::Tool;
use crate::{linux, paths};

const TARGET: &str = "x86_64-unknown-none";

/// Builds the hypervisor and returns the ELF file that GRUB loads.
///
/// # Errors
/// It does not build; the compiler's own words are on standard error.
pub fn hypervisor(features: &[&str]) -> Result<PathBuf> {
    // Variants lie apart, so that nobody boots the one that somebody else has just built.
    let directory = paths::target().join(features.join("-"));
    cargo("sawmill-image", features, &directory)?;
    Ok(binary("sawmill-image", &directory))
}

/// The sources of C in a directory.
pub fn c_sources(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut sources = linux::files_below(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    sources.retain(|file| file.extension().is_some_and(|extension| extension == "c"));
    Ok(sources)
}

/// Compiles a program of C for Linux from `sources`, with everything it needs in it; a warning is an error.
pub fn static_c(program: &Path, sources: &[PathBuf], options: &[&str]) -> Result<()> {
    let flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-s"];
    Tool::new("gcc").args(flags).args(options).arg("-o").arg(program).args(sources).run()
}

/// Builds the binary `bin` of `package` and returns it as a flat image.
///
/// # Errors
/// As [`hypervisor`]; or the file is no ELF file with anything to load.
pub fn flat(package: &str, bin: &str) -> Result<Vec<u8>> {
    cargo(package, &[], &paths::target())?;
    let path = binary(bin, &paths::target());
    let file = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    flatten(&file).with_context(|| format!("cannot flatten {}", path.display()))
}

/// Lays an executable out as it is in memory, from its first loaded byte on.
fn flatten(file: &[u8]) -> Result<Vec<u8>> {
    let elf = Elf::parse(file)?;
    let mut segments: Vec<_> =
        elf.program_headers.iter().filter(|segment| segment.p_type == PT_LOAD && segment.p_filesz > 0).collect();
    segments.sort_by_key(|segment| segment.p_paddr);
    let Some(first) = segments.first().map(|segment| segment.p_paddr) else { bail!("there is nothing to load") };
    let mut flat = Vec::new();
    for segment in segments {
        let offset = usize::try_from(segment.p_paddr - first)?;
        if offset < flat.len() {
            bail!("segments overlap at {:#x}", segment.p_paddr);
        }
        flat.resize(offset, 0);
        flat.extend_from_slice(file.get(segment.file_range()).context("a segment lies outside the file")?);
    }
    Ok(flat)
}

fn cargo(package: &str, features: &[&str], directory: &Path) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(paths::repository()).args(["build", "--quiet", "--release", "--target", TARGET]);
    command.args(["--package", package]).arg("--target-dir").arg(directory).stdin(Stdio::null()).stdout(Stdio::null());
    if !features.is_empty() {
        command.arg("--features").arg(features.join(","));
    }
    // Warnings are for `xtask test`; a program's standard error is its own.
    let output = command.stderr(Stdio::piped()).output().context("cannot run cargo")?;
    if !output.status.success() {
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        bail!("{package} does not build");
    }
    Ok(())
}

fn binary(name: &str, directory: &Path) -> PathBuf {
    directory.join(TARGET).join("release").join(name)
}
