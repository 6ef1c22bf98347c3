// SPDX-License-Identifier: MIT OR Apache-2.0
//! `xtask build` and `xtask image`: everything that boots, and the ISO for machines other than an emulator.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::image::{self, Content, Firmware, Tuning};
use crate::initrd::{self, Spec, Terminal};
use crate::{paths, progress, rootfs};

/// Seconds the boot menu waits on a real machine.
const MENU_TIMEOUT_S: u32 = 5;

/// Options of `xtask image`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The system description.
    #[arg(long, default_value_os_t = paths::repository().join("servers/system.toml"))]
    system: PathBuf,
    /// The ISO to write.
    #[arg(long, default_value_os_t = paths::target().join("sawmill.iso"))]
    out: PathBuf,
    /// The ext2 image that comes along as a memory disk; without it, one with busybox.
    #[arg(long)]
    disk: Option<PathBuf>,
}

/// Builds all parts of the system `description`.
pub fn build(description: &Path) -> Result<()> {
    parts(description, rootfs::busybox()?).map(drop)
}

/// Writes the ISO.
pub fn image(options: &Options) -> Result<()> {
    let disk = options.disk.clone().map_or_else(rootfs::busybox, Ok)?;
    let parts = parts(&options.system, disk)?;
    let phase = progress::Phase::start("boot image");
    if let Some(dir) = options.out.parent() {
        std::fs::create_dir_all(dir)?;
    }
    image::write(&[parts.entry], MENU_TIMEOUT_S, Firmware::Every, &options.out)?;
    phase.done("");
    println!("{}", options.out.display());
    Ok(())
}

fn parts(description: &Path, disk: PathBuf) -> Result<image::Parts> {
    let spec = Spec {
        command: ["/bin/sh", "-c", initrd::LOGIN_SHELL].map(str::to_owned).to_vec(),
        environment: initrd::default_environment("vt100"),
        terminal: Terminal::Interactive(24, 80),
        ..Spec::multiserver()
    };
    let files = BTreeMap::from([
        ("initrd-app".to_owned(), Content::Bytes(initrd::build(&spec)?)),
        ("disk".to_owned(), Content::File(disk)),
    ]);
    let tuning = Tuning { command_line: "console=plain".to_owned(), files, ..Tuning::default() };
    image::parts(description, &tuning)
}
