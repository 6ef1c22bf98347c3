// SPDX-License-Identifier: MIT OR Apache-2.0
//! A test of the image for real machines: plain console, the disk in memory, booted as it is.

use std::time::Duration;

use anyhow::{Result, bail};

use super::Case;
use super::refusals::{hardware, listen};
use super::support::Bench;
use crate::paths::Scratch;
use crate::run::bochs;
use crate::run::emulator::{Emulator, Ports, Words};

/// What the shell of the busybox image shows.
pub const PROMPT: &str = "root@sawmill";
const PROMPT_LIMIT: Duration = Duration::from_secs(150);
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// The test.
pub const CASES: &[Case] = &[Case { name: "image", limit_s: 400, run: image }];

fn image(bench: &Bench) -> Result<()> {
    let iso = bench.path("sawmill.iso");
    bench.xtask(&["image", "--out", &iso.display().to_string()], &[])?.expect_status(0)?;
    let scratch = Scratch::new("image")?;
    let ports = Ports::open(1)?;
    let command = bochs::command(&hardware(), &iso, None, &ports, &scratch)?;
    let (sender, events) = std::sync::mpsc::channel();
    let mut emulator = Emulator::start(command, Words::Own, &ports, &scratch.join("out"), &sender)?;
    let said = listen(&events, PROMPT_LIMIT, |said| said.contains(PROMPT))?;
    if !said.contains(PROMPT) {
        bail!("there is no prompt; it said:\n{}", crate::command::last_lines(&said));
    }
    emulator.send(0, b"echo A$((40+2)); mount | head -1\r")?;
    let said = listen(&events, ANSWER_LIMIT, |said| said.contains("A42"))?;
    if !said.contains("A42") {
        bail!("the shell does not answer; it said:\n{}", crate::command::last_lines(&said));
    }
    Ok(())
}
