// SPDX-License-Identifier: MIT OR Apache-2.0
//! The benchmark binary and the disk image that both systems boot with.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::command::Tool;
use crate::{build, paths};

/// Where the program is on the image.
pub const PROGRAM: &str = "/sawmill-bench";

/// Entries of the directory /listing, which the case readdir reads; and room for more files.
const LISTING_ENTRIES: u32 = 10_000;
const INODES: &str = "14000";

/// Size of the image: room for the largest file of the full set, twice.
const IMAGE_BYTES: u64 = 48 << 20;

/// Compiles servers/bench into one static binary.
pub fn compile(into: &Path) -> Result<PathBuf> {
    let binary = into.join("sawmill-bench");
    build::static_c(&binary, &build::c_sources(&paths::repository().join("servers/bench"))?, &[])?;
    Ok(binary)
}

/// Makes an ext2 image that holds the program and the directories a Linux expects.
pub fn make_image(binary: &Path, into: &Path) -> Result<PathBuf> {
    let root = into.join("root");
    for dir in ["dev", "proc", "sys", "run", "tmp", "etc"] {
        std::fs::create_dir_all(root.join(dir))?;
    }
    std::fs::copy(binary, root.join("sawmill-bench"))?;
    std::fs::create_dir_all(root.join("listing"))?;
    for number in 0..LISTING_ENTRIES {
        std::fs::write(root.join(format!("listing/entry{number:05}")), "")?;
    }
    let image = into.join("bench.ext2");
    std::fs::File::create(&image)?.set_len(IMAGE_BYTES)?;
    let flags = ["-q", "-F", "-t", "ext2", "-b", "4096", "-N", INODES, "-L", "bench", "-E", "root_owner=0:0", "-d"];
    Tool::new("mke2fs").args(flags).arg(&root).arg(&image).run()?;
    Ok(image)
}
