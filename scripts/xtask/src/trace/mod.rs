// SPDX-License-Identifier: MIT OR Apache-2.0
//! `--trace FILE`: what the hypervisor recorded, as a file for the Perfetto viewer.
//!
//! `frames` takes root's stream apart, `tracks` makes slices and flows of its entries, `names` says what their
//! numbers mean, `json` writes Chrome's trace event format.

pub mod check;
mod frames;
mod json;
mod names;
#[cfg(test)]
mod tests;
mod tracks;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};

/// Turns what root sent of its trace, and its lines about memory and exits, into `file`.
///
/// Returns what is to be said about it.
pub fn write(stream: &[u8], lines: &[String], file: &Path) -> Result<String> {
    let recording = frames::parse(stream);
    let out = File::create(file).with_context(|| format!("cannot write {}", file.display()))?;
    let mut out = BufWriter::new(out);
    json::write(&recording, lines, &mut out)?;
    out.flush()?;
    let (entries, lost) = (recording.entries.len(), recording.lost);
    let end = if recording.is_complete { "" } else { "; the end is missing" };
    Ok(format!("trace: {entries} entries, {lost} lost{end}: {}", file.display()))
}
