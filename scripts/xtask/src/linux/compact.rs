// SPDX-License-Identifier: MIT OR Apache-2.0
//! A loadable ELF file without what a loader does not need: sections, symbols, and long runs of zeros.
//!
//! Linux aligns its sections to 2 MiB in the file. Firmware reads boot modules slowly (emulated, about 50
//! instructions a byte), so holes cost seconds. A segment with a hole becomes several; what the file does
//! not hold, the loader leaves zero, as `p_memsz` beyond `p_filesz` demands.

use anyhow::{Context, Result, bail};
use goblin::elf::Elf;
use goblin::elf::header::{EI_CLASS, ELFCLASS64};
use goblin::elf::program_header::PT_LOAD;

/// Shorter runs of zeros are kept: another program header costs more than it saves.
const HOLE_BYTES: usize = 16 * 1024;
const PAGE: usize = 4096;
/// Of pieces in the rewritten file: less than a page, as nobody maps it.
const ALIGNMENT: usize = 16;
const SIZEOF_EHDR: usize = 64;
const SEGMENT_HEADER_BYTES: usize = 56;

/// A piece of memory and the file bytes that fill its beginning.
#[derive(Debug, PartialEq, Eq)]
struct Piece {
    offset: usize,
    file_bytes: usize,
    memory_bytes: u64,
    virtual_address: u64,
    physical_address: u64,
    flags: u32,
}

/// Rewrites the 64-bit executable `file`.
///
/// # Errors
/// `file` is not a 64-bit ELF executable, or its headers point outside it.
pub fn compact(file: &[u8]) -> Result<Vec<u8>> {
    let elf = Elf::parse(file)?;
    if elf.header.e_ident[EI_CLASS] != ELFCLASS64 {
        bail!("not a 64-bit ELF file");
    }
    let mut pieces = Vec::new();
    for segment in elf.program_headers.iter().filter(|segment| segment.p_type == PT_LOAD) {
        let range = segment.file_range();
        let bytes = file.get(range.clone()).context("a segment lies outside the file")?;
        let whole = Piece {
            offset: range.start,
            file_bytes: bytes.len(),
            memory_bytes: segment.p_memsz,
            virtual_address: segment.p_vaddr,
            physical_address: segment.p_paddr,
            flags: segment.p_flags,
        };
        split(&whole, bytes, &mut pieces);
    }
    Ok(write(file, &pieces))
}

/// Cuts `whole` at its holes.
fn split(whole: &Piece, bytes: &[u8], pieces: &mut Vec<Piece>) {
    let mut start = 0;
    while start < bytes.len() || start == 0 {
        let hole = next_hole(bytes, start);
        let (end, next) = hole.unwrap_or((bytes.len(), bytes.len()));
        // A piece keeps some bytes even of a hole: loaders need not know segments without any.
        let end = end.max((start + ALIGNMENT).min(bytes.len()));
        let memory_end = if next == bytes.len() { whole.memory_bytes } else { next as u64 };
        pieces.push(Piece {
            offset: whole.offset + start,
            file_bytes: end - start,
            memory_bytes: memory_end - start as u64,
            virtual_address: whole.virtual_address + start as u64,
            physical_address: whole.physical_address + start as u64,
            flags: whole.flags,
        });
        if next >= bytes.len() {
            break;
        }
        start = next;
    }
}

/// The next hole at or after `start`: where it begins and where data goes on, both page aligned in the segment.
fn next_hole(bytes: &[u8], start: usize) -> Option<(usize, usize)> {
    let is_zero = |page: usize| bytes[page..bytes.len().min(page + PAGE)].iter().all(|byte| *byte == 0);
    let mut page = start;
    while page < bytes.len() {
        if is_zero(page) {
            let begin = page;
            while page < bytes.len() && is_zero(page) {
                page += PAGE;
            }
            let end = page.min(bytes.len());
            if end - begin >= HOLE_BYTES || end == bytes.len() {
                return Some((begin, end));
            }
        } else {
            page += PAGE;
        }
    }
    None
}

fn write(file: &[u8], pieces: &[Piece]) -> Vec<u8> {
    let mut out = file[..SIZEOF_EHDR].to_vec();
    out[32..40].copy_from_slice(&(SIZEOF_EHDR as u64).to_le_bytes()); // e_phoff
    out[40..48].fill(0); // e_shoff
    out[54..56].copy_from_slice(&(SEGMENT_HEADER_BYTES as u16).to_le_bytes()); // e_phentsize
    out[56..58].copy_from_slice(&(pieces.len() as u16).to_le_bytes()); // e_phnum
    out[58..64].fill(0); // e_shentsize, e_shnum, e_shstrndx
    let mut offset = (SIZEOF_EHDR + pieces.len() * SEGMENT_HEADER_BYTES).next_multiple_of(ALIGNMENT);
    for piece in pieces {
        out.extend_from_slice(&PT_LOAD.to_le_bytes());
        out.extend_from_slice(&piece.flags.to_le_bytes());
        let rest = [
            offset as u64,
            piece.virtual_address,
            piece.physical_address,
            piece.file_bytes as u64,
            piece.memory_bytes,
            ALIGNMENT as u64,
        ];
        for field in rest {
            out.extend_from_slice(&field.to_le_bytes());
        }
        offset = (offset + piece.file_bytes).next_multiple_of(ALIGNMENT);
    }
    for piece in pieces {
        out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
        out.extend_from_slice(&file[piece.offset..piece.offset + piece.file_bytes]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Piece, split};

    fn pieces(bytes: &[u8], memory_bytes: u64) -> Vec<(usize, usize, u64)> {
        let whole = Piece {
            offset: 0,
            file_bytes: bytes.len(),
            memory_bytes,
            virtual_address: 0x1000,
            physical_address: 0x1000,
            flags: 5,
        };
        let mut out = Vec::new();
        split(&whole, bytes, &mut out);
        out.iter().map(|piece| (piece.offset, piece.file_bytes, piece.memory_bytes)).collect()
    }

    #[test]
    fn a_hole_splits_a_segment_and_covers_all_memory() {
        let mut bytes = vec![1_u8; 0x2000];
        bytes.extend(vec![0; 0x10000]);
        bytes.extend(vec![2; 0x100]);
        assert_eq!(pieces(&bytes, 0x20000), [(0, 0x2000, 0x12000), (0x12000, 0x100, 0x20000 - 0x12000)]);
    }

    #[test]
    fn a_hole_at_the_beginning_keeps_a_few_bytes() {
        let mut bytes = vec![0_u8; 0x8000];
        bytes.extend(vec![1; 0x10]);
        assert_eq!(pieces(&bytes, 0x9000), [(0, 16, 0x8000), (0x8000, 0x10, 0x1000)]);
    }

    #[test]
    fn trailing_zeros_and_empty_segments_keep_their_memory() {
        let mut bytes = vec![1_u8; 0x1000];
        bytes.extend(vec![0; 0x8000]);
        assert_eq!(pieces(&bytes, 0x9000), [(0, 0x1000, 0x9000)]);
        assert_eq!(pieces(&[], 0x3000), [(0, 0, 0x3000)]);
    }
}
