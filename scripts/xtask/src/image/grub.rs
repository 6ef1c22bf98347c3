// SPDX-License-Identifier: MIT OR Apache-2.0
//! Making the ISO with grub-mkrescue.
//!
//! Modules are stored as they are: GRUB in Bochs reads 17 MB in a second but needs eight to unpack them.

use std::fmt::Write;
use std::path::Path;

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

const BIOS_MODULES: &str = "/usr/lib/grub/i386-pc";
const EFI_MODULES: &str = "/usr/lib/grub/x86_64-efi";

/// Writes the ISO.
pub fn write(entries: &[Entry], timeout_s: u32, firmware: Firmware, out: &Path) -> Result<()> {
    let tree = Scratch::new("iso")?;
    let boot = tree.join("boot");
    std::fs::create_dir_all(boot.join("grub"))?;
    let mut menu = format!("set timeout={timeout_s}\nset default=0\n");
    if firmware == Firmware::Every {
        menu.push_str("insmod all_video\n");
    }
    for (number, entry) in entries.iter().enumerate() {
        let dir = boot.join(number.to_string());
        std::fs::create_dir_all(&dir)?;
        menu.push_str(&menu_entry(number, entry)?);
        place(&Content::File(entry.kernel.clone()), &dir.join("kernel"))?;
        for module in &entry.modules {
            place(&module.content, &dir.join(&module.name))?;
        }
    }
    std::fs::write(boot.join("grub/grub.cfg"), menu)?;

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

fn menu_entry(number: usize, entry: &Entry) -> Result<String> {
    let (load_kernel, load_module) = match entry.protocol {
        Protocol::Multiboot2 => ("multiboot2", "module2"),
        Protocol::Linux => ("linux", "initrd"),
    };
    let mut text = format!("menuentry \"{}\" {{\n", entry.title);
    writeln!(text, "  {load_kernel} /boot/{number}/kernel {}", entry.command_line)?;
    for Module { name, .. } in &entry.modules {
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
            bail!("`{name}` cannot be the name of a boot module");
        }
        let label = if entry.protocol == Protocol::Multiboot2 { name.as_str() } else { "" };
        writeln!(text, "  {load_module} /boot/{number}/{name} {label}")?;
    }
    text.push_str("}\n");
    Ok(text)
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
