// SPDX-License-Identifier: MIT OR Apache-2.0
//! The identity of a kernel: a SHA-256 over source version, patches, glue, configuration and compiler.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use super::{Flavour, Recipe, tree};
use crate::command::Tool;
use crate::paths;

/// Raised when this crate changes what it makes from the same inputs.
const RECIPE_REVISION: &str = "4";

/// The key of `recipe` with the given source version, in hexadecimal.
pub fn of(recipe: &Recipe, version: &str) -> Result<String> {
    let mut hash = Sha256::new();
    let compiler = Tool::new("gcc").arg("--version").output()?;
    for part in [RECIPE_REVISION, version, compiler.lines().next().unwrap_or_default()] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash_file(&mut hash, &recipe.fragment)?;
    if recipe.flavour == Flavour::Partition {
        for patch in tree::patches()? {
            hash_file(&mut hash, &patch)?;
        }
        for file in files_below(&paths::repository().join("linux-glue"))? {
            hash_file(&mut hash, &file)?;
        }
    }
    Ok(hex(&hash.finalize()))
}

/// Every file below `dir`, sorted.
pub fn files_below(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut pending = vec![dir.to_path_buf()];
    while let Some(dir) = pending.pop() {
        if !dir.is_dir() {
            continue;
        }
        for entry in std::fs::read_dir(&dir)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                pending.push(entry.path());
            } else {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hash_file(hash: &mut Sha256, file: &Path) -> Result<()> {
    let name = file.strip_prefix(paths::repository()).unwrap_or(file).to_string_lossy().into_owned();
    let content = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    hash.update(name.as_bytes());
    hash.update([0]);
    hash.update((content.len() as u64).to_le_bytes());
    hash.update(&content);
    Ok(())
}
