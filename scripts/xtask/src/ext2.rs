// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ext2 images in the hands of the host: copied, grown, looked into and written to by e2fsprogs, without mounting anything.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::command::Tool;

/// Where Debian has the tools; users often lack it in their search path.
const TOOLS: &str = "/sbin";

fn tool(name: &str) -> Tool {
    let path = Path::new(TOOLS).join(name);
    Tool::new(if path.exists() { path } else { PathBuf::from(name) })
}

/// Copies an image, holes as holes; the copy can be written even when the original is a read-only one of the cache.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    Tool::new("cp").args(["--reflink=auto", "--sparse=always", "--"]).arg(from).arg(to).run()?;
    Tool::new("chmod").arg("u+w").arg(to).run()
}

/// Makes a file system `size` long, in the notation of truncate(1); the image grows with it, but does not shrink.
pub fn resize(image: &Path, size: &str) -> Result<()> {
    Tool::new("truncate").args(["-s", &format!(">{size}")]).arg(image).run()?;
    tool("resize2fs").arg(image).arg(size).run()
}

/// Lets debugfs(8) carry out a request that changes the image.
pub fn change(image: &Path, request: &str) -> Result<()> {
    tool("debugfs").args(["-w", "-R", request]).arg(image).run()
}

/// The same with a file of requests, one in a line.
pub fn change_all(image: &Path, requests: &Path) -> Result<()> {
    tool("debugfs").args(["-w", "-f"]).arg(requests).arg(image).run()
}

/// What debugfs(8) answers to a request that changes nothing.
pub fn ask(image: &Path, request: &str) -> Result<String> {
    tool("debugfs").args(["-R", request]).arg(image).output()
}

/// Writes a file of the host into an image.
pub fn put(image: &Path, file: &Path, name: &str) -> Result<()> {
    change(image, &format!("write {} {name}", file.display()))
}

/// The same for a program, which everybody may run.
pub fn put_program(image: &Path, file: &Path, name: &str) -> Result<()> {
    put(image, file, name)?;
    change(image, &format!("sif {name} mode 0100755"))
}

/// Removes a file of an image, if it is there.
pub fn remove(image: &Path, name: &str) {
    // What is not there need not be removed.
    let _ = change(image, &format!("rm {name}"));
}

/// Copies a file of an image to the host.
///
/// # Errors
/// There is no such file; or its name has characters that debugfs(8) takes for its own.
pub fn take(image: &Path, name: &str, to: &Path) -> Result<()> {
    if name.contains('"') || name.contains('\n') || !name.starts_with('/') {
        bail!("`{name}` cannot be copied: give an absolute path without quotes");
    }
    let _ = std::fs::remove_file(to);
    ask(image, &format!("dump \"{name}\" \"{}\"", to.display()))?;
    if !to.is_file() {
        bail!("{name} is not a file in the image");
    }
    Ok(())
}

/// Fails unless e2fsck(8) finds nothing to say.
pub fn expect_clean(image: &Path) -> Result<()> {
    tool("e2fsck").args(["-f", "-n"]).arg(image).run().context("the image is not clean")
}

/// Repairs what e2fsck(8) repairs without asking; fails if something else is wrong.
pub fn repair(image: &Path) -> Result<()> {
    // 1: repaired.
    tool("e2fsck").args(["-f", "-p"]).arg(image).accept(&[1]).run().context("not repaired without asking")
}

/// Answers e2fsck(8) yes to everything, whatever it says; 1: repaired, 4: something is left.
pub fn repair_all(image: &Path) -> Result<()> {
    tool("e2fsck").args(["-f", "-y"]).arg(image).accept(&[1, 4]).run().context("not repaired")
}
