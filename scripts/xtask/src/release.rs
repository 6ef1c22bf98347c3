// SPDX-License-Identifier: MIT OR Apache-2.0
//! `xtask build` and `xtask image`: everything that boots, and the ISO for machines other than an emulator.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::ValueEnum;

use crate::image::{self, Content, Firmware, Menu, Tuning};
use crate::initrd::{self, Spec, Terminal};
use crate::{bench, paths, progress, rootfs};

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
    /// The entry of the menu that starts by itself.
    #[arg(long, value_enum, default_value = "multiserver")]
    default: Choice,
    /// Arguments of the benchmark in its two entries.
    #[arg(long, value_name = "ARGUMENT", allow_hyphen_values = true, default_value = "--runs 5")]
    bench_arguments: Vec<String>,
}

/// The entries of the boot menu.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Choice {
    /// A shell on the multiserver.
    Multiserver,
    /// The benchmark on the multiserver.
    MultiserverBenchmark,
    /// A shell on stock Linux.
    Stock,
    /// The benchmark on stock Linux.
    StockBenchmark,
}

/// Builds all parts of the system `description`.
pub fn build(description: &Path) -> Result<()> {
    multiserver(description, rootfs::busybox()?, shell()).map(drop)
}

/// Writes the ISO.
pub fn image(options: &Options) -> Result<()> {
    let disk = options.disk.clone().map_or_else(rootfs::busybox, Ok)?;
    let scratch = paths::Scratch::new("image")?;
    let program = bench::program::compile(scratch.path())?;
    let bench_disk = bench::program::make_image(&program, scratch.path())?;
    // What is on the screen at the end is for people.
    let arguments = format!("{} --table", options.bench_arguments.join(" "));

    let entry = multiserver(&options.system, disk.clone(), shell())?.entry;
    let mut command = vec![bench::program::PROGRAM.to_owned()];
    command.extend(arguments.split(' ').map(str::to_owned));
    let mut benchmark = multiserver(&options.system, bench_disk.clone(), command)?.entry;
    benchmark.title.push_str(" benchmark");
    let entries = [
        entry,
        benchmark,
        image::stock::shell(&disk)?,
        image::stock::benchmark(&bench_disk, bench::program::PROGRAM, &arguments)?,
    ];
    let phase = progress::Phase::start("boot image");
    if let Some(dir) = options.out.parent() {
        std::fs::create_dir_all(dir)?;
    }
    let menu = Menu { timeout_s: MENU_TIMEOUT_S, default: options.default as usize };
    image::write(&entries, menu, Firmware::Every, &options.out)?;
    phase.done("");
    println!("{}", options.out.display());
    Ok(())
}

fn shell() -> Vec<String> {
    ["/bin/sh", "-c", initrd::LOGIN_SHELL].map(str::to_owned).to_vec()
}

fn multiserver(description: &Path, disk: PathBuf, command: Vec<String>) -> Result<image::Parts> {
    let spec = Spec {
        command,
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
