// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a run can be told.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::choose::Machine;
use crate::paths;

/// The machine's memory when nothing is said.
pub const DEFAULT_MEMORY_MIB: u32 = 512;
/// The processor that Bochs emulates.
pub const CPU_MODEL: &str = "corei7_skylake_x";

/// Boots the multiserver: an interactive shell, or one program.
///
/// Without a command, a shell on the terminal; Ctrl-] ends the run (129: the shell is hung up, the disk put in
/// order; a second time: at once, 130). With a command, only the program's own
/// output comes out, standard input goes in, and the exit status is the program's (128+n for signal n; 124 when
/// the time of --timeout is up; 125 when the system itself failed, with the reason on standard error).
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// The machine; without this, QEMU with KVM where the host has nested VT-x, else Bochs.
    #[arg(long, value_enum)]
    pub machine: Option<Machine>,
    /// Processors of the machine.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=8))]
    pub cpus: u8,
    /// Memory of the machine in MiB; what is more than the default goes to the programs.
    #[arg(long, default_value_t = DEFAULT_MEMORY_MIB, value_parser = clap::value_parser!(u32).range(128..=65536))]
    pub memory: u32,
    /// The system description.
    #[arg(long, default_value_os_t = paths::repository().join("servers/system.toml"))]
    pub system: PathBuf,
    /// What the second app partition runs, by its shell; for `servers/system-two-apps.toml`. Its words are in the log.
    #[arg(long, value_name = "COMMAND", conflicts_with = "stock")]
    pub beside: Option<String>,
    /// The network of the machine: `user` (the emulator's own, no privileges needed), `tap:NAME` (a tap device of the
    /// host), `none`, or on Bochs `frames:PORT`, where a program of the host is the wire. The ip partition gets the NIC.
    #[arg(long, default_value = "user", value_parser = network)]
    pub net: Network,
    /// With `--net user`: connections to this port of the host's loopback go to that port of the guest.
    #[arg(long, value_name = "HOSTPORT:GUESTPORT", value_parser = forward)]
    pub forward: Vec<(u16, u16)>,
    /// The ext2 image with the root file system; without this, a throw-away one with busybox.
    #[arg(long)]
    pub disk: Option<PathBuf>,
    /// What the disk is connected to; without this, `ahci` in QEMU and `ide` in Bochs, which has no other. The last
    /// two need a description whose `sawmill.disk=` names them.
    #[arg(long, value_enum)]
    pub disk_bus: Option<DiskBus>,
    /// Leaves the disk image untouched.
    #[arg(long)]
    pub snapshot: bool,
    /// Gives the image to its partition in memory instead of as the machine's disk; changes are lost.
    #[arg(long, conflicts_with_all = ["stock", "copy_out"])]
    pub memory_disk: bool,
    /// Ends the run after so many seconds, with status 124.
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<u64>,
    /// Writes everything that all partitions said to this file.
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Shows everything that all partitions say, and each step.
    #[arg(long)]
    pub verbose: bool,
    /// Brings a file back after the run; may be given several times.
    #[arg(long, value_name = "GUEST:HOST", value_parser = copy_out)]
    pub copy_out: Vec<CopyOut>,
    /// Writes what the hypervisor recorded to this file, for the Perfetto viewer.
    #[arg(long, value_name = "FILE", conflicts_with = "stock")]
    pub trace: Option<PathBuf>,
    /// Writes the instructions between two marks of the program to this file (Bochs; `sawmill-bench --mark`).
    #[arg(long, value_name = "FILE")]
    pub instructions: Option<PathBuf>,
    /// Sets an environment variable of the command.
    #[arg(long = "env", value_name = "NAME=VALUE")]
    pub environment: Vec<String>,
    /// Boots stock Linux from the same source instead, for comparison.
    #[arg(long)]
    pub stock: bool,
    /// Options for the command line of the hypervisor (with --stock: of Linux).
    #[arg(long, value_name = "OPTIONS", default_value = "")]
    pub hypervisor_options: String,
    /// The processor that Bochs emulates.
    #[arg(long, default_value = CPU_MODEL)]
    pub cpu_model: String,
    /// The program and its arguments.
    #[arg(last = true)]
    pub command: Vec<String>,
}

/// A file to bring back.
#[derive(Debug, Clone)]
pub struct CopyOut {
    /// Its path in the image.
    pub guest: String,
    /// Where it goes.
    pub host: PathBuf,
}

fn copy_out(text: &str) -> Result<CopyOut> {
    let (guest, host) = text.split_once(':').context("it has the form GUEST:HOST")?;
    Ok(CopyOut { guest: guest.to_owned(), host: PathBuf::from(host) })
}

/// What the machine's NIC is connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Network {
    /// No NIC.
    None,
    /// A network inside the emulator: the host is 10.0.2.2.
    User,
    /// The host's tap device of this name.
    Tap(String),
    /// Ethernet frames in UDP datagrams of the host's loopback: to this port from the wire, to the next one from the NIC.
    Frames(u16),
}

fn network(text: &str) -> Result<Network> {
    match (text, text.split_once(':')) {
        ("none", _) => Ok(Network::None),
        ("user", _) => Ok(Network::User),
        (_, Some(("tap", name))) if is_device_name(name) => Ok(Network::Tap(name.to_owned())),
        (_, Some(("tap", _))) => bail!("no network device has such a name"),
        (_, Some(("frames", port))) => Ok(Network::Frames(port.parse().context("the port is not a number")?)),
        _ => bail!("it is one of user, tap:NAME, none, frames:PORT"),
    }
}

/// Whether Linux allows the name, and Bochs and QEMU take it as it is.
fn is_device_name(name: &str) -> bool {
    let is_plain = |it: char| it.is_ascii_alphanumeric() || "-_.".contains(it);
    (1..libc::IFNAMSIZ).contains(&name.len()) && name.chars().all(is_plain) && !name.starts_with('.')
}

/// What the machine's disk is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum DiskBus {
    /// The PC's ATA controller.
    Ide,
    /// A SATA controller.
    Ahci,
    /// An NVMe controller of its own.
    Nvme,
    /// Paravirtual, by PCI.
    Virtio,
}

fn forward(text: &str) -> Result<(u16, u16)> {
    let (host, guest) = text.split_once(':').context("it has the form HOSTPORT:GUESTPORT")?;
    Ok((host.parse()?, guest.parse()?))
}

/// The machine's parts that every emulator has.
#[derive(Debug, Clone)]
pub struct Hardware {
    /// Processors.
    pub cpus: u8,
    /// Memory.
    pub memory_mib: u32,
    /// The processor that Bochs emulates.
    pub cpu_model: String,
    /// What its disk is connected to.
    pub disk_bus: DiskBus,
    /// What its NIC is connected to.
    pub network: Network,
    /// Ports of the host that lead to ports of the guest.
    pub forwards: Vec<(u16, u16)>,
    /// What Bochs says where a program marks itself.
    pub marks: Marks,
}

/// What Bochs says at a program's marks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Marks {
    /// Nothing: they are no marks.
    Ignored,
    /// Each instruction from one to the next.
    Instructions,
    /// What this command of its debugger says.
    Say(String),
}

impl Options {
    /// The machine's parts.
    pub fn hardware(&self) -> Hardware {
        Hardware {
            cpus: self.cpus,
            memory_mib: self.memory,
            cpu_model: self.cpu_model.clone(),
            disk_bus: self.disk_bus.unwrap_or(DiskBus::Ide),
            network: self.net.clone(),
            forwards: self.forward.clone(),
            marks: if self.instructions.is_some() { Marks::Instructions } else { Marks::Ignored },
        }
    }

    /// Whether there is a shell on the terminal.
    pub fn is_interactive(&self) -> bool {
        self.command.is_empty()
    }

    /// The limit of the whole run.
    pub fn limit(&self) -> Option<Duration> {
        self.timeout.map(Duration::from_secs)
    }
}

#[cfg(test)]
mod tests {
    use super::{Network, forward, network};

    #[test]
    fn a_network_is_one_of_four_kinds() {
        let kinds = [
            ("user", Network::User),
            ("none", Network::None),
            ("tap:br-0.1", Network::Tap("br-0.1".to_owned())),
            ("frames:5000", Network::Frames(5000)),
        ];
        for (text, kind) in kinds {
            assert_eq!(network(text).unwrap(), kind);
        }
    }

    #[test]
    fn a_name_that_no_device_can_have_does_not_reach_an_emulator() {
        for text in
            ["tap:", "tap:a/b", "tap:a,b", "tap:a b", "tap:.", "tap:-a=b", "tap:sixteen-letters-", "tap", "lan", ""]
        {
            assert!(network(text).is_err(), "{text}");
        }
        assert!(network("frames:70000").is_err());
    }

    #[test]
    fn a_forward_has_two_ports() {
        assert_eq!(forward("8080:80").unwrap(), (8080, 80));
        for text in ["8080", "8080:", ":80", "70000:80", "127.0.0.1:8080:80", "a:b"] {
            assert!(forward(text).is_err(), "{text}");
        }
    }
}
