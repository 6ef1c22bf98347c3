// SPDX-License-Identifier: MIT OR Apache-2.0
//! QEMU: with KVM and nested VT-x for runs, with its own emulation (which has no VT-x) for refusals.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::emulator::Ports;
use super::options::{Hardware, Network};
use crate::paths::Scratch;

/// Who executes instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accelerator {
    /// The host's processor.
    Kvm,
    /// QEMU itself.
    Emulation,
}

/// What starts the boot loader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// SeaBIOS.
    Bios,
    /// OVMF.
    Uefi,
}

/// UEFI images: code, and variables to be copied.
const OVMF: [&str; 2] = ["/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"];

/// The command that boots `iso` with the serial ports `ports`.
pub fn command(
    hardware: &Hardware,
    (accelerator, start): (Accelerator, Start),
    iso: &Path,
    disk: Option<&Path>,
    ports: &Ports,
    scratch: &Scratch,
) -> Result<Command> {
    let mut command = Command::new("qemu-system-x86_64");
    match accelerator {
        Accelerator::Kvm => command.args(["-machine", "pc,accel=kvm", "-cpu", "host"]),
        Accelerator::Emulation => command.args(["-machine", "pc,accel=tcg", "-cpu", "qemu64"]),
    };
    command.args(["-nodefaults", "-display", "none", "-no-reboot"]);
    command.arg("-m").arg(hardware.memory_mib.to_string()).arg("-smp").arg(hardware.cpus.to_string());
    if start == Start::Uefi {
        let variables: PathBuf = scratch.join("uefi-variables");
        std::fs::copy(OVMF[1], &variables).context("cannot copy OVMF's variables: is the package ovmf installed?")?;
        command.arg("-drive").arg(format!("if=pflash,format=raw,readonly=on,file={}", OVMF[0]));
        command.arg("-drive").arg(format!("if=pflash,format=raw,file={}", variables.display()));
    }
    command.arg("-drive").arg(format!("if=none,id=cd,media=cdrom,format=raw,readonly=on,file={}", iso.display()));
    command.args(["-device", "ide-cd,drive=cd,bus=ide.1,unit=0,bootindex=0"]);
    if let Some(disk) = disk {
        command.arg("-drive").arg(format!("if=none,id=disk,format=raw,cache=writeback,file={}", disk.display()));
        command.args(["-device", "ide-hd,drive=disk,bus=ide.0,unit=0"]);
    }
    if hardware.network == Network::User {
        let mut network = String::from("user,id=net");
        for (host, guest) in &hardware.forwards {
            write!(network, ",hostfwd=tcp:127.0.0.1:{host}-:{guest}")?;
        }
        command.args(["-netdev", &network, "-device", "e1000,netdev=net,mac=52:54:00:12:34:56,romfile="]);
    }
    for index in 0..ports.count() {
        let port = ports.number(index)?;
        command.arg("-chardev").arg(format!("socket,id=serial{index},host=127.0.0.1,port={port},server=off"));
        command.arg("-serial").arg(format!("chardev:serial{index}"));
    }
    command.current_dir(scratch.path());
    Ok(command)
}
