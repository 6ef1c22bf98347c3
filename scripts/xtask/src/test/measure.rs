// SPDX-License-Identifier: MIT OR Apache-2.0
//! Figures that the test run prints: of machines that ran, and of the source: lines that run in root mode, patches, changed lines of Linux.

use std::sync::Mutex;

use anyhow::{Context, Result};

use crate::command::Tool;
use crate::{linux, paths};

/// What the hypervisor's crates may have together.
const ROOT_MODE_LINES_MAX: usize = 8_000;
const ROOT_MODE_CRATES: [&str; 5] = ["abi", "logic", "machine", "kernel", "image"];
/// Attributes of items that are compiled for tests and tools only.
const NOT_IN_THE_IMAGE: [&str; 4] = [
    "#[cfg(test)]",
    "#[cfg(any(test, feature = \"fake\"))]",
    "#[cfg(feature = \"selftest\")]",
    "#[cfg(feature = \"reference\")]",
];
/// Ends of names of files that are such items.
const FILES_NOT_IN_THE_IMAGE: [&str; 3] = ["/tests.rs", "/fake.rs", "/selftest.rs"];
const PATCHES_MAX: usize = 15;
const CHANGED_LINES_MAX: usize = 400;
const SOURCE_ENDINGS: [&str; 6] = [".rs", ".S", ".c", ".h", ".sh", ".ld"];
/// Made from other files, however long they get.
const GENERATED: [&str; 2] = ["linux-glue/include/sawmill/hypercall.h", "servers/run/run.h"];

/// Figures that tests came across.
static FIGURES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Remembers a figure to be printed after the tests.
pub fn remember(figure: String) {
    if let Ok(mut figures) = FIGURES.lock() {
        figures.push(figure);
    }
}

/// Prints the figures that tests came across.
pub fn print_remembered() {
    for figure in FIGURES.lock().map(|figures| figures.clone()).unwrap_or_default() {
        println!("{figure}");
    }
}

/// Prints the figures of the source.
pub fn print() {
    match root_mode_lines() {
        Ok(lines) => println!("lines that run in root mode: {lines} (at most {ROOT_MODE_LINES_MAX})"),
        Err(error) => println!("lines that run in root mode: unknown ({error:#})"),
    }
    match patches() {
        Ok((count, lines)) => println!(
            "Linux patches: {count} (at most {PATCHES_MAX}), changed lines: {lines} (at most {CHANGED_LINES_MAX})"
        ),
        Err(error) => println!("Linux patches: unknown ({error:#})"),
    }
}

/// The repository's source files by name, with their texts.
pub fn source_files() -> Result<Vec<(String, String)>> {
    let root = paths::repository();
    let list = Tool::new("git").args(["ls-files", "--cached", "--others", "--exclude-standard"]).dir(&root).output()?;
    let mut files = Vec::new();
    for name in list.lines().filter(|name| SOURCE_ENDINGS.iter().any(|ending| name.ends_with(ending))) {
        // A file may be listed and gone.
        if let Ok(text) = std::fs::read_to_string(root.join(name))
            && !GENERATED.contains(&name)
        {
            files.push((name.to_owned(), text));
        }
    }
    Ok(files)
}

/// Lines of code in the crates that run in root mode: no blanks, comments, tests, nor what a feature keeps out of the image.
pub fn root_mode_lines() -> Result<usize> {
    let mut lines = 0;
    for name in ROOT_MODE_CRATES {
        for file in linux::files_below(&paths::repository().join("hypervisor").join(name).join("src"))? {
            let path = file.display().to_string();
            let is_source = path.ends_with(".rs") || path.ends_with(".S");
            let is_in_the_image =
                !path.contains("/tests/") && !FILES_NOT_IN_THE_IMAGE.iter().any(|name| path.ends_with(name));
            if is_source && is_in_the_image {
                let comment = if path.ends_with(".S") { "#" } else { "//" };
                lines += code_lines(&std::fs::read_to_string(&file)?, comment);
            }
        }
    }
    Ok(lines)
}

/// Lines of code in a source text. An item that is not part of the image ends at its own indentation.
fn code_lines(text: &str, comment: &str) -> usize {
    let mut count = 0;
    let mut skipped: Option<usize> = None;
    let mut is_in_comment = false;
    for line in text.lines() {
        let code = line.trim();
        let indentation = line.len() - line.trim_start().len();
        if is_in_comment || code.starts_with("/*") {
            is_in_comment = !code.contains("*/");
        } else if let Some(start) = skipped {
            if indentation == start && (code.starts_with('}') || code.ends_with(';')) {
                skipped = None;
            }
        } else if NOT_IN_THE_IMAGE.contains(&code) {
            skipped = Some(indentation);
        } else if !code.is_empty() && !code.starts_with(comment) {
            count += 1;
        }
    }
    count
}

/// Number of patches, and of lines that they add or remove.
pub fn patches() -> Result<(usize, usize)> {
    let patches = linux::patches()?;
    let mut lines = 0;
    for patch in &patches {
        let text = std::fs::read_to_string(patch).with_context(|| format!("cannot read {}", patch.display()))?;
        lines += changed_lines(&text);
    }
    Ok((patches.len(), lines))
}

/// Lines that a patch adds or removes.
fn changed_lines(patch: &str) -> usize {
    let is_change = |line: &&str| {
        (line.starts_with('+') && !line.starts_with("+++ ")) || (line.starts_with('-') && !line.starts_with("--"))
    };
    patch.lines().filter(is_change).count()
}

#[cfg(test)]
mod tests {
    use super::{changed_lines, code_lines, patches, root_mode_lines};

    #[test]
    fn comments_blanks_and_tests_do_not_count() {
        let text =
            "//! Doc\n\nfn a() {\n    // why\n    b();\n}\n\n#[cfg(test)]\nmod tests {\n    fn c() {}\n}\nfn d() {}\n";
        assert_eq!(code_lines(text, "//"), 4);
        assert_eq!(code_lines("#[cfg(test)]\nmod tests;\nfn d() {}\n", "//"), 1);
        let table = "a\n    #[cfg(feature = \"reference\")]\n    pub const T: &[u8] = &[\n        1,\n    ];\nb\n";
        assert_eq!(code_lines(table, "//"), 2);
        assert_eq!(code_lines("# why\n    cli                 # off\n", "#"), 1);
        let text = "// c\n//! d\n\nfn a() {\n    /* x\n       y */\n    b(); // z\n}\n\n#[cfg(test)]\nmod tests {\n    \
                    fn t() {\n    }\n}\nconst A: u8 = 1;\n#[cfg(test)]\nmod more;\nfn z() {}\n";
        assert_eq!(code_lines(text, "//"), 5);
    }

    #[test]
    fn changes_are_counted_without_headers() {
        let text = "Subject: s\n---\n--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n context\n-old\n+new\n+\n";
        assert_eq!(changed_lines(text), 3);
    }

    #[test]
    fn this_repository_can_be_counted() {
        assert!(root_mode_lines().expect("counts") > 100);
        assert!(patches().expect("counts").0 > 0);
    }
}
