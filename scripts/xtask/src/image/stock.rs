// SPDX-License-Identifier: MIT OR Apache-2.0
//! A boot entry with stock Linux: the same init, the same disk, no hypervisor; for comparison.

use anyhow::Result;

use super::{Content, Entry, Module, Protocol};
use crate::linux;

/// Stock Linux with `initrd`; the first serial port is its terminal, the second init's run channel.
pub fn entry(initrd: Vec<u8>, options: &str) -> Result<Entry> {
    let kernel = linux::build("stock")?;
    Ok(Entry {
        title: format!("stock Linux {}", kernel.version),
        protocol: Protocol::Linux,
        kernel: kernel.bzimage(),
        command_line: format!("console=ttyS0,115200 quiet panic=-1 {options}"),
        modules: vec![Module { name: "initrd".to_owned(), content: Content::Bytes(initrd) }],
    })
}
