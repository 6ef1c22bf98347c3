// SPDX-License-Identifier: MIT OR Apache-2.0
//! The patched source tree of a kernel: pristine source, patches, glue.
//!
//! The tree is made of hard links to the pristine source. An update rewrites only files whose content
//! differs, so that `make` recompiles only what a change touches. Files are replaced, never written in place:
//! writing through a hard link would change the pristine source.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::command::Tool;
use crate::paths;

/// Where glue sources go in the tree, and where they come from in the repository.
const GLUE: [(&str, &str); 2] = [("linux-glue/include/sawmill", "include/sawmill"), ("linux-glue", "drivers/sawmill")];
/// The list of files an earlier update changed, kept in the tree.
const MANIFEST: &str = ".sawmill-files";

/// Brings `tree` up to date with the repository and returns it.
pub fn update(pristine: &Path, tree: &Path) -> Result<PathBuf> {
    if !tree.join("Makefile").is_file() {
        if tree.exists() {
            std::fs::remove_dir_all(tree)?;
        }
        Tool::new("cp").args(["-al", "--"]).arg(pristine).arg(tree).run()?;
    }
    let fresh = paths::Scratch::new("patch")?;
    let mut files = patched(pristine, fresh.path())?;
    for (from, to) in GLUE {
        files.extend(glue(&paths::repository().join(from), to, fresh.path())?);
    }

    let manifest = std::fs::read_to_string(tree.join(MANIFEST)).unwrap_or_default();
    for old in manifest.lines().map(PathBuf::from).filter(|old| !files.contains(old)) {
        let original = pristine.join(&old);
        let place = tree.join(&old);
        if original.is_file() {
            replace(&original, &place)?;
        } else if place.exists() {
            std::fs::remove_file(&place)?;
        }
    }
    for file in &files {
        replace(&fresh.join(&file.to_string_lossy()), &tree.join(file))?;
    }
    let list: String = files.iter().map(|file| format!("{}\n", file.display())).collect();
    std::fs::write(tree.join(MANIFEST), list)?;
    Ok(tree.to_path_buf())
}

/// The patches in the order of the series.
///
/// `series` lists them; when there are only `series.*` fragments, their sorted concatenation does.
pub fn patches() -> Result<Vec<PathBuf>> {
    let dir = paths::repository().join("vendor-linux-patches");
    let mut lists: Vec<PathBuf> = Vec::new();
    if dir.join("series").is_file() {
        lists.push(dir.join("series"));
    } else if dir.is_dir() {
        for entry in std::fs::read_dir(&dir)? {
            let path = entry?.path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("series.")) {
                lists.push(path);
            }
        }
        lists.sort();
    }
    let mut patches = Vec::new();
    for list in lists {
        let text = std::fs::read_to_string(&list)?;
        for name in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let patch = dir.join(name);
            if !patch.is_file() {
                bail!("{} names {name}, which does not exist", list.display());
            }
            patches.push(patch);
        }
    }
    Ok(patches)
}

/// Applies the patches to copies of the files they touch, in `fresh`; returns those files.
fn patched(pristine: &Path, fresh: &Path) -> Result<BTreeSet<PathBuf>> {
    let patches = patches()?;
    let mut touched = BTreeSet::new();
    for patch in &patches {
        let text = std::fs::read_to_string(patch).with_context(|| format!("cannot read {}", patch.display()))?;
        touched.extend(touched_files(&text));
    }
    for file in &touched {
        let original = pristine.join(file);
        let place = fresh.join(file);
        if let Some(dir) = place.parent() {
            std::fs::create_dir_all(dir)?;
        }
        if original.is_file() {
            std::fs::copy(&original, &place)?;
        }
    }
    for patch in &patches {
        let apply = Tool::new("patch").args(["-p1", "--forward", "--no-backup-if-mismatch", "--fuzz=0", "--input"]);
        apply.arg(patch).dir(fresh).run().with_context(|| format!("{} does not apply", patch.display()))?;
    }
    Ok(touched.into_iter().filter(|file| fresh.join(file).is_file()).collect())
}

/// The paths a patch changes, without their first component.
pub fn touched_files(patch: &str) -> BTreeSet<PathBuf> {
    let names = patch.lines().filter_map(|line| line.strip_prefix("+++ ").or_else(|| line.strip_prefix("--- ")));
    let names = names.filter_map(|name| name.split('\t').next()?.split_once('/').map(|(_, rest)| rest.trim()));
    names.filter(|name| *name != "dev/null" && *name != "null").map(PathBuf::from).collect()
}

/// Copies the glue under `from` to `to` inside `fresh`; headers under `include/` have a place of their own.
fn glue(from: &Path, to: &str, fresh: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut files = BTreeSet::new();
    let mut pending = vec![PathBuf::new()];
    while let Some(dir) = pending.pop() {
        let source = from.join(&dir);
        if !source.is_dir() {
            continue;
        }
        for entry in std::fs::read_dir(&source)? {
            let entry = entry?;
            let name = dir.join(entry.file_name());
            let top_include = to == "drivers/sawmill" && name == Path::new("include");
            if entry.file_type()?.is_dir() {
                if !top_include {
                    pending.push(name);
                }
                continue;
            }
            let target = Path::new(to).join(&name);
            let place = fresh.join(&target);
            if let Some(parent) = place.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::copy(entry.path(), &place)?;
            files.insert(target);
        }
    }
    Ok(files)
}

/// Makes `place` a copy of `fresh` unless the contents are equal already.
fn replace(fresh: &Path, place: &Path) -> Result<()> {
    let content = std::fs::read(fresh).with_context(|| format!("cannot read {}", fresh.display()))?;
    if std::fs::read(place).is_ok_and(|old| old == content) {
        return Ok(());
    }
    if let Some(dir) = place.parent() {
        std::fs::create_dir_all(dir)?;
    }
    if place.exists() {
        std::fs::remove_file(place)?;
    }
    std::fs::write(place, content).with_context(|| format!("cannot write {}", place.display()))
}

#[cfg(test)]
mod tests {
    use super::touched_files;
    use std::path::PathBuf;

    #[test]
    fn touched_files_names_changed_and_new_files_once() {
        let patch = "--- a/mm/filemap.c\t2026\n+++ b/mm/filemap.c\n@@ -1 +1 @@\n--- /dev/null\n+++ b/include/new.h\n";
        let files: Vec<PathBuf> = touched_files(patch).into_iter().collect();
        assert_eq!(files, [PathBuf::from("include/new.h"), PathBuf::from("mm/filemap.c")]);
    }
}
