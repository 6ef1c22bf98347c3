// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bootable image: one hybrid ISO with GRUB, the kernel, and its modules.

mod grub;
mod modules;
pub mod stock;

use std::path::{Path, PathBuf};

use anyhow::Result;

pub use grub::{Firmware, Menu};
pub use modules::{Parts, Tuning, kernel_names, parts};

/// A file that GRUB brings along.
#[derive(Debug, Clone)]
pub struct Module {
    /// Its name on the module line.
    pub name: String,
    /// Where its bytes come from.
    pub content: Content,
}

/// The bytes of a module.
#[derive(Debug, Clone)]
pub enum Content {
    /// A file of the host.
    File(PathBuf),
    /// Bytes made in this process.
    Bytes(Vec<u8>),
}

/// How the kernel is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `multiboot2` and `module2`.
    Multiboot2,
    /// `linux` and `initrd`: the first module is the ramdisk.
    Linux,
}

/// One entry of the boot menu.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What the menu says.
    pub title: String,
    /// How the kernel is started.
    pub protocol: Protocol,
    /// The kernel.
    pub kernel: PathBuf,
    /// Its command line.
    pub command_line: String,
    /// Its modules, in order.
    pub modules: Vec<Module>,
}

/// Writes an ISO with `entries`.
pub fn write(entries: &[Entry], menu: Menu, firmware: Firmware, out: &Path) -> Result<()> {
    grub::write(entries, menu, firmware, out)
}
