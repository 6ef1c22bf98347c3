// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bochs: its configuration and command line.
//!
//! Debian's Bochs is the debugger build: it starts the machine on the command `c`. `clock: sync=none` makes
//! the time stamp counter count instructions.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use super::emulator::Ports;
use super::options::{DiskBus, Hardware, Marks, Network};
use super::tap;
use crate::paths::Scratch;

/// What Bochs takes for a second of the machine's time.
pub const INSTRUCTIONS_PER_SECOND: u32 = 80_000_000;
/// How often a program may have its instructions, or a command run.
const MARKED_MAX: usize = 32;
const BIOS: &str = "/usr/share/bochs/BIOS-bochs-latest";
const VGA_BIOS: &str = "/usr/share/bochs/VGABIOS-lgpl-latest";

/// Tells stock Linux the real rate: it believes the CPUID of the model, whose clock is many times faster.
pub fn clock_option() -> String {
    format!("tsc_early_khz={}", INSTRUCTIONS_PER_SECOND / 1000)
}

/// The command that boots `iso` with the serial ports `ports`.
pub fn command(
    hardware: &Hardware,
    iso: &Path,
    disk: Option<&Path>,
    ports: &Ports,
    scratch: &Scratch,
) -> Result<Command> {
    if hardware.disk_bus != DiskBus::Ide {
        bail!("Bochs has no such disk controller: --disk-bus is for QEMU");
    }
    let mut text = machine(hardware, hardware.memory_mib, iso);
    if let Some(disk) = disk {
        writeln!(text, "ata0-master: type=disk, mode=flat, path={}", disk.display())?;
    }
    for index in 0..ports.count() {
        writeln!(text, "com{}: {}", index + 1, serial(ports.number(index)?))?;
    }
    let wire = match &hardware.network {
        Network::None => None,
        Network::User => Some(format!("slirp, script={}", slirp_rules(hardware, scratch)?.display())),
        Network::Tap(name) => Some(format!("tuntap, ethdev={}:{name}", tap::DEVICE)),
        Network::Frames(port) => Some(format!("socket, ethdev={port}")),
    };
    if let Some(wire) = wire {
        // e1000 sits in a slot of the PCI bus.
        writeln!(text, "pci: enabled=1, chipset=i440fx, slot1=e1000")?;
        writeln!(text, "e1000: enabled=1, mac=52:54:00:12:34:56, ethmod={wire}")?;
    }
    start(hardware, text, scratch)
}

/// The configuration of a machine that boots `iso`, without disks, ports and network.
pub fn machine(hardware: &Hardware, memory_mib: u32, iso: &Path) -> String {
    let (model, cpus) = (&hardware.cpu_model, hardware.cpus);
    format!(
        "cpu: model={model}, count={cpus}, ips={INSTRUCTIONS_PER_SECOND}, reset_on_triple_fault=0\n\
         megs: {memory_mib}\nromimage: file={BIOS}\nvgaromimage: file={VGA_BIOS}\n\
         clock: sync=none\ndisplay_library: rfb, options=\"timeout=0\"\nplugin_ctrl: speaker=0\nport_e9_hack: enabled=1\n\
         boot: cdrom\nata1-master: type=cdrom, path={}, status=inserted\n",
        iso.display()
    )
}

/// A serial port that connects to `port` of this host.
pub fn serial(port: u16) -> String {
    format!("enabled=1, mode=socket-client, dev=127.0.0.1:{port}")
}

/// The command that starts the machine of the configuration `text`.
pub fn start(hardware: &Hardware, mut text: String, scratch: &Scratch) -> Result<Command> {
    let log = scratch.join("bochs.log");
    writeln!(text, "log: {}\npanic: action=fatal\nerror: action=report\ninfo: action=ignore", log.display())?;

    if hardware.marks != Marks::Ignored {
        text.push_str("magic_break: enabled=1\n");
    }
    let (configuration, commands) = (scratch.join("bochsrc"), scratch.join("commands"));
    std::fs::write(&configuration, text)?;
    let at_marks = match &hardware.marks {
        Marks::Ignored => "",
        Marks::Instructions => "trace on\nc\ntrace off\nc\n",
        Marks::Say(command) => &format!("{command}\nc\n"),
    };
    std::fs::write(&commands, format!("c\n{}", at_marks.repeat(MARKED_MAX)))?;
    let mut command = Command::new("bochs");
    command.current_dir(scratch.path()).arg("-q").arg("-f").arg(configuration).arg("-rc").arg(commands);
    Ok(command)
}

/// The file that tells Bochs' own network which ports of the host lead into the guest.
fn slirp_rules(hardware: &Hardware, scratch: &Scratch) -> Result<PathBuf> {
    let script = scratch.join("slirp.conf");
    let mut rules = String::from("# slirp config\n");
    for (host, guest) in &hardware.forwards {
        writeln!(rules, "hostfwd = tcp:127.0.0.1:{host}-10.0.2.15:{guest}")?;
    }
    std::fs::write(&script, rules)?;
    Ok(script)
}
