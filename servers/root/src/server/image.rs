// SPDX-License-Identifier: MIT OR Apache-2.0
//! Loads a partition's image and what it is booted with into its memory.

use sawmill_abi::PAGE_SIZE;
use sawmill_abi::info::INFO_PAGE_GPA;
use sawmill_abi::machine::{FlatImageHeader, Module};
use sawmill_abi::object::{RIGHT_REGION_READ, RIGHT_REGION_WRITE};
use sawmill_proto::system::{CommandLine, ImageKind, Partition};
use sawmill_root::boot_params::{self, BOOT_PARAMS_GPA, COMMAND_LINE_GPA, Settings};
use sawmill_root::failure::Failure;
use sawmill_root::page_tables::{TABLE_PAGES, TABLES_GPA};
use sawmill_root::{aperture, description, failure, flat, linux_elf, memory_plan, page_tables};
use sawmill_rt::calls::{self, Selector};
use sawmill_rt::memory::{Place, Window};

use super::memory;
use super::state::{Root, Start};

/// A partition's memory, as the target of loading.
struct Target<'a> {
    place: &'a mut Place,
    region: Selector,
    bytes: u64,
}

impl Target<'_> {
    fn write(&mut self, gpa: u64, bytes: &[u8]) -> Result<(), Failure> {
        if bytes.is_empty() {
            // A segment of zeros only: the memory is zero already.
            return Ok(());
        }
        memory::with(self.place, self.region, self.bytes, gpa, bytes.len() as u64, |window, offset| {
            window.write(offset, bytes)
        })
        .map_err(|status| failure!("writing its memory at {gpa:#x}: {status:?}"))
    }
}

/// A boot module, mapped.
struct Source<'a> {
    window: Window<'a>,
    size_bytes: u64,
}

impl Source<'_> {
    fn bytes(&self) -> &[u8] {
        usize::try_from(self.size_bytes).ok().and_then(|size| self.window.bytes().get(..size)).unwrap_or(&[])
    }
}

fn open<'a>(place: &'a mut Place, module: &Module, name: &str) -> Result<Source<'a>, Failure> {
    let pages = module.size_bytes.div_ceil(PAGE_SIZE);
    let window = place
        .map(Selector(module.selector), 0, pages, RIGHT_REGION_READ)
        .map_err(|status| failure!("module `{name}` cannot be mapped: {status:?}"))?;
    Ok(Source { window, size_bytes: module.size_bytes })
}

/// Loads a partition's image.
///
/// # Errors
/// A text for people, naming the partition.
pub fn load(root: &mut Root, index: usize) -> Result<(), Failure> {
    let partition = root.system.partitions[index].clone();
    let start = match partition.kind {
        ImageKind::Linux => load_linux(root, index, &partition),
        ImageKind::Flat => load_flat(root, index, &partition),
    };
    root.partitions[index].start = start.map_err(|failure| failure!("partition {}: {failure}", partition.name))?;
    Ok(())
}

fn load_flat(root: &mut Root, index: usize, partition: &Partition) -> Result<Start, Failure> {
    let module = *description::module(&root.info, &partition.image)?;
    let source = open(&mut root.windows.source, &module, &partition.image)?;
    let region = root.partitions[index].memory;
    let mut target = Target { place: &mut root.windows.target, region, bytes: partition.memory_bytes };
    let header: FlatImageHeader =
        source.window.read_record(0).ok_or_else(|| failure!("image `{}` is empty", partition.image))?;
    flat::check(&header, module.size_bytes, partition.memory_bytes)
        .map_err(|failure| failure!("image `{}` {failure}", partition.image))?;
    target.write(header.load_gpa, source.bytes())?;
    Ok(Start { rip: header.entry, rsp: header.stack, cr3: header.cr3, argument: INFO_PAGE_GPA })
}

fn load_linux(root: &mut Root, index: usize, partition: &Partition) -> Result<Start, Failure> {
    let mut command_line = partition.command_line;
    let disk = map_disk(root, index, partition, &mut command_line)?;
    let region = root.partitions[index].memory;
    let memory_bytes = partition.memory_bytes;

    let module = *description::module(&root.info, &partition.image)?;
    let source = open(&mut root.windows.source, &module, &partition.image)?;
    let mut target = Target { place: &mut root.windows.target, region, bytes: memory_bytes };
    let kernel =
        linux_elf::read(source.bytes()).map_err(|failure| failure!("image `{}` {failure}", partition.image))?;
    let initrd = match &partition.initrd {
        Some(name) => Some((name, *description::module(&root.info, name)?)),
        None => None,
    };
    let initrd_bytes = initrd.map_or(0, |(_, module)| module.size_bytes);
    let initrd_gpa = memory_plan::place(memory_bytes, &kernel, initrd_bytes)?;
    for segment in &kernel.segments {
        // `read` has checked that the segment lies in the file.
        let range = segment.offset as usize..(segment.offset + segment.file_bytes) as usize;
        target.write(segment.gpa, source.bytes().get(range).unwrap_or(&[]))?;
    }
    drop(source);
    if let Some((name, module)) = initrd {
        let source = open(&mut root.windows.source, &module, name)?;
        target.write(initrd_gpa, source.bytes())?;
    }

    let settings = Settings { memory_bytes, initrd: initrd.map(|_| (initrd_gpa, initrd_bytes)), disk };
    target.write(BOOT_PARAMS_GPA, &boot_params::page(&settings))?;
    target.write(COMMAND_LINE_GPA, command_line.as_bytes())?;
    target.write(COMMAND_LINE_GPA + command_line.len() as u64, &[0])?;
    for number in 0..TABLE_PAGES {
        let mut bytes = [0; PAGE_SIZE as usize];
        for (to, entry) in bytes.chunks_exact_mut(8).zip(page_tables::page(number)) {
            to.copy_from_slice(&entry.to_le_bytes());
        }
        target.write(TABLES_GPA + number * PAGE_SIZE, &bytes)?;
    }
    Ok(Start { rip: kernel.entry, rsp: BOOT_PARAMS_GPA, cr3: TABLES_GPA, argument: BOOT_PARAMS_GPA })
}

/// Maps the memory disk, if its module is there; returns where it lies.
fn map_disk(
    root: &Root,
    index: usize,
    partition: &Partition,
    command_line: &mut CommandLine,
) -> Result<Option<(u64, u64)>, Failure> {
    let Some(disk) = &partition.memory_disk else { return Ok(None) };
    let module = match description::module(&root.info, &disk.module) {
        Ok(module) => module,
        Err(_) if disk.is_optional => return Ok(None),
        Err(failure) => return Err(failure),
    };
    let gpa = aperture::plan(&root.system, index).disk_gpa;
    let (selector, pages) = (Selector(module.selector), module.size_bytes.div_ceil(PAGE_SIZE));
    let rights = RIGHT_REGION_READ | RIGHT_REGION_WRITE;
    calls::region_map(selector, root.partitions[index].selector, gpa, 0, pages, rights)
        .map_err(|status| failure!("memory disk `{}`: {status:?}", disk.module))?;
    let is_full = command_line.try_push_str(" ").is_err() || command_line.try_push_str(&disk.command_line).is_err();
    if is_full {
        return Err(failure!("command line is too long"));
    }
    Ok(Some((gpa, module.size_bytes)))
}
