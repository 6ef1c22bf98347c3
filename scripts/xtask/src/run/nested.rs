// SPDX-License-Identifier: MIT OR Apache-2.0
//! QEMU with KVM on a Linux in Bochs: what users with nested VT-x get, on hosts without VT-x.
//!
//! Bochs emulates VT-x, Linux's KVM in it offers VT-x to its guests, and QEMU there gets the very arguments of
//! [`qemu`]. The first serial port of this process is that of the machine inside, the second the Linux's terminal.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::emulator::Ports;
use super::options::Hardware;
use super::{bochs, qemu};
use crate::cpio::Archive;
use crate::image::{self, Content, Entry, Firmware, Menu, Module, Protocol};
use crate::paths::Scratch;
use crate::{linux, rootfs};

/// Modules of the Linux that runs QEMU: KVM, disks, file system.
const MODULES: [&str; 5] = ["kvm-intel", "ata_piix", "sd_mod", "ext4", "crc32c_generic"];
/// What QEMU's packages need.
const ROOT_SIZE: &str = "1500M";
const PACKAGES: [&str; 1] = ["qemu-system-x86"];
/// Memory besides the machine's own, for Linux, QEMU, and the file cache.
const MORE_MEMORY_MIB: u32 = 640;
/// Bochs needs no mitigations, and its TSC is what CPUID says. It counts the size of compacted extended state in a way
/// of its own, for which Linux would give up XSAVE.
const KERNEL_OPTIONS: &str = "console=ttyS0,115200 panic=-1 mitigations=off nokaslr loglevel=4 tsc=reliable \
    clocksource=tsc tsc_early_khz=420000 no_timer_check noxsaves clearcpuid=xsavec";
const BUSYBOX: &str = "/bin/busybox";
const INIT: &str = include_str!("nested-init.sh");

/// The command that boots `iso` inside, with the serial ports `ports`.
pub fn command(
    hardware: &Hardware,
    iso: &Path,
    disk: Option<&Path>,
    ports: &Ports,
    scratch: &Scratch,
) -> Result<Command> {
    let root = rootfs::cached_debian(ROOT_SIZE, &PACKAGES.map(str::to_owned))?;
    // The slaves of both channels are the second and the third disk; a CD-ROM is none.
    let outside = qemu::Outside {
        iso: Path::new("/dev/sdb"),
        disk: disk.map(|_| Path::new("/dev/sdc")),
        serial: vec!["serial,path=/dev/ttyS1".to_owned()],
    };
    let arguments = qemu::arguments(hardware, qemu::Accelerator::Kvm, &outside)?;
    let boot = scratch.join("kvm-host.iso");
    image::write(&[entry(&arguments)?], Menu::default(), Firmware::Bios, &boot)?;

    let mut text = bochs::machine(hardware, hardware.memory_mib + MORE_MEMORY_MIB, &boot);
    writeln!(text, "ata0-master: type=disk, mode=volatile, path={}", root.display())?;
    writeln!(text, "ata0-slave: type=disk, mode=flat, path={}", iso.display())?;
    if let Some(disk) = disk {
        writeln!(text, "ata1-slave: type=disk, mode=flat, path={}", disk.display())?;
    }
    writeln!(text, "com1: {}", bochs::serial(ports.number(1)?))?;
    writeln!(text, "com2: {}", bochs::serial(ports.number(0)?))?;
    bochs::start(hardware, text, scratch)
}

/// The boot entry of the Linux, whose init starts QEMU with `arguments`.
fn entry(arguments: &[String]) -> Result<Entry> {
    let kernel = linux::packaged::get()?;
    let busybox = std::fs::read(BUSYBOX).with_context(|| format!("cannot read {BUSYBOX}"))?;
    let mut archive = Archive::default();
    for directory in ["bin", "dev", "modules", "proc", "root", "sys"] {
        archive.directory(directory);
    }
    archive.character_device("dev/console", 5, 1);
    archive.file("bin/busybox", 0o755, &busybox);
    archive.file("init", 0o755, INIT.as_bytes());
    for (index, file) in kernel.modules(&MODULES)?.iter().enumerate() {
        let content = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        archive.file(&format!("modules/{index:02}"), 0o600, &content);
    }
    let words: Vec<String> = arguments.iter().map(|word| format!("'{}'", word.replace('\'', "'\\''"))).collect();
    archive.file("qemu", 0o755, format!("exec {} {}\n", qemu::PROGRAM, words.join(" ")).as_bytes());
    Ok(Entry {
        title: format!("Linux {} with KVM", kernel.release),
        protocol: Protocol::Linux,
        kernel: kernel.image(),
        command_line: KERNEL_OPTIONS.to_owned(),
        modules: vec![Module { name: "initrd".to_owned(), content: Content::Bytes(archive.finish()) }],
    })
}
