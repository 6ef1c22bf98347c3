// SPDX-License-Identifier: MIT OR Apache-2.0
//! Counts lines: code that runs in root mode, and changed lines of patches.
//!
//! A line of code is one that is neither blank, nor only a comment, nor inside `#[cfg(test)]` or a selftest.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Crates whose code runs in root mode.
const ROOT_MODE: [&str; 5] = ["abi", "logic", "machine", "kernel", "image"];
/// Directories and files of tests.
const TESTS: [&str; 4] = ["tests", "tests.rs", "selftest", "selftest.rs"];

/// Patches of Linux.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Patches {
    /// How many files.
    pub files: usize,
    /// Added and removed lines.
    pub changed_lines: usize,
}

/// Lines of code below `hypervisor/` that run in root mode.
pub fn root_mode(repository: &Path) -> Result<usize> {
    let mut files = Vec::new();
    for name in ROOT_MODE {
        collect(&repository.join("hypervisor").join(name).join("src"), &mut files)?;
    }
    let mut lines = 0;
    for file in files {
        let is_code = file.extension().is_some_and(|extension| extension == "rs" || extension == "S");
        if is_code {
            lines += code_lines(&std::fs::read_to_string(&file)?);
        }
    }
    Ok(lines)
}

/// What the patches of Linux come to.
pub fn patches(repository: &Path) -> Result<Patches> {
    let mut files = Vec::new();
    collect(&repository.join("vendor-linux-patches"), &mut files)?;
    let mut sum = Patches::default();
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "patch")) {
        sum.files += 1;
        sum.changed_lines += changed_lines(&std::fs::read_to_string(file)?);
    }
    Ok(sum)
}

fn collect(dir: &Path, into: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| TESTS.iter().any(|test| name == *test)) {
            continue;
        }
        if path.is_dir() {
            collect(&path, into)?;
        } else {
            into.push(path);
        }
    }
    Ok(())
}

/// Lines of code in a file of rustfmt's layout, where an item ends at a brace in its own column.
fn code_lines(text: &str) -> usize {
    let mut count = 0;
    let mut lines = text.lines();
    let mut in_comment = false;
    while let Some(line) = lines.next() {
        let code = line.trim();
        if in_comment || code.starts_with("/*") {
            in_comment = !code.contains("*/");
        } else if code == "#[cfg(test)]" {
            skip_item(&mut lines, line.len() - line.trim_start().len());
        } else if !code.is_empty() && !code.starts_with("//") {
            count += 1;
        }
    }
    count
}

fn skip_item<'text>(lines: &mut impl Iterator<Item = &'text str>, indentation: usize) {
    for line in lines {
        let is_at_column = line.len() - line.trim_start().len() == indentation;
        let code = line.trim();
        if is_at_column && (code == "}" || code.ends_with(';') || code.ends_with("{}")) {
            return;
        }
    }
}

fn changed_lines(patch: &str) -> usize {
    let is_change = |line: &&str| {
        (line.starts_with('+') && !line.starts_with("+++ ")) || (line.starts_with('-') && !line.starts_with("---"))
    };
    patch.lines().filter(is_change).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_comments_and_tests_do_not_count() {
        let text = "// c\n//! d\n\nfn a() {\n    /* x\n       y */\n    b(); // z\n}\n\n#[cfg(test)]\nmod tests {\n    \
                    fn t() {\n    }\n}\nconst A: u8 = 1;\n#[cfg(test)]\nmod more;\nfn z() {}\n";
        assert_eq!(code_lines(text), 5);
    }

    #[test]
    fn changes_are_counted_without_headers() {
        let text = "Subject: s\n---\n--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n context\n-old\n+new\n+\n";
        assert_eq!(changed_lines(text), 3);
    }

    #[test]
    fn this_repository_can_be_counted() {
        let repository = crate::paths::repository();
        assert!(root_mode(&repository).expect("counts") > 100);
        assert!(patches(&repository).expect("counts").files > 0);
    }
}
