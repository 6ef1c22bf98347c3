// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which part of a partition a kernel function belongs to: by the object file that defines it.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use crate::command::Tool;
use crate::linux::Kernel;
use crate::paths;

/// A part's name, and the directories of Linux's source that make it, the first that fits.
pub type Parts = [(&'static str, &'static [&'static str])];

/// Parts of the client; the last one is the rest.
pub const CLIENT: [(&str, &[&str]); 4] = [
    ("1 client: calls", &["drivers/sawmill/ipc", "drivers/sawmill/platform"]),
    ("2 client: glue", &["drivers/sawmill"]),
    ("3 client: fuse", &["fs/fuse"]),
    ("4 client: Linux", &[""]),
];

/// Parts of the server.
pub const SERVER: [(&str, &[&str]); 7] = [
    ("5 server: calls", &["drivers/sawmill/ipc", "drivers/sawmill/platform"]),
    ("6 server: glue", &["drivers/sawmill"]),
    ("7 server: ext2", &["fs/ext2"]),
    ("8 server: disk", &["block", "drivers/nvdimm", "drivers/ata", "drivers/scsi", "fs/direct-io.o"]),
    ("8 server: TCP/IP", &["net/"]),
    ("8 server: NIC driver", &["drivers/net"]),
    ("9 server: Linux", &[""]),
];

/// Parts of stock Linux.
pub const STOCK: [(&str, &[&str]); 5] = [
    ("1 stock: ext2", &["fs/ext2"]),
    ("2 stock: disk", &["block", "drivers/nvdimm", "drivers/ata", "drivers/scsi", "fs/direct-io.o"]),
    ("3 stock: TCP/IP", &["net/"]),
    ("4 stock: NIC driver", &["drivers/net"]),
    ("5 stock: Linux", &[""]),
];

/// The functions of a kernel, by address.
#[derive(Debug)]
pub struct Symbols {
    functions: BTreeMap<u64, String>,
    objects: BTreeMap<String, String>,
}

impl Symbols {
    /// Reads the map of `kernel`, and the object files of its kept build directory.
    pub fn read(kernel: &Kernel, name: &str) -> Result<Self> {
        let map = kernel.vmlinux().with_file_name("System.map");
        let text = std::fs::read_to_string(&map).with_context(|| format!("cannot read {}", map.display()))?;
        let functions = text.lines().filter_map(function).collect();
        let build = paths::cached("linux")?.join(name).join("build");
        let list =
            "find . -name '*.o' ! -name 'vmlinux*' ! -name 'built-in*' -print0 | xargs -0 nm -A 2>/dev/null || true";
        let listed = Tool::new("sh").args(["-c", list]).dir(&build).output()?;
        let mut objects = BTreeMap::new();
        for line in listed.lines() {
            let Some((object, symbol)) = line.trim_start_matches("./").split_once(':') else { continue };
            let mut fields = symbol.split_whitespace().rev();
            if let (Some(symbol), Some("t" | "T" | "w" | "W")) = (fields.next(), fields.next()) {
                // Of several functions with one name, the glue's.
                if object.starts_with("drivers/sawmill") || !objects.contains_key(symbol) {
                    objects.insert(symbol.to_owned(), object.to_owned());
                }
            }
        }
        Ok(Self { functions, objects })
    }

    /// The part and the name of the function at `address`.
    pub fn find<'a>(&'a self, address: u64, parts: &Parts) -> (&'static str, &'a str) {
        let function = self.functions.range(..=address).next_back().map_or("", |(_, name)| name.as_str());
        let object = self.objects.get(function).map_or("", String::as_str);
        let fits = |places: &[&str]| places.iter().any(|place| object.starts_with(place));
        (parts.iter().find(|(_, places)| fits(places)).map_or("", |&(part, _)| part), function)
    }
}

fn function(line: &str) -> Option<(u64, String)> {
    let mut fields = line.split_whitespace();
    let address = u64::from_str_radix(fields.next()?, 16).ok()?;
    let kind = fields.next()?;
    let name = fields.next()?;
    matches!(kind, "t" | "T" | "w" | "W").then(|| (address, name.to_owned()))
}
