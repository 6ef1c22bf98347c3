// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a run boots: the ISO, made for this run, and how its partitions talk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use sawmill_proto::system::ImageKind;
use sawmill_proto::trace::THREADS_OPTION;

use super::bochs;
use super::choose::Machine;
use super::options::{DEFAULT_MEMORY_MIB, Network, Options};
use super::terminal;
use super::wire::Wire;
use crate::image::{self, Content, Entry, Firmware, Menu, Tuning};
use crate::initrd::{self, Spec, Terminal};
use crate::paths::Scratch;

/// A system that is ready to boot.
#[derive(Debug)]
pub struct Boot {
    /// What the machine boots.
    pub iso: PathBuf,
    /// How its partitions talk.
    pub wire: Wire,
    /// Their names by id.
    pub names: Vec<String>,
    /// Whether a command runs in it.
    pub has_command: bool,
}

const MIB: i64 = 1 << 20;
/// The id of no partition.
const NOBODY: u8 = u8::MAX;

/// Builds what is missing and writes the ISO.
pub fn boot(options: &Options, machine: Machine, disk: &Path, scratch: &Scratch) -> Result<Boot> {
    let iso = scratch.join("boot.iso");
    let (entry, boot) =
        if options.stock { stock(options, machine, &iso)? } else { multiserver(options, machine, disk, &iso)? };
    image::write(&[entry], Menu::default(), Firmware::Bios, &iso)?;
    Ok(boot)
}

fn stock(options: &Options, machine: Machine, iso: &Path) -> Result<(Entry, Boot)> {
    let initrd = initrd::build(&spec(options, Spec::stock()))?;
    let clock = match machine {
        Machine::Bochs => bochs::clock_option() + " ",
        Machine::Qemu => String::new(),
        Machine::KvmInBochs => bail!("--stock runs in Bochs and in QEMU, not in one inside the other"),
    };
    // As the ip partition does.
    let address = if options.net == Network::None { "" } else { "ip=dhcp " };
    let entry = image::stock::entry(initrd, &format!("{clock}{address}{}", options.hypervisor_options))?;
    let names = vec!["linux".to_owned()];
    Ok((entry, Boot { iso: iso.to_path_buf(), wire: Wire::Ports, names, has_command: true }))
}

fn multiserver(options: &Options, machine: Machine, disk: &Path, iso: &Path) -> Result<(Entry, Boot)> {
    let initrd = initrd::build(&spec(options, Spec::multiserver()))?;
    let emulator = match machine {
        Machine::Bochs => "bochs output=e9",
        Machine::Qemu | Machine::KvmInBochs => "qemu",
    };
    let mut files = BTreeMap::from([("initrd-app".to_owned(), Content::Bytes(initrd))]);
    if let Some(command) = &options.beside {
        let mut spec = spec(options, Spec::multiserver());
        spec.command = ["/bin/sh", "-c", command].map(str::to_owned).to_vec();
        spec.terminal = Terminal::Pipes;
        files.insert("initrd-app2".to_owned(), Content::Bytes(initrd::build(&spec)?));
    }
    if options.memory_disk {
        files.insert("disk".to_owned(), Content::File(disk.to_path_buf()));
    }
    let trace = if options.trace.is_some() { " trace=on" } else { "" };
    let tuning = Tuning {
        overrides: overrides(options)?,
        command_line: format!("console=mux emulator={emulator}{trace} {}", options.hypervisor_options)
            .trim()
            .to_owned(),
        files,
        features: Vec::new(),
    };
    let parts = image::parts(&options.system, &tuning)?;
    let has_command = parts.foreground.is_some();
    let mut wire = Wire::framed(parts.foreground.unwrap_or(NOBODY));
    if machine == Machine::KvmInBochs {
        wire = wire.with_host();
    }
    Ok((parts.entry, Boot { iso: iso.to_path_buf(), wire, names: parts.names, has_command }))
}

/// Memory beyond the default is shared between programs and their file cache.
fn overrides(options: &Options) -> Result<sawmill_config::Overrides> {
    let mut overrides = sawmill_config::Overrides { cpus: Some(options.cpus), ..Default::default() };
    let more = i64::from(options.memory) - i64::from(DEFAULT_MEMORY_MIB);
    if more == 0 && options.trace.is_none() {
        return Ok(overrides);
    }
    let system = sawmill_config::load(&options.system, &overrides).map_err(|error| anyhow::anyhow!("{error}"))?;
    if options.trace.is_some() {
        let linux = system.partitions.iter().filter(|partition| partition.kind == ImageKind::Linux);
        let asked = linux.map(|partition| (partition.name.to_string(), THREADS_OPTION.to_owned()));
        overrides.command_line.extend(asked);
    }
    if more == 0 {
        return Ok(overrides);
    }
    let Some(index) = system.partitions.iter().position(|partition| partition.is_foreground) else {
        return Ok(overrides);
    };
    // Whole 2 MiB pages; what does not fit is refused by the description's own checks.
    let add = |bytes: u64| u64::try_from(bytes as i64 + more / 2 / 2 * 2 * MIB).unwrap_or(0);
    let partition = &system.partitions[index];
    overrides.memory.push((partition.name.to_string(), add(partition.memory_bytes)));
    if let Some(connection) = system.connections.iter().find(|c| usize::from(c.client) == index && c.pool_bytes > 0) {
        overrides.pool.push((connection.service.to_string(), add(connection.pool_bytes)));
    }
    overrides.machine_memory = Some(total(&system).saturating_add_signed(more * MIB));
    Ok(overrides)
}

fn total(system: &sawmill_proto::system::System) -> u64 {
    let partitions: u64 = system.partitions.iter().map(|partition| partition.memory_bytes).sum();
    let connections: u64 = system.connections.iter().map(|c| c.pool_bytes + c.control_bytes).sum();
    partitions + connections
}

fn spec(options: &Options, base: Spec) -> Spec {
    let terminal_type = std::env::var("TERM").unwrap_or_else(|_| "vt100".to_owned());
    let mut environment = initrd::default_environment(&terminal_type);
    environment.extend(options.environment.iter().cloned());
    let (command, terminal) = if options.is_interactive() {
        let (rows, columns) = terminal::size();
        (["/bin/sh", "-c", initrd::LOGIN_SHELL].map(str::to_owned).to_vec(), Terminal::Interactive(rows, columns))
    } else {
        (options.command.clone(), Terminal::Pipes)
    };
    Spec { command, environment, terminal, ..base }
}
