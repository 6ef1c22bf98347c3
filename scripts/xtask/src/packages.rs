// SPDX-License-Identifier: MIT OR Apache-2.0
//! The Debian packages that the project needs, each with what it is for.

use std::path::Path;

use crate::command::Tool;

/// A package and how to tell that it is there.
#[derive(Debug)]
pub struct Package {
    /// Its name.
    pub name: &'static str,
    /// A file that it brings.
    pub file: &'static str,
    /// What it is for.
    pub purpose: &'static str,
}

const fn package(name: &'static str, file: &'static str, purpose: &'static str) -> Package {
    Package { name, file, purpose }
}

/// Everything that `setup` installs.
pub const PACKAGES: &[Package] = &[
    package("linux-source-6.1", "/usr/src/linux-source-6.1.tar.xz", "Linux partitions"),
    package("gcc", "/usr/bin/gcc", "Linux partitions"),
    package("libc6-dev", "/usr/include/stdio.h", "Linux partitions"),
    package("make", "/usr/bin/make", "Linux partitions"),
    package("flex", "/usr/bin/flex", "Linux partitions"),
    package("bison", "/usr/bin/bison", "Linux partitions"),
    package("bc", "/usr/bin/bc", "Linux partitions"),
    package("patch", "/usr/bin/patch", "Linux partitions"),
    package("xz-utils", "/usr/bin/xz", "Linux partitions"),
    package("libelf-dev", "/usr/include/libelf.h", "Linux partitions"),
    package("ccache", "/usr/bin/ccache", "faster kernel builds"),
    package("grub-common", "/usr/bin/grub-mkrescue", "boot image"),
    package("grub-pc-bin", "/usr/lib/grub/i386-pc/kernel.img", "boot image for BIOS"),
    package("grub-efi-amd64-bin", "/usr/lib/grub/x86_64-efi/kernel.img", "boot image for UEFI"),
    package("xorriso", "/usr/bin/xorriso", "boot image"),
    package("mtools", "/usr/bin/mformat", "boot image"),
    package("busybox-static", "/bin/busybox", "default disk image"),
    package("e2fsprogs", "/sbin/mke2fs", "disk images"),
    package("mmdebstrap", "/usr/bin/mmdebstrap", "Debian disk images"),
    package("kmod", "/sbin/depmod", "KVM inside Bochs"),
    package("bochs", "/usr/bin/bochs", "emulator with VT-x"),
    package("bochsbios", "/usr/share/bochs/BIOS-bochs-latest", "emulator with VT-x"),
    package("bochs", "/usr/share/bochs/VGABIOS-lgpl-latest", "emulator with VT-x"),
    package("qemu-system-x86", "/usr/bin/qemu-system-x86_64", "QEMU/KVM, and tests of refusals"),
    package("ovmf", "/usr/share/OVMF/OVMF_CODE_4M.fd", "tests under UEFI"),
];

/// The packages that are not there.
pub fn missing() -> Vec<&'static Package> {
    let mut missing: Vec<&Package> = PACKAGES.iter().filter(|package| !is_there(package)).collect();
    missing.dedup_by_key(|package| package.name);
    missing
}

/// The command that installs packages, as an administrator would type it.
pub fn install_command(packages: &[&Package]) -> String {
    let names: Vec<&str> = packages.iter().map(|package| package.name).collect();
    format!("apt-get install --no-install-recommends {}", names.join(" "))
}

/// The Rust targets that are not there.
pub fn missing_targets() -> Vec<&'static str> {
    let installed = Tool::new("rustup").args(["target", "list", "--installed"]).output().unwrap_or_default();
    let wanted = ["x86_64-unknown-none"];
    wanted.into_iter().filter(|target| !installed.lines().any(|line| line.trim() == *target)).collect()
}

fn is_there(package: &Package) -> bool {
    // Programs of administrators may be in either place.
    Path::new(package.file).exists() || Path::new("/usr").join(package.file.trim_start_matches('/')).exists()
}
