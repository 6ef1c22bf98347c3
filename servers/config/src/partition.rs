// SPDX-License-Identifier: MIT OR Apache-2.0
//! One `[[partition]]` table: checked and compiled.

use arrayvec::ArrayVec;
use sawmill_proto::root::ROOT_SERVICE;
use sawmill_proto::system::{
    COMMAND_LINE_MAX, CommandLine, Cpus, Device, ImageKind, MemoryDisk, ModuleName, Name, Partition, Ready, Restart,
};
use toml::Spanned;

use crate::error::{Error, Locator};
use crate::value::{self, LARGE_PAGE};
use crate::whole::Limits;
use crate::{Overrides, document};

/// Frames for kernel objects, unless said otherwise.
const KERNEL_FRAMES_DEFAULT: u64 = 512;
/// Restarts allowed, unless said otherwise.
const RESTART_LIMIT_DEFAULT: u32 = 3;
/// Shorter times would take a busy server for a dead one.
const HANG_AFTER_MIN_NS: u64 = 200_000_000;
const HANG_AFTER_MAX_NS: u64 = 1_000_000_000_000;
/// Smallest memory with which a Linux partition can start at all.
const LINUX_MEMORY_MIN: u64 = 16 << 20;
/// Largest memory of a partition.
const MEMORY_MAX: u64 = 3 << 30;

/// Compiles one partition.
pub(crate) fn compile(
    at: &Locator,
    entry: &document::Partition,
    limits: &Limits,
    overrides: &Overrides,
) -> Result<Partition, Error> {
    let name: Name = value::name(at, "partition name", &entry.name)?;
    if name.as_str() == ROOT_SERVICE {
        return Err(at.error(entry.name.span(), "the name `root` belongs to the root partition"));
    }
    let kind = match entry.kind.as_ref().map(|kind| (kind.get_ref().as_str(), kind.span())) {
        None | Some(("linux", _)) => ImageKind::Linux,
        Some(("flat", _)) => ImageKind::Flat,
        Some((other, span)) => return Err(at.error(span, format!("image kind \"{other}\" is not linux or flat"))),
    };
    let Some(image) = &entry.image else {
        return Err(at.error(entry.name.span(), format!("partition `{name}` has no image")));
    };
    let priority = match &entry.priority {
        Some(priority) => value::integer_in(at, "priority", priority, 0, 7)?,
        None => 3,
    };
    let mut devices = ArrayVec::new();
    for device in &entry.device {
        let compiled = compile_device(at, device, limits)?;
        if devices.try_push(compiled).is_err() {
            return Err(at.error(device.span(), format!("partition `{name}` has too many device entries")));
        }
    }
    let cpus = match &entry.cpus {
        Some(cpus) => value::cpus(at, cpus, limits.cpus)?,
        None => Cpus::All,
    };
    Ok(Partition {
        name,
        kind,
        image: module(at, "image", image, overrides)?,
        initrd: entry.initrd.as_ref().map(|initrd| module(at, "initrd", initrd, overrides)).transpose()?,
        memory_bytes: memory(at, entry, &name, kind, overrides)?,
        cpus: narrowed(cpus, overrides.cpus),
        priority: u8::try_from(priority).unwrap_or(7),
        command_line: command_line(at, entry, &name, overrides)?,
        is_foreground: entry.foreground,
        ends_run: entry.ends_run,
        controls_itself: entry.controls_itself,
        sees_statistics: entry.statistics,
        controls_machine: entry.controls_machine,
        kernel_frames: match &entry.kernel_frames {
            Some(frames) => value::integer_in(at, "kernel_frames", frames, 16, 1 << 20)?,
            None => KERNEL_FRAMES_DEFAULT,
        },
        extra_pages: match &entry.extra_memory {
            Some(extra) => value::size_in(at, "extra_memory", extra, 4096)? / 4096,
            None => 0,
        },
        hang_after_ns: hang_after(at, entry)?,
        restart: restart(at, entry)?,
        ready: match entry.ready.as_ref().map(|ready| (ready.get_ref().as_str(), ready.span())) {
            None | Some(("started", _)) => Ready::Started,
            Some(("reported", _)) => Ready::Reported,
            Some((other, span)) => return Err(at.error(span, format!("ready \"{other}\" is not started or reported"))),
        },
        devices,
        memory_disk: entry.memory_disk.as_ref().map(|disk| memory_disk(at, disk, overrides)).transpose()?,
    })
}

fn memory(
    at: &Locator,
    entry: &document::Partition,
    name: &str,
    kind: ImageKind,
    overrides: &Overrides,
) -> Result<u64, Error> {
    let span = entry.memory.span();
    let bytes = match overrides.memory.iter().find(|(partition, _)| partition == name) {
        Some((_, bytes)) => *bytes,
        None => value::size(at, &entry.memory)?,
    };
    value::check_grain("memory", bytes, LARGE_PAGE).map_err(|reason| at.error(span.clone(), reason))?;
    if bytes > MEMORY_MAX {
        return Err(at.error(span, format!("memory of {} MiB is more than {} MiB", bytes >> 20, MEMORY_MAX >> 20)));
    }
    if kind == ImageKind::Linux && bytes < LINUX_MEMORY_MIN {
        let least = LINUX_MEMORY_MIN >> 20;
        return Err(at.error(span, format!("memory of {} MiB is too small for Linux ({least} MiB)", bytes >> 20)));
    }
    Ok(bytes)
}

fn narrowed(cpus: Cpus, cpus_max: Option<u8>) -> Cpus {
    match (cpus, cpus_max) {
        (Cpus::All, Some(most)) => Cpus::First(most),
        (Cpus::First(count), Some(most)) => Cpus::First(count.min(most)),
        (cpus, _) => cpus,
    }
}

fn command_line(
    at: &Locator,
    entry: &document::Partition,
    name: &str,
    overrides: &Overrides,
) -> Result<CommandLine, Error> {
    let mut line: CommandLine = match &entry.command_line {
        Some(text) => value::text(at, "command line", text)?,
        None => CommandLine::new(),
    };
    for (_, text) in overrides.command_line.iter().filter(|(partition, _)| partition == name) {
        let is_full = line.try_push_str(" ").is_err() || line.try_push_str(text).is_err();
        if is_full {
            let reason = format!("command line of `{name}` is longer than {COMMAND_LINE_MAX} bytes");
            return Err(at.error(entry.name.span(), reason));
        }
    }
    Ok(line)
}

fn hang_after(at: &Locator, entry: &document::Partition) -> Result<u64, Error> {
    let Some(text) = &entry.hang_after else { return Ok(0) };
    match value::duration_ns(at, text)? {
        ns @ HANG_AFTER_MIN_NS..=HANG_AFTER_MAX_NS => Ok(ns),
        _ => Err(at.error(text.span(), "hang_after is out of range (200 ms to 1000 s)")),
    }
}

fn restart(at: &Locator, entry: &document::Partition) -> Result<Restart, Error> {
    let limit = match &entry.restart_limit {
        Some(limit) => u32::try_from(value::integer_in(at, "restart_limit", limit, 1, 1_000_000)?).unwrap_or(1),
        None => RESTART_LIMIT_DEFAULT,
    };
    match entry.restart.as_ref().map(|restart| (restart.get_ref().as_str(), restart.span())) {
        None | Some(("never", _)) => Ok(Restart::Never),
        Some(("on-failure", _)) => Ok(Restart::OnFailure(limit)),
        Some(("always", _)) => Ok(Restart::Always(limit)),
        Some((other, span)) => Err(at.error(span, format!("restart \"{other}\" is not never, on-failure or always"))),
    }
}

fn module(at: &Locator, what: &str, value: &Spanned<String>, overrides: &Overrides) -> Result<ModuleName, Error> {
    let name: ModuleName = value::name(at, what, value)?;
    match &overrides.modules {
        Some(modules) if !modules.iter().any(|module| module == name.as_str()) => {
            Err(at
                .error(value.span(), format!("{what} `{name}` is not among the boot modules ({})", modules.join(", "))))
        }
        _ => Ok(name),
    }
}

fn memory_disk(at: &Locator, disk: &document::MemoryDisk, overrides: &Overrides) -> Result<MemoryDisk, Error> {
    Ok(MemoryDisk {
        module: match disk.optional {
            true => value::name(at, "memory disk", &disk.module)?,
            false => module(at, "memory disk", &disk.module, overrides)?,
        },
        is_optional: disk.optional,
        command_line: match &disk.command_line {
            Some(text) => value::text(at, "command line", text)?,
            None => CommandLine::new(),
        },
    })
}

fn compile_device(at: &Locator, entry: &Spanned<document::Device>, limits: &Limits) -> Result<Device, Error> {
    let device = entry.get_ref();
    let mut classes = ArrayVec::new();
    for class in device.class.get_ref() {
        if classes.try_push(value::pci_class(at, class)?).is_err() {
            return Err(at.error(class.span(), "too many classes in one device entry"));
        }
    }
    if classes.is_empty() {
        return Err(at.error(device.class.span(), "a device entry needs at least one class"));
    }
    if !limits.has_iommu && !device.unsafe_dma {
        let reason = "device with DMA, but no IOMMU is assumed: say `unsafe_dma = true` to accept that it can reach \
                      all memory, or `iommu = true` under [machine]";
        return Err(at.error(entry.span(), reason));
    }
    let number = |what, value: &Option<Spanned<i64>>| -> Result<Option<u16>, Error> {
        let Some(value) = value else { return Ok(None) };
        Ok(u16::try_from(value::integer_in(at, what, value, 0, 0xffff)?).ok())
    };
    Ok(Device {
        classes,
        vendor: number("vendor", &device.vendor)?,
        device: number("device", &device.device)?,
        is_optional: device.optional,
        unsafe_dma: device.unsafe_dma,
    })
}
