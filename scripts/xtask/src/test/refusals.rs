// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tests of what is refused: machines without VT-x, wrong descriptions, wrong options, missing files.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::support::Bench;
use super::{Case, screen};
use crate::build;
use crate::image::{self, Content, Entry, Firmware, Menu, Module, Protocol};
use crate::paths::{self, Scratch};
use crate::run::emulator::{Emulator, Ports, Words};
use crate::run::options::{CPU_MODEL, DiskBus, Hardware, Marks, Network};
use crate::run::qemu::{self, Accelerator, Start};
use crate::run::session::Event;

/// The beginning of the one sentence.
const REFUSAL: &str = "sawmill: cannot run here: ";
/// Firmware in emulation is slow.
const REFUSAL_LIMIT: Duration = Duration::from_secs(150);
/// A machine that stopped says nothing for so long.
const SILENCE: Duration = Duration::from_secs(3);

/// The tests.
pub const CASES: &[Case] = &[
    Case { name: "refusal-bios", limit_s: 200, run: refusal_bios },
    Case { name: "refusal-uefi", limit_s: 200, run: refusal_uefi },
    Case { name: "description-errors", limit_s: 60, run: description_errors },
    Case { name: "option-errors", limit_s: 60, run: option_errors },
    Case { name: "disk-errors", limit_s: 60, run: disk_errors },
];

fn refusal_bios(_: &Bench) -> Result<()> {
    refusal(Start::Bios, Firmware::Bios)
}

fn refusal_uefi(_: &Bench) -> Result<()> {
    refusal(Start::Uefi, Firmware::Every)
}

/// A machine without VT-x says one sentence and stops.
fn refusal(start: Start, firmware: Firmware) -> Result<()> {
    let scratch = Scratch::new("refusal")?;
    let iso = scratch.join("boot.iso");
    write_image(&[], "console=plain", firmware, &iso)?;
    let ports = Ports::open(1)?;
    let mut command = qemu::command(&hardware(), (Accelerator::Emulation, start), &iso, None, &ports, &scratch)?;
    if start == Start::Uefi {
        screen::attach(&mut command);
    }
    let (sender, events) = std::sync::mpsc::channel();
    let mut emulator = Emulator::start(command, Words::Own, &ports, &scratch.join("out"), &sender)?;
    let said = listen(&events, REFUSAL_LIMIT, |said| said.contains(REFUSAL) && said.ends_with('\n'))?;
    let more = listen(&events, SILENCE, |_| false)?;
    if !said.contains(REFUSAL) {
        bail!("it did not refuse; it said:\n{}", crate::command::last_lines(&said));
    }
    if !more.trim().is_empty() {
        bail!("it went on after refusing:\n{}", crate::command::last_lines(&more));
    }
    if emulator.has_ended()? {
        bail!("the machine reset instead of stopping");
    }
    let sentence = said.lines().find(|line| line.contains(REFUSAL)).context("the sentence is cut")?;
    if !sentence.contains("VT-x") {
        bail!("the sentence does not say what is missing: {sentence}");
    }
    // Firmware of this kind has no text screen: the sentence is drawn.
    if start == Start::Uefi {
        let shown = screen::read(scratch.path())?;
        if !shown.contains(sentence.trim()) {
            bail!("the screen does not show the sentence, but: {}", shown.trim());
        }
    }
    Ok(())
}

/// Writes an image with the hypervisor, and no root that could run.
pub fn write_image(features: &[&str], command_line: &str, firmware: Firmware, iso: &Path) -> Result<()> {
    let entry = Entry {
        title: "SawMill".to_owned(),
        protocol: Protocol::Multiboot2,
        kernel: build::hypervisor(features)?,
        command_line: command_line.to_owned(),
        modules: vec![Module { name: "root".to_owned(), content: Content::Bytes(vec![0; 4096]) }],
    };
    image::write(&[entry], Menu::default(), firmware, iso)
}

/// A small machine.
pub fn hardware() -> Hardware {
    Hardware {
        cpus: 1,
        memory_mib: 512,
        cpu_model: CPU_MODEL.to_owned(),
        disk_bus: DiskBus::Ide,
        network: Network::None,
        forwards: Vec::new(),
        marks: Marks::Ignored,
    }
}

/// Collects what the serial port says until `is_enough` or the time is up.
pub fn listen(events: &Receiver<Event>, limit: Duration, is_enough: impl Fn(&str) -> bool) -> Result<String> {
    let deadline = Instant::now() + limit;
    let mut said = String::new();
    while !is_enough(&said) {
        match events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Event::Serial(_, bytes)) => said.push_str(&String::from_utf8_lossy(&bytes)),
            Ok(_) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
        }
    }
    Ok(said)
}

/// A wrong description is refused on the host, with file, line and reason.
fn description_errors(bench: &Bench) -> Result<()> {
    let good = std::fs::read_to_string(paths::repository().join("servers/system.toml"))?;
    let line_of = |text: &str, part: &str| text.lines().position(|line| line.contains(part)).map(|index| index + 1);
    let changes = [
        ("server = \"ext2\"", "server = \"nobody\""),
        ("memory = \"24 MiB\"", "memory = \"24 apples\""),
        ("priority = 5", "priority = 99"),
        ("foreground = true", "foregruond = true"),
    ];
    for (from, to) in changes {
        let bad = good.replace(from, to);
        let line = line_of(&bad, to).with_context(|| format!("the default description has no `{from}`"))?;
        let file = bench.path("bad.toml");
        std::fs::write(&file, bad)?;
        let name = file.display().to_string();
        let ended = bench.boot(&["--system", &name], &["/bin/true"], &[])?;
        ended.expect_status(125)?.expect_output("")?.expect_in_errors(&format!("bad.toml:{line}"))?;
    }
    Ok(())
}

fn option_errors(bench: &Bench) -> Result<()> {
    for arguments in [["run", "--cpus", "0"], ["run", "--machine", "toaster"], ["run", "--copy-out", "nocolon"]] {
        bench.xtask(&arguments, &[])?.expect_status(2)?.expect_output("")?;
    }
    Ok(())
}

fn disk_errors(bench: &Bench) -> Result<()> {
    let odd = bench.path("odd.ext2");
    std::fs::write(&odd, [0; 1000])?;
    let odd = odd.display().to_string();
    bench
        .boot(&["--disk", "/nonexistent.ext2"], &["/bin/true"], &[])?
        .expect_status(125)?
        .expect_in_errors("no disk")?;
    bench.boot(&["--disk", &odd], &["/bin/true"], &[])?.expect_status(125)?.expect_in_errors("sectors")?;
    Ok(())
}
