// SPDX-License-Identifier: MIT OR Apache-2.0
//! Linux kernels for partitions: Debian's source, our patches and glue, one configuration each.
//!
//! A kernel's identity is a hash over everything that goes into it ([`key`]); its result lives in
//! `kernels/NAME-KEY` of the cache and is never built twice. The build directory of a name is kept between
//! builds, so that a change in the glue recompiles only what it touches.

mod compact;
mod compile;
mod config;
mod key;
pub mod packaged;
mod source;
mod tree;

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::paths;
use crate::progress::{self, Phase};

pub use config::settings;
pub use key::{files_below, hex};
pub use tree::patches;

/// Results kept per kernel name; older ones are removed.
const KEPT_RESULTS: usize = 4;

/// A built kernel.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// Where its files are.
    pub dir: PathBuf,
    /// Version and packaging of the source, such as `6.1.192-2`.
    pub version: String,
}

impl Kernel {
    /// The loadable ELF file, stripped and without alignment holes.
    pub fn vmlinux(&self) -> PathBuf {
        self.dir.join("vmlinux")
    }

    /// Its configuration, as Linux wrote it.
    pub fn config(&self) -> PathBuf {
        self.dir.join("config")
    }

    /// The PC's boot image; only `stock` has one.
    pub fn bzimage(&self) -> PathBuf {
        self.dir.join("bzImage")
    }
}

/// Whether a kernel is patched and gets the glue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// Patches and glue applied.
    Partition,
    /// As Debian ships it.
    Stock,
}

/// What one kernel is made from.
#[derive(Debug)]
pub struct Recipe {
    flavour: Flavour,
    fragment: PathBuf,
}

impl Recipe {
    fn new(name: &str) -> Result<Self> {
        let fragment = paths::repository().join("servers").join(name).join("kernel.config");
        if !fragment.is_file() {
            bail!("there is no kernel `{name}`: {} does not exist", fragment.display());
        }
        let flavour = if name == "stock" { Flavour::Stock } else { Flavour::Partition };
        Ok(Self { flavour, fragment })
    }
}

/// Builds the kernel `name` unless an identical one is cached.
pub fn build(name: &str) -> Result<Kernel> {
    let recipe = Recipe::new(name)?;
    let version = source::version()?;
    let key = key::of(&recipe, &version)?;
    let results = paths::cached("kernels")?;
    let dir = results.join(format!("{name}-{}", &key[..16]));
    let kernel = Kernel { dir: dir.clone(), version: version.clone() };
    if dir.join("complete").is_file() {
        progress::cached(&format!("kernel {name}"), &format!("(Linux {version}, {})", dir.display()));
        return Ok(kernel);
    }

    let work = paths::cached("linux")?.join(name);
    std::fs::create_dir_all(&work)?;
    let _lock = lock(&work.join("lock"))?;
    if dir.join("complete").is_file() {
        return Ok(kernel);
    }
    let log = work.join("build.log");
    File::create(&log)?;
    let pristine = source::unpack(&version)?;
    let mut phase = Phase::start(&format!("kernel {name} from Linux {version}, log {}", log.display()));
    let tree = match recipe.flavour {
        Flavour::Stock => pristine,
        Flavour::Partition => {
            phase.step("patching");
            tree::update(&pristine, &work.join("tree"))?
        }
    };
    let build = work.join("build");
    std::fs::create_dir_all(&build)?;
    phase.step("configuring");
    config::apply(&recipe, &tree, &build, &log)?;
    let objects = compile::run(&recipe, &tree, &build, &log, &mut phase)?;
    phase.step("collecting");
    collect(&recipe, &build, &dir, &version)?;
    remove_old(&results, name, &dir)?;
    phase.done(&format!("{objects} steps, {}", dir.display()));
    Ok(kernel)
}

/// The unpacked pristine source.
pub fn source_tree() -> Result<PathBuf> {
    source::unpack(&source::version()?)
}

fn collect(recipe: &Recipe, build: &Path, dir: &Path, version: &str) -> Result<()> {
    std::fs::create_dir_all(dir)?;
    let copy = |from: &Path, to: &str| -> Result<()> {
        std::fs::copy(from, dir.join(to)).with_context(|| format!("cannot copy {}", from.display()))?;
        Ok(())
    };
    copy(&build.join(".config"), "config")?;
    copy(&build.join("System.map"), "System.map")?;
    let elf = std::fs::read(build.join("vmlinux")).context("the build left no vmlinux")?;
    let compacted = compact::compact(&elf).context("vmlinux is not an ELF file this can compact")?;
    std::fs::write(dir.join("vmlinux"), compacted)?;
    if recipe.flavour == Flavour::Stock {
        copy(&build.join("arch/x86/boot/bzImage"), "bzImage")?;
    }
    std::fs::write(dir.join("source-version"), format!("{version}\n"))?;
    std::fs::write(dir.join("complete"), "")?;
    Ok(())
}

fn remove_old(results: &Path, name: &str, keep: &Path) -> Result<()> {
    let prefix = format!("{name}-");
    let mut dirs: Vec<(std::time::SystemTime, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(results)? {
        let entry = entry?;
        let ours = entry.file_name().to_string_lossy().strip_prefix(&prefix).is_some_and(|key| key.len() == 16);
        if ours && entry.path() != keep {
            dirs.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    dirs.sort();
    let surplus = (dirs.len() + 1).saturating_sub(KEPT_RESULTS);
    for (_, dir) in dirs.into_iter().take(surplus) {
        std::fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    }
    Ok(())
}

/// Takes an exclusive lock that ends with the returned file.
pub fn lock(path: &Path) -> Result<File> {
    let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    // SAFETY: flock takes an open descriptor and a constant; `file` keeps the descriptor open over the call.
    let status = unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX) };
    if status != 0 {
        bail!("cannot lock {}: {}", path.display(), std::io::Error::last_os_error());
    }
    Ok(file)
}
