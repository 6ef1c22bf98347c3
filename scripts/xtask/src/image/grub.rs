// SPDX-License-Identifier: MIT OR Apache-2.0
//! Making the ISO with grub-mkrescue.
//!
//! Modules are stored as they are: GRUB in Bochs reads 17 MB in a second but needs eight to unpack them.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::{Content, Entry, Module, Protocol};
use crate::command::Tool;
use crate::paths::Scratch;

/// Which firmware the image is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firmware {
    /// BIOS only: smaller, for runs in an emulator that has a BIOS.
    Bios,
    /// BIOS and 64-bit UEFI.
    Every,
}

/// How the menu behaves.
#[derive(Debug, Clone, Copy, Default)]
pub struct Menu {
    /// How long it waits, seconds.
    pub timeout_s: u32,
    /// The entry that starts then.
    pub default: usize,
}

const BIOS_MODULES: &str = "/usr/lib/grub/i386-pc";
const EFI_MODULES: &str = "/usr/lib/grub/x86_64-efi";

/// Writes the ISO.
pub fn write(entries: &[Entry], menu: Menu, firmware: Firmware, out: &Path) -> Result<()> {
    let tree = Scratch::new("iso")?;
    let boot = tree.join("boot");
    std::fs::create_dir_all(boot.join("grub"))?;
    let mut text = format!("set timeout={}\nset default={}\n", menu.timeout_s, menu.default);
    if firmware == Firmware::Every {
        text.push_str("insmod all_video\n");
    }
    // A file that several entries name is there once.
    let mut placed: HashMap<PathBuf, String> = HashMap::new();
    for (number, entry) in entries.iter().enumerate() {
        let dir = boot.join(number.to_string());
        std::fs::create_dir_all(&dir)?;
        let mut place_once = |content: &Content, name: &str| -> Result<String> {
            check_name(name)?;
            let path = format!("/boot/{number}/{name}");
            if let Content::File(file) = content
                && let Some(earlier) = placed.get(file)
            {
                return Ok(earlier.clone());
            }
            place(content, &dir.join(name))?;
            if let Content::File(file) = content {
                placed.insert(file.clone(), path.clone());
            }
            Ok(path)
        };
        let kernel = place_once(&Content::File(entry.kernel.clone()), "kernel")?;
        let modules: Result<Vec<String>> =
            entry.modules.iter().map(|module| place_once(&module.content, &module.name)).collect();
        text.push_str(&menu_entry(entry, &kernel, &modules?)?);
    }
    std::fs::write(boot.join("grub/grub.cfg"), text)?;

    let mut needed = vec![BIOS_MODULES];
    let mut tool = Tool::new("grub-mkrescue").arg("--output").arg(out);
    match firmware {
        Firmware::Bios => tool = tool.arg(format!("--directory={BIOS_MODULES}")),
        Firmware::Every => needed.push(EFI_MODULES),
    }
    for dir in needed {
        if !Path::new(dir).is_dir() {
            bail!("GRUB's modules are missing ({dir}); `cargo xtask setup` installs them");
        }
    }
    tool.arg(tree.path()).run()
}

fn menu_entry(entry: &Entry, kernel: &str, modules: &[String]) -> Result<String> {
    let (load_kernel, load_module) = match entry.protocol {
        Protocol::Multiboot2 => ("multiboot2", "module2"),
        Protocol::Linux => ("linux", "initrd"),
    };
    let mut text = format!("menuentry \"{}\" {{\n", entry.title);
    writeln!(text, "  {load_kernel} {kernel} {}", entry.command_line)?;
    for (Module { name, .. }, path) in entry.modules.iter().zip(modules) {
        let label = if entry.protocol == Protocol::Multiboot2 { name.as_str() } else { "" };
        writeln!(text, "  {load_module} {path} {label}")?;
    }
    text.push_str("}\n");
    Ok(text)
}

fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
        bail!("`{name}` cannot be the name of a boot module");
    }
    Ok(())
}

fn place(content: &Content, path: &Path) -> Result<()> {
    match content {
        Content::Bytes(bytes) => std::fs::write(path, bytes)?,
        Content::File(file) => {
            let file = file.canonicalize().with_context(|| format!("cannot find {}", file.display()))?;
            if std::fs::hard_link(&file, path).is_err() {
                std::fs::copy(&file, path).with_context(|| format!("cannot copy {}", file.display()))?;
            }
        }
    }
    Ok(())
}
