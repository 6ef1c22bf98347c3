// SPDX-License-Identifier: MIT OR Apache-2.0
//! `xtask run`: boots a system, connects it to this terminal, and reports the program's result.

pub mod bochs;
mod channel;
pub mod choose;
mod console;
mod disk;
pub mod emulator;
mod input;
mod log;
mod mux;
mod nested;
pub mod options;
mod outcome;
mod prepare;
pub mod qemu;
pub mod session;
mod signals;
mod splitter;
mod tap;
mod terminal;
mod wire;

use std::io::IsTerminal;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::paths::Scratch;
use crate::progress;
use crate::rootfs;
use choose::{Choice, Machine};
use console::Console;
use disk::{Changes, Disk};
use emulator::{Emulator, Ports, Words};
use log::Log;
pub use options::Options;
use options::{DiskBus, Network};
pub use outcome::{Outcome, SYSTEM_FAILURE};
use session::{Limits, Session, Style};

/// From the emulator's start to init's first word, at most; a loaded host makes an emulator slow.
const BOOT_LIMIT: Duration = Duration::from_secs(300);
/// From the announced end until the emulator is gone by itself.
const EXIT_LIMIT: Duration = Duration::from_secs(3);
/// The same where a Linux in Bochs comes up first, runs everything, and writes the disk back in the end.
const NESTED_BOOT_LIMIT: Duration = Duration::from_secs(3000);
const NESTED_EXIT_LIMIT: Duration = Duration::from_secs(300);

/// Runs and returns the exit status.
pub fn run(options: &Options) -> Result<u8> {
    let choice = choose::machine(options.machine);
    if !options.is_interactive() && !options.verbose {
        progress::set_quiet();
    }
    if let Network::Tap(name) = &options.net {
        if choice.machine == Machine::KvmInBochs {
            bail!("a tap device of the host does not reach into a machine inside a machine");
        }
        tap::check(name)?;
    }
    let scratch = Scratch::new("run")?;
    let (image, changes) = match &options.disk {
        Some(image) if options.snapshot => (image.clone(), Changes::Dropped),
        Some(image) => (image.clone(), Changes::Kept),
        None => (rootfs::busybox()?, Changes::Dropped),
    };
    let disk = Disk::prepare(&image, changes, &scratch)?;
    let boot = prepare::boot(options, choice.machine, &disk.path, &scratch)?;

    let mut log = Log::new(options.log.as_deref(), options.verbose, boot.names.clone())?;
    announce(options, &choice, &mut log);
    let outcome = boot_and_judge(options, choice.machine, boot, &disk, &scratch, &mut log)?;
    if let Some(file) = &options.trace {
        let line = crate::trace::write(log.trace(), log.records(), file)?;
        log.note(&line);
        if options.is_interactive() || options.verbose {
            eprintln!("{line}");
        }
    }
    explain(&outcome, &mut log);
    if matches!(outcome, Outcome::Exited(_) | Outcome::Signaled(_)) {
        for file in &options.copy_out {
            disk.copy_out(&file.guest, &file.host)?;
        }
    }
    Ok(outcome.status())
}

fn announce(options: &Options, choice: &Choice, log: &mut Log) {
    let name = choice.machine.name();
    let line = format!("machine: {name} with {} CPU(s), {} MiB ({})", options.cpus, options.memory, choice.reason);
    // A program's standard error is its own; people at a terminal still want to know.
    if options.is_interactive() || std::io::stderr().is_terminal() {
        eprintln!("{line}");
        if options.is_interactive() {
            eprintln!("Ctrl-] ends the run");
        }
    }
    log.note(&line);
}

fn boot_and_judge(
    options: &Options,
    machine: Machine,
    boot: prepare::Boot,
    disk: &Disk,
    scratch: &Scratch,
    log: &mut Log,
) -> Result<Outcome> {
    let ports = Ports::open(boot.wire.port_count())?;
    let command = machine_command(options, machine, &boot.iso, &disk.path, &ports, scratch)?;
    let (sender, events) = std::sync::mpsc::channel();
    signals::forward(sender.clone())?;
    let words = match &options.instructions {
        Some(record) if machine == Machine::Bochs => Words::Instructions(record.clone()),
        None if machine == Machine::Bochs && !options.stock => Words::Machine,
        _ => Words::Own,
    };
    let emulator = Emulator::start(command, words, &ports, &scratch.join("emulator.out"), &sender)?;
    let style = match (boot.has_command, options.is_interactive()) {
        (false, _) => Style::System,
        (true, true) => Style::Interactive,
        (true, false) => Style::Batch,
    };
    let wire = boot.wire;
    let (boot_limit, exit) = match machine {
        Machine::KvmInBochs => (NESTED_BOOT_LIMIT, NESTED_EXIT_LIMIT),
        Machine::Qemu | Machine::Bochs => (BOOT_LIMIT, EXIT_LIMIT),
    };
    let limits = Limits { boot: boot_limit, exit, whole: options.limit() };
    Session { emulator, wire, log, style, limits, events, sender, console: Console::default() }.run()
}

fn machine_command(
    options: &Options,
    machine: Machine,
    iso: &Path,
    disk: &Path,
    ports: &Ports,
    scratch: &Scratch,
) -> Result<Command> {
    let mut hardware = options.hardware();
    if machine != Machine::Bochs && options.disk_bus.is_none() {
        hardware.disk_bus = DiskBus::Ahci;
    }
    let disk = (!options.memory_disk).then_some(disk);
    match machine {
        Machine::Bochs => bochs::command(&hardware, iso, disk, ports, scratch),
        Machine::Qemu => {
            // Stock Linux needs no VT-x.
            let accelerator = match options.stock && !choose::has_kvm() {
                true => qemu::Accelerator::Emulation,
                false => qemu::Accelerator::Kvm,
            };
            qemu::command(&hardware, (accelerator, qemu::Start::Bios), iso, disk, ports, scratch)
        }
        Machine::KvmInBochs => nested::command(&hardware, iso, disk, ports, scratch),
    }
}

/// Says why there is no result of the program.
fn explain(outcome: &Outcome, log: &mut Log) {
    let (what, why) = match outcome {
        Outcome::Failed(why) => ("the system failed", why.as_str()),
        Outcome::TimedOut(why) => ("ended by", why.as_str()),
        Outcome::Exited(_) | Outcome::Signaled(_) | Outcome::Interrupted => return,
    };
    eprintln!("sawmill: {what}: {why}\nThe end of what the partitions said:\n{}", log.tail());
}
