// SPDX-License-Identifier: MIT OR Apache-2.0
//! Takes the instructions that Bochs says out of what the machine says.
//!
//! Both come on Bochs's standard output; the debugger says where its own part begins and ends.

use std::fs::File;
use std::io::{BufWriter, Read, Result, Write};
use std::path::Path;

const BEGIN: &[u8] = b"Tracing enabled";
const END: &[u8] = b"Tracing disabled";

/// Reads what the machine says, and writes the rest to a file.
#[derive(Debug)]
pub struct Splitter<R> {
    inner: R,
    record: BufWriter<File>,
    is_recording: bool,
    /// The end of the last piece: a word may lie across two.
    tail: Vec<u8>,
}

impl<R: Read> Splitter<R> {
    /// Creates the file.
    pub fn new(inner: R, record: &Path) -> Result<Self> {
        let record = BufWriter::new(File::create(record)?);
        Ok(Self { inner, record, is_recording: false, tail: Vec::new() })
    }

    /// How many bytes of `piece`, which follows what came before, there are until `word` ends.
    fn find(&mut self, word: &[u8], piece: &[u8]) -> Option<usize> {
        let mut text = std::mem::take(&mut self.tail);
        let before = text.len();
        text.extend_from_slice(piece);
        let found = text.windows(word.len()).position(|window| window == word);
        if found.is_none() {
            self.tail = text.split_off(text.len().saturating_sub(word.len() - 1));
        }
        found.map(|at| (at + word.len()).saturating_sub(before))
    }
}

impl<R: Read> Read for Splitter<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            let length = self.inner.read(buffer)?;
            let Some(piece) = buffer.get(..length).filter(|piece| !piece.is_empty()) else {
                self.record.flush()?;
                return Ok(length);
            };
            let piece = piece.to_vec();
            let found = self.find(if self.is_recording { END } else { BEGIN }, &piece);
            let (first, second) = piece.split_at(found.map_or(piece.len(), |at| at.min(piece.len())));
            let (recorded, said) = if self.is_recording { (first, second) } else { (second, first) };
            self.record.write_all(recorded)?;
            self.is_recording ^= found.is_some();
            if let Some(place) = buffer.get_mut(..said.len()).filter(|_| !said.is_empty()) {
                place.copy_from_slice(said);
                return Ok(said.len());
            }
        }
    }
}
