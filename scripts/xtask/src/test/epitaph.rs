// SPDX-License-Identifier: MIT OR Apache-2.0
//! A test of the hypervisor's last words: what happened, where by name, on which CPU, for which partition.

use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::Case;
use super::refusals::{hardware, listen, write_image};
use super::support::Bench;
use crate::image::Firmware;
use crate::paths::Scratch;
use crate::run::bochs;
use crate::run::emulator::{Emulator, Ports, Words};
use crate::run::options::Hardware;

/// How long a machine may take to boot and to crash.
const LIMIT: Duration = Duration::from_secs(120);
const BEGIN: &str = "SAWMILL-EPITAPH cpu 0 partition tag ";
const END: &str = "SAWMILL-EPITAPH end";
/// What the second CPU says again and again while it runs a guest (`crash=second`), and how long it is listened for.
const SECOND: &str = "the second CPU goes on";
const SILENCE: Duration = Duration::from_secs(3);
/// The built-in test of exits crashes after it ran its last guest, in these ways; what happened, and a name of where.
const CRASHES: [(&str, &str, &str); 4] = [
    ("undefined", "exception 6 (error 0x0) at ", " = sawmill_machine::virt::selftest::run+"),
    ("stack", "exception 8 (error 0x0) at ", " = sawmill_machine::virt::selftest::overflow_stack+"),
    ("panic", "virt/selftest.rs:", "the selftest was asked to panic"),
    ("second", "virt/selftest.rs:", "the selftest was asked to panic"),
];

/// The test.
pub const CASES: &[Case] = &[Case { name: "epitaph", limit_s: 300, run: epitaph }];

fn epitaph(_: &Bench) -> Result<()> {
    CRASHES.iter().try_for_each(|(way, cause, place)| crash(way, cause, place).with_context(|| format!("crash={way}")))
}

fn crash(way: &str, cause: &str, place: &str) -> Result<()> {
    let scratch = Scratch::new("epitaph")?;
    let iso = scratch.join("boot.iso");
    write_image(&["selftest"], &format!("console=plain emulator=bochs crash={way}"), Firmware::Bios, &iso)?;
    let ports = Ports::open(1)?;
    let hardware = Hardware { cpus: if way == "second" { 2 } else { 1 }, ..hardware() };
    let command = bochs::command(&hardware, &iso, None, &ports, &scratch)?;
    let (sender, events) = std::sync::mpsc::channel();
    let mut emulator = Emulator::start(command, Words::Own, &ports, &scratch.join("out"), &sender)?;
    let said = listen(&events, LIMIT, |said| said.contains(END))?;
    if let Some(failure) = said.lines().find(|line| line.contains("SELFTEST-FAILED")) {
        bail!("{failure}");
    }
    let Some((_, epitaph)) = said.split_once(BEGIN) else {
        bail!("there is no epitaph; it said:\n{}", crate::command::last_lines(&said));
    };
    let (epitaph, _) = epitaph.split_once(END).context("the epitaph is cut")?;
    let tag: u32 = epitaph.split(':').next().unwrap_or_default().parse().context("no number of a partition's vCPU")?;
    if tag != 0 {
        bail!("it names a vCPU that was retired: {tag}");
    }
    if !epitaph.contains(cause) {
        bail!("it does not say `{cause}`, but:\n{epitaph}");
    }
    if !epitaph.contains(place) {
        bail!("it does not name `{place}`, but:\n{epitaph}");
    }
    let late = if way == "second" { listen(&events, SILENCE, |_| false)? } else { String::new() };
    if said.contains(SECOND) != (way == "second") {
        bail!("a second CPU was to run only with crash=second");
    }
    if epitaph.contains(SECOND)
        || said.rsplit(END).next().is_some_and(|rest| rest.contains(SECOND))
        || late.contains(SECOND)
    {
        bail!("the second CPU goes on after the epitaph began");
    }
    if emulator.has_ended()? {
        bail!("the machine reset instead of stopping");
    }
    Ok(())
}
