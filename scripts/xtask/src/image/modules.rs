// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the multiserver's boot entry consists of, as its system description asks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};
use sawmill_proto::system::{ImageKind, System};

use super::{Content, Entry, Module, Protocol};
use crate::{build, linux};

/// Ids below belong to the hypervisor and root.
const FIRST_PARTITION: usize = 2;

/// Changes of one run to a system description, and to the hypervisor's command line.
#[derive(Debug, Clone, Default)]
pub struct Tuning {
    /// Changes to the description.
    pub overrides: sawmill_config::Overrides,
    /// Hypervisor options.
    pub command_line: String,
    /// Modules that the description may name besides kernels: `initrd-app`, `disk`.
    pub files: BTreeMap<String, Content>,
    /// Cargo features of the hypervisor.
    pub features: Vec<&'static str>,
}

/// A boot entry, and the names that its partitions have in logs.
#[derive(Debug, Clone)]
pub struct Parts {
    /// What GRUB loads.
    pub entry: Entry,
    /// Names by partition id; 0 is the hypervisor.
    pub names: Vec<String>,
    /// The id of the partition with the terminal, if one has it.
    pub foreground: Option<u8>,
}

/// Compiles the description, builds all it names, and puts the boot entry together.
///
/// # Errors
/// The description is wrong (the message has file, line and reason), or something does not build.
pub fn parts(description: &Path, tuning: &Tuning) -> Result<Parts> {
    let system = sawmill_config::load(description, &tuning.overrides).map_err(|error| anyhow!("{error}"))?;
    let compiled = sawmill_config::compile_with(description, &tuning.overrides).map_err(|error| anyhow!("{error}"))?;
    let mut modules = vec![
        Module { name: "root".to_owned(), content: Content::Bytes(build::flat("sawmill-root", "sawmill-root")?) },
        Module { name: "system".to_owned(), content: Content::Bytes(compiled) },
    ];
    for (name, kind) in images(&system) {
        let content = match kind {
            ImageKind::Linux => Content::File(kernel(&name)?),
            ImageKind::Flat => Content::Bytes(build::flat("sawmill-conformance", &name)?),
        };
        modules.push(Module { name, content });
    }
    for (name, need) in files(&system) {
        match (tuning.files.get(&name), need) {
            (Some(bytes), _) => modules.push(Module { name, content: bytes.clone() }),
            (None, Need::Required) => bail!("{} needs the boot module `{name}`", description.display()),
            (None, Need::Optional) => {}
        }
    }
    let entry = Entry {
        title: "SawMill multiserver".to_owned(),
        protocol: Protocol::Multiboot2,
        kernel: build::hypervisor(&tuning.features)?,
        command_line: tuning.command_line.clone(),
        modules,
    };
    let mut names = vec!["hypervisor".to_owned(), "root".to_owned()];
    names.extend(system.partitions.iter().map(|partition| partition.name.to_string()));
    let foreground = system.partitions.iter().position(|partition| partition.is_foreground);
    let foreground = foreground.map(|index| u8::try_from(index + FIRST_PARTITION)).transpose()?;
    Ok(Parts { entry, foreground, names })
}

/// The names of the Linux kernels that a description asks for.
///
/// # Errors
/// The description is wrong, or names an image that nobody knows how to build.
pub fn kernel_names(description: &Path) -> Result<Vec<String>> {
    let system = sawmill_config::load(description, &sawmill_config::Overrides::default());
    let images = images(&system.map_err(|error| anyhow!("{error}"))?);
    let kernels = images.into_iter().filter(|(_, kind)| *kind == ImageKind::Linux);
    kernels.map(|(image, _)| kernel_name(&image).map(str::to_owned)).collect()
}

/// Whether a system starts without a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Required,
    Optional,
}

/// The kernels and flat images that partitions run, each once.
fn images(system: &System) -> BTreeMap<String, ImageKind> {
    system.partitions.iter().map(|partition| (partition.image.to_string(), partition.kind)).collect()
}

/// The other modules that partitions name.
fn files(system: &System) -> BTreeMap<String, Need> {
    let mut files = BTreeMap::new();
    for partition in &system.partitions {
        if let Some(disk) = &partition.memory_disk {
            let need = if disk.is_optional { Need::Optional } else { Need::Required };
            files.insert(disk.module.to_string(), need);
        }
        if let Some(initrd) = &partition.initrd {
            files.insert(initrd.to_string(), Need::Required);
        }
    }
    files
}

fn kernel(image: &str) -> Result<PathBuf> {
    Ok(linux::build(kernel_name(image)?)?.vmlinux())
}

fn kernel_name(image: &str) -> Result<&str> {
    let Some(name) = image.strip_prefix("vmlinux-") else {
        bail!("the image `{image}` is neither flat nor called vmlinux-NAME, so nobody knows how to build it");
    };
    Ok(name)
}
