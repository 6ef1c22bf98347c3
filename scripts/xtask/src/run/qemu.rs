// SPDX-License-Identifier: MIT OR Apache-2.0
//! QEMU: with KVM and nested VT-x for runs, with its own emulation (which has no VT-x) for refusals.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::emulator::Ports;
use super::options::{DiskBus, Hardware, Network};
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

impl DiskBus {
    /// The devices between the bus and the drive `disk`.
    fn devices(self) -> &'static [&'static str] {
        match self {
            Self::Ide => &["ide-hd,drive=disk,bus=ide.0,unit=0"],
            Self::Ahci => &["ide-hd,drive=disk,bus=boot.1"],
            Self::Nvme => &["nvme,drive=disk,serial=sawmill"],
            Self::Virtio => &["virtio-blk-pci,drive=disk,iommu_platform=on,disable-legacy=on"],
        }
    }
}

/// The program.
pub const PROGRAM: &str = "qemu-system-x86_64";
/// UEFI images: code, and variables to be copied.
const OVMF: [&str; 2] = ["/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"];

/// What the machine is connected to, by the names that QEMU has for it.
#[derive(Debug)]
pub struct Outside<'a> {
    /// The CD it boots.
    pub iso: &'a Path,
    /// Its disk.
    pub disk: Option<&'a Path>,
    /// The backends of its serial ports, in the words of `-chardev`.
    pub serial: Vec<String>,
}

/// The command that boots `iso` with the serial ports `ports`.
pub fn command(
    hardware: &Hardware,
    (accelerator, start): (Accelerator, Start),
    iso: &Path,
    disk: Option<&Path>,
    ports: &Ports,
    scratch: &Scratch,
) -> Result<Command> {
    let port = |index| Ok(format!("socket,host=127.0.0.1,port={},server=off", ports.number(index)?));
    let serial = (0..ports.count()).map(port).collect::<Result<_>>()?;
    let mut command = Command::new(PROGRAM);
    command.args(arguments(hardware, accelerator, &Outside { iso, disk, serial })?);
    if start == Start::Uefi {
        let variables: PathBuf = scratch.join("uefi-variables");
        std::fs::copy(OVMF[1], &variables).context("cannot copy OVMF's variables: is the package ovmf installed?")?;
        command.arg("-drive").arg(format!("if=pflash,format=raw,readonly=on,file={}", OVMF[0]));
        command.arg("-drive").arg(format!("if=pflash,format=raw,file={}", variables.display()));
    }
    command.current_dir(scratch.path());
    Ok(command)
}

/// QEMU's arguments for a machine that SeaBIOS starts.
pub fn arguments(hardware: &Hardware, accelerator: Accelerator, outside: &Outside) -> Result<Vec<String>> {
    let processor = match accelerator {
        Accelerator::Kvm => ["-machine", "pc,accel=kvm", "-cpu", "host"],
        Accelerator::Emulation => ["-machine", "pc,accel=tcg", "-cpu", "qemu64"],
    };
    let mut all: Vec<String> = processor.map(str::to_owned).to_vec();
    let mut add = |words: &[&str]| all.extend(words.iter().map(|word| (*word).to_owned()));
    add(&["-nodefaults", "-display", "none", "-no-reboot"]);
    add(&["-m", &hardware.memory_mib.to_string(), "-smp", &hardware.cpus.to_string()]);
    add(&["-drive", &format!("if=none,id=cd,media=cdrom,format=raw,readonly=on,file={}", outside.iso.display())]);
    // The BIOS reads from an IDE drive byte by byte, and each takes an exit to QEMU; AHCI has DMA.
    add(&["-device", "ich9-ahci,id=boot", "-device", "ide-cd,drive=cd,bus=boot.0,bootindex=0"]);
    if let Some(disk) = outside.disk {
        add(&["-drive", &format!("if=none,id=disk,format=raw,cache=writeback,file={}", disk.display())]);
        for device in hardware.disk_bus.devices() {
            add(&["-device", device]);
        }
    }
    let network = match &hardware.network {
        Network::User => {
            let mut network = String::from("user,id=net");
            for (host, guest) in &hardware.forwards {
                write!(network, ",hostfwd=tcp:127.0.0.1:{host}-:{guest}")?;
            }
            Some(network)
        }
        Network::Tap(name) => Some(format!("tap,id=net,ifname={name},script=no,downscript=no")),
        Network::None => None,
        Network::Frames(_) => bail!("--net frames:PORT is for Bochs"),
    };
    if let Some(network) = network {
        add(&["-netdev", &network, "-device", "e1000,netdev=net,mac=52:54:00:12:34:56,romfile="]);
    }
    for (index, backend) in outside.serial.iter().enumerate() {
        add(&["-chardev", &format!("{backend},id=serial{index}"), "-serial", &format!("chardev:serial{index}")]);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Accelerator, Outside, arguments};
    use crate::run::options::{CPU_MODEL, DiskBus, Hardware, Marks, Network};

    fn words_for(network: Network) -> Result<String, String> {
        let hardware = Hardware {
            cpus: 2,
            memory_mib: 512,
            cpu_model: CPU_MODEL.to_owned(),
            disk_bus: DiskBus::Ahci,
            network,
            forwards: vec![(8080, 80), (2222, 22)],
            marks: Marks::Ignored,
        };
        let outside = Outside { iso: Path::new("boot.iso"), disk: None, serial: Vec::new() };
        let all = arguments(&hardware, Accelerator::Kvm, &outside).map_err(|error| error.to_string())?;
        Ok(all.join(" "))
    }

    const NIC: &str = "-device e1000,netdev=net,mac=52:54:00:12:34:56";

    #[test]
    fn ports_of_the_host_lead_into_a_user_network_from_its_loopback_only() {
        let words = words_for(Network::User).unwrap();
        let forwards = "hostfwd=tcp:127.0.0.1:8080-:80,hostfwd=tcp:127.0.0.1:2222-:22";
        assert!(words.contains(&format!("-netdev user,id=net,{forwards} {NIC}")), "{words}");
    }

    #[test]
    fn a_tap_device_is_used_as_it_is() {
        let words = words_for(Network::Tap("tap0".to_owned())).unwrap();
        assert!(words.contains(&format!("-netdev tap,id=net,ifname=tap0,script=no,downscript=no {NIC}")), "{words}");
    }

    #[test]
    fn without_a_network_there_is_no_nic_and_a_wire_of_frames_is_refused() {
        let words = words_for(Network::None).unwrap();
        assert!(words.contains("-nodefaults") && !words.contains("net"), "{words}");
        assert!(words_for(Network::Frames(5000)).unwrap_err().contains("Bochs"));
    }
}
