// SPDX-License-Identifier: MIT OR Apache-2.0
//! Debian's own kernel package, unpacked in the cache: what runs QEMU inside Bochs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::command::Tool;
use crate::paths::{self, Scratch};
use crate::progress::Phase;

/// The package that depends on the current kernel.
const META_PACKAGE: &str = "linux-image-amd64";

/// An unpacked kernel package.
#[derive(Debug)]
pub struct Packaged {
    /// Its release, as `uname -r` says it.
    pub release: String,
    root: PathBuf,
}

/// Downloads and unpacks the kernel of this Debian release, unless it is cached.
pub fn get() -> Result<Packaged> {
    let dependencies = Tool::new("apt-cache").args(["depends", META_PACKAGE]).output()?;
    let package = dependencies.lines().find_map(|line| line.trim().strip_prefix("Depends: ")).map(str::to_owned);
    let package = package.with_context(|| format!("apt knows no {META_PACKAGE}; try `apt-get update`"))?;
    let release = package.strip_prefix("linux-image-").context("the kernel package has an unknown name")?.to_owned();
    let kernels = paths::cached("packaged")?;
    let _lock = super::lock(&kernels.join("lock"))?;
    let root = kernels.join(&release);
    if !root.is_dir() {
        let phase = Phase::start(&format!("downloading {package}"));
        let scratch = Scratch::new("kernel-package")?;
        Tool::new("apt-get").args(["download", "-qq", &package]).dir(scratch.path()).run()?;
        let archive = std::fs::read_dir(scratch.path())?.next().context("apt-get left no package")??.path();
        let fresh = kernels.join("unpacking");
        if fresh.exists() {
            std::fs::remove_dir_all(&fresh)?;
        }
        Tool::new("dpkg").arg("--extract").arg(archive).arg(&fresh).run()?;
        Tool::new("/sbin/depmod").arg("-b").arg(&fresh).arg(&release).run()?;
        std::fs::rename(&fresh, &root)?;
        phase.done(&root.display().to_string());
    }
    Ok(Packaged { release, root })
}

impl Packaged {
    /// The boot image.
    pub fn image(&self) -> PathBuf {
        self.root.join(format!("boot/vmlinuz-{}", self.release))
    }

    /// The files of `modules` and of what they need, in an order in which they can be loaded.
    pub fn modules(&self, modules: &[&str]) -> Result<Vec<PathBuf>> {
        let dir = self.root.join("lib/modules").join(&self.release);
        let text = std::fs::read_to_string(dir.join("modules.dep")).context("depmod left no modules.dep")?;
        let needs: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once(':')).collect();
        let mut files: Vec<PathBuf> = Vec::new();
        for module in modules {
            let is_it = |path: &&&str| path.ends_with(&format!("/{module}.ko"));
            let path = needs.keys().find(is_it).with_context(|| format!("there is no module {module}"))?;
            // What is needed last stands first.
            let order = needs.get(path).into_iter().flat_map(|list| list.split_whitespace().rev());
            for file in order.chain([*path]).map(|file| dir.join(file)) {
                if !files.contains(&file) {
                    files.push(file);
                }
            }
        }
        Ok(files)
    }
}
