// SPDX-License-Identifier: MIT OR Apache-2.0
//! The keys of a system description, as they are written.

use serde::Deserialize;
use toml::{Spanned, Value};

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Document {
    /// What the description assumes of the machine.
    pub machine: Option<Machine>,
    /// `[[partition]]` tables.
    #[serde(default)]
    pub partition: Vec<Partition>,
    /// `[[connection]]` tables.
    #[serde(default)]
    pub connection: Vec<Connection>,
}

/// Assumptions about the machine.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Machine {
    /// Memory that partitions and pools may use together.
    pub memory: Option<Spanned<Value>>,
    /// Largest number of CPUs.
    pub cpus: Option<Spanned<Value>>,
    /// True if an IOMMU is expected, so that DMA is confined.
    #[serde(default)]
    pub iommu: bool,
}

/// One partition.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Partition {
    pub name: Spanned<String>,
    /// `linux` (default) or `flat`.
    pub kind: Option<Spanned<String>>,
    /// Boot module with the kernel.
    pub image: Option<Spanned<String>>,
    /// Boot module with the initial ramdisk.
    pub initrd: Option<Spanned<String>>,
    pub memory: Spanned<Value>,
    /// `"all"`, a count, or a list of CPU numbers. Default: all.
    pub cpus: Option<Spanned<Value>>,
    pub priority: Option<Spanned<i64>>,
    pub command_line: Option<Spanned<String>>,
    #[serde(default)]
    pub foreground: bool,
    #[serde(default)]
    pub ends_run: bool,
    #[serde(default)]
    pub controls_itself: bool,
    /// It may read the counters of all partitions.
    #[serde(default)]
    pub statistics: bool,
    #[serde(default)]
    pub controls_machine: bool,
    /// Frames for kernel objects. Default: 512.
    pub kernel_frames: Option<Spanned<i64>>,
    /// Memory it may allocate at run time. Default: none.
    pub extra_memory: Option<Spanned<Value>>,
    /// After how long without answers a server counts as dead. Default: it is not watched.
    pub hang_after: Option<Spanned<String>>,
    /// `never` (default), `on-failure` or `always`.
    pub restart: Option<Spanned<String>>,
    /// Default: 3.
    pub restart_limit: Option<Spanned<i64>>,
    /// `started` (default) or `reported`.
    pub ready: Option<Spanned<String>>,
    #[serde(default)]
    pub device: Vec<Spanned<Device>>,
    pub memory_disk: Option<MemoryDisk>,
}

/// PCI functions for a partition.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Device {
    /// Names or numbers of PCI classes with subclass.
    pub class: Spanned<Vec<Spanned<Value>>>,
    pub vendor: Option<Spanned<i64>>,
    pub device: Option<Spanned<i64>>,
    #[serde(default)]
    pub optional: bool,
    #[serde(default)]
    pub unsafe_dma: bool,
}

/// A boot module as persistent memory.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MemoryDisk {
    pub module: Spanned<String>,
    #[serde(default)]
    pub optional: bool,
    pub command_line: Option<Spanned<String>>,
}

/// A path from a client to a server.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Connection {
    pub service: Spanned<String>,
    pub client: Spanned<String>,
    pub server: Spanned<String>,
    /// Default: position in the file, from 1.
    pub badge: Option<Spanned<i64>>,
    pub control: Option<Spanned<Value>>,
    pub pool: Option<Spanned<Value>>,
    /// `read-write` (default) or `read-only`: what the server may do with the pool.
    pub server_rights: Option<Spanned<String>>,
    pub budget: Option<Spanned<String>>,
}
