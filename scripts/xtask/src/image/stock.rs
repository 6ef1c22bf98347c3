// SPDX-License-Identifier: MIT OR Apache-2.0
//! A boot entry with stock Linux: the same init, the same disk, no hypervisor; for comparison.

use std::path::Path;

use anyhow::Result;

use super::{Content, Entry, Module, Protocol};
use crate::linux;

/// Where a memory disk lies: above the kernel, below what boot loaders use.
const MEMORY_DISK_MIB: u64 = 160;
/// Screen and serial line; the last is the one of programs.
const CONSOLES: &str = "console=tty0 console=ttyS0,115200 no_timer_check nokaslr quiet panic=-1";

/// Stock Linux with the ext2 image `disk` in a RAM disk, and the shell that the image starts.
pub fn shell(disk: &Path) -> Result<Entry> {
    with_disk("", disk, "rw init=/sbin/init")
}

/// Stock Linux with the benchmark, on a copy of `disk` in persistent memory as the multiserver has it.
pub fn benchmark(disk: &Path, program: &str, arguments: &str) -> Result<Entry> {
    let size = std::fs::metadata(disk)?.len() >> 20;
    let copy = format!("memmap={size}M!{MEMORY_DISK_MIB}M SAWMILL_BENCH_COPY=/dev/ram0:/dev/pmem0");
    with_disk(" benchmark", disk, &format!("ro {copy} init={program} -- {arguments}"))
}

fn with_disk(what: &str, disk: &Path, options: &str) -> Result<Entry> {
    let kernel = linux::build("stock")?;
    let kib = std::fs::metadata(disk)?.len() >> 10;
    Ok(Entry {
        title: format!("stock Linux {}{what}", kernel.version),
        protocol: Protocol::Linux,
        kernel: kernel.bzimage(),
        command_line: format!("{CONSOLES} root=/dev/ram0 ramdisk_size={kib} {options}"),
        modules: vec![Module { name: "initrd".to_owned(), content: Content::File(disk.to_path_buf()) }],
    })
}

/// Stock Linux with `initrd`; the first serial port is its terminal, the second init's run channel.
pub fn entry(initrd: Vec<u8>, options: &str) -> Result<Entry> {
    let kernel = linux::build("stock")?;
    Ok(Entry {
        title: format!("stock Linux {}", kernel.version),
        protocol: Protocol::Linux,
        kernel: kernel.bzimage(),
        command_line: format!("console=ttyS0,115200 nokaslr quiet panic=-1 {options}"),
        modules: vec![Module { name: "initrd".to_owned(), content: Content::Bytes(initrd) }],
    })
}
