// SPDX-License-Identifier: MIT OR Apache-2.0
//! A defect in a description: where it is and what it is.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A defect in a description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The description's file.
    pub file: PathBuf,
    /// Line from 1; 0 if the file itself is the matter.
    pub line: usize,
    /// Column from 1, in characters.
    pub column: usize,
    /// What is wrong.
    pub reason: String,
}

impl Error {
    /// Creates an error at a place.
    pub(crate) fn new(file: &Path, line: usize, column: usize, reason: String) -> Error {
        Error { file: file.to_path_buf(), line, column, reason }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(out, "{}: {}", self.file.display(), self.reason),
            line => write!(out, "{}:{line}:{}: {}", self.file.display(), self.column, self.reason),
        }
    }
}

impl std::error::Error for Error {}

/// Turns byte offsets of one text into errors with line and column.
pub(crate) struct Locator<'a> {
    path: &'a Path,
    text: &'a str,
}

impl<'a> Locator<'a> {
    /// Creates a locator for the text of a file.
    pub(crate) fn new(path: &'a Path, text: &'a str) -> Locator<'a> {
        Locator { path, text }
    }

    /// Creates an error at a byte range of the text.
    pub(crate) fn error(&self, span: Range<usize>, reason: impl Into<String>) -> Error {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        Error::new(self.path, line, column, reason.into())
    }

    /// Translates an error of the TOML reader.
    pub(crate) fn toml(&self, error: &toml::de::Error) -> Error {
        self.error(error.span().unwrap_or(0..0), error.message())
    }
}
