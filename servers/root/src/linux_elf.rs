// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which bytes of a `vmlinux` file go where.

use arrayvec::ArrayVec;
use object::Endianness;
use object::elf::{EM_X86_64, FileHeader64, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};

use crate::failure;
use crate::failure::Failure;

/// Most loadable segments of a kernel.
const SEGMENTS_MAX: usize = 16;

/// One piece to be copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where it goes.
    pub gpa: u64,
    /// Where it is in the file.
    pub offset: u64,
    /// Bytes in the file.
    pub file_bytes: u64,
    /// Bytes in memory; the rest is zero.
    pub memory_bytes: u64,
}

/// What to copy, and where to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// The pieces.
    pub segments: ArrayVec<Segment, SEGMENTS_MAX>,
    /// First instruction.
    pub entry: u64,
    /// First byte of memory it needs.
    pub start: u64,
    /// End of the memory it needs.
    pub end: u64,
}

/// Reads the headers of a kernel.
///
/// # Errors
/// A text for people, naming what is wrong with the file.
pub fn read(file: &[u8]) -> Result<Kernel, Failure> {
    let broken = |what: &str| failure!("is no 64-bit x86 ELF kernel: {what}");
    let header = FileHeader64::<Endianness>::parse(file).map_err(|_| broken("bad file header"))?;
    let endian = header.endian().map_err(|_| broken("bad byte order"))?;
    if header.e_machine(endian) != EM_X86_64 {
        return Err(broken("other processor"));
    }
    let headers = header.program_headers(endian, file).map_err(|_| broken("bad program headers"))?;
    let mut segments = ArrayVec::new();
    for header in headers.iter().filter(|header| header.p_type(endian) == PT_LOAD) {
        let segment = Segment {
            gpa: header.p_paddr(endian),
            offset: header.p_offset(endian),
            file_bytes: header.p_filesz(endian),
            memory_bytes: header.p_memsz(endian),
        };
        let file_end = segment.offset.checked_add(segment.file_bytes);
        let memory_end = segment.gpa.checked_add(segment.memory_bytes);
        if file_end.is_none_or(|end| end > file.len() as u64) {
            return Err(broken("a segment lies outside the file"));
        }
        if memory_end.is_none() || segment.file_bytes > segment.memory_bytes {
            return Err(broken("a segment is larger in the file than in memory"));
        }
        segments.try_push(segment).map_err(|_| broken("too many segments"))?;
    }
    let ends = segments.iter().map(|segment| segment.gpa + segment.memory_bytes);
    let Some(end) = ends.max() else { return Err(broken("nothing to load")) };
    let start = segments.iter().map(|segment| segment.gpa).min().unwrap_or(0);
    let entry = header.e_entry(endian);
    if !(start..end).contains(&entry) {
        return Err(failure!("its entry {entry:#x} lies outside its segments ({start:#x} to {end:#x})"));
    }
    Ok(Kernel { segments, entry, start, end })
}
