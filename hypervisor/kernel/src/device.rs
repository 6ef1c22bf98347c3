// SPDX-License-Identifier: MIT OR Apache-2.0
//! PCI functions: listing, assignment, configuration space, BARs, MSI.
//!
//! Base address registers are never changed: a driver's sizing of them is
//! answered from what was found at assignment. Without an IOMMU an assigned
//! device can read and write all memory, so assignment asks for
//! `DEVICE_UNSAFE_DMA`.

use crate::hypercall::{Answer, Arguments};
use crate::interrupt::Irq;
use crate::region::{Backing, Region};
use crate::state::{Decoded, State};
use crate::{lookup::Caller, partition::Partition};
use arrayvec::ArrayVec;
use sawmill_abi::machine::{BAR_MEMORY, BAR_NONE, BAR_PORTS, DEVICE_UNSAFE_DMA};
use sawmill_abi::object::{RIGHT_DEVICE_CONFIG, RIGHT_PARTITION_CONTROL};
use sawmill_abi::{PAGE_SIZE, status::Status};
use sawmill_logic::pci::{self, BARS, Bar, MessageKind, Messages};
use sawmill_logic::platform::{FrameRange, Hpa, Platform};
use sawmill_logic::{arena::Ref, capability::Position};

/// A PCI function of the machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Function {
    pub address: u16,
    pub id: u32,
    pub class: u32,
    pub interrupt: u32,
}

/// An assigned PCI function.
pub(crate) struct Device {
    pub partition: Ref<Partition>,
    pub address: u16,
    pub bars: [Bar; BARS],
    /// What the registers read after all ones were written.
    pub masks: [u32; BARS],
    /// Registers (bits) that the driver is sizing.
    pub sizing: u8,
    /// MSI and MSI-X, where it has them.
    pub messages: [Option<Messages>; 2],
    pub origin: Position,
}

/// Lists the PCI functions of a machine.
pub(crate) fn list<P: Platform, const N: usize>(platform: &P) -> ArrayVec<Function, N> {
    let mut functions = ArrayVec::new();
    for device in 0..0x2000u16 {
        let first = device << 3;
        if platform.pci_read(first, pci::OFFSET_ID, 2) == 0xffff {
            continue;
        }
        let header = platform.pci_read(first, pci::OFFSET_HEADER_TYPE, 1);
        let count = if header & pci::HEADER_IS_MULTIFUNCTION != 0 { 8 } else { 1 };
        for address in first..first + count {
            let id = platform.pci_read(address, pci::OFFSET_ID, 4);
            if id & 0xffff == 0xffff {
                continue;
            }
            let class = platform.pci_read(address, pci::OFFSET_CLASS, 4);
            let interrupt = platform.pci_read(address, pci::OFFSET_INTERRUPT, 2);
            if functions.try_push(Function { address, id, class, interrupt }).is_err() {
                return functions;
            }
        }
    }
    functions
}

impl<P: Platform> State<P> {
    pub(crate) fn device_find(&mut self, caller: &Caller, arguments: &Arguments) -> Decoded<Answer> {
        self.lookup_machine(caller, arguments.selector)?;
        let index = usize::try_from(arguments.words[0]).map_err(|_| Status::BadArgument)?;
        let Function { address, id, class, interrupt } = *self.functions.get(index).ok_or(Status::BadArgument)?;
        Ok(Answer::value(u64::from(address)).with(&[u64::from(id), u64::from(class), u64::from(interrupt)]))
    }

    pub(crate) fn device_assign(&mut self, caller: &Caller, arguments: &Arguments) -> Decoded<Answer> {
        let target = self.lookup(caller, arguments.selector, RIGHT_PARTITION_CONTROL)?;
        let [machine, address, flags, ..] = arguments.words;
        self.lookup_machine(caller, machine)?;
        let function = self.functions.iter().find(|function| u64::from(function.address) == address).copied();
        let Function { address, .. } = function.ok_or(Status::BadArgument)?;
        match flags {
            DEVICE_UNSAFE_DMA => {}
            // No IOMMU is driven yet: without the explicit permission nothing is assigned.
            0 => return Err(Status::Unsupported),
            _ => return Err(Status::BadArgument),
        }
        if self.devices.find_from(0, |device| device.address == address).is_some() {
            return Err(Status::Busy);
        }
        let at = self.free_selector(caller)?;
        let (bars, masks) = self.size_bars(address);
        let read = |offset, width| self.platform.pci_read(address, offset, width);
        let messages = [MessageKind::Msi, MessageKind::Msix].map(|kind| Messages::find(kind, read));
        let device = Device { partition: target, address, bars, masks, sizing: 0, messages, origin: at };
        let selector = self.enter(at, target, |state| &mut state.devices, device)?;
        for bar in bars {
            if let Bar::Ports { base: base @ 1.., size } = bar
                && let Err(status) = self.grant_ports(target, base, size)
            {
                self.revoke(at);
                return Err(status);
            }
        }
        Ok(Answer::value(selector).with(&messages.map(|messages| messages.map_or(0, |messages| messages.count))))
    }

    fn size_bars(&self, address: u16) -> ([Bar; BARS], [u32; BARS]) {
        let platform = self.platform;
        let command = platform.pci_read(address, pci::OFFSET_COMMAND, 2);
        // The device must not decode the address that the sizing makes up.
        platform.pci_write(address, pci::OFFSET_COMMAND, 2, command & !pci::COMMAND_DECODE);
        let mut raw = [(0, 0); BARS + 1];
        for (offset, register) in (pci::OFFSET_BARS..).step_by(4).zip(raw.iter_mut().take(BARS)) {
            let value = platform.pci_read(address, offset, 4);
            platform.pci_write(address, offset, 4, u32::MAX);
            *register = (value, platform.pci_read(address, offset, 4));
            platform.pci_write(address, offset, 4, value);
        }
        platform.pci_write(address, pci::OFFSET_COMMAND, 2, command);
        let mut bars = [Bar::None; BARS];
        let mut is_upper_half = false;
        for (bar, pair) in bars.iter_mut().zip(raw.windows(2)) {
            let &[(value, mask), upper] = pair else { break };
            if !core::mem::take(&mut is_upper_half) {
                *bar = pci::decode_bar(value, mask, upper);
                is_upper_half = matches!(bar, Bar::Memory { is_wide: true, .. });
            }
        }
        (bars, core::array::from_fn(|index| raw[index].1))
    }

    /// Returns who paid.
    pub(crate) fn destroy_device(&mut self, reference: Ref<Device>) -> Option<Ref<Partition>> {
        let device = self.devices.remove(reference)?;
        // No bus mastering by a device that nobody drives.
        let command = self.platform.pci_read(device.address, pci::OFFSET_COMMAND, 2);
        self.platform.pci_write(device.address, pci::OFFSET_COMMAND, 2, command & !4);
        Some(device.partition)
    }

    pub(crate) fn device_config_read(&mut self, caller: &Caller, arguments: &Arguments) -> Decoded<Answer> {
        let reference = self.lookup(caller, arguments.selector, RIGHT_DEVICE_CONFIG)?;
        let device: &Device = self.devices.get(reference).ok_or(Status::BadSelector)?;
        let (offset, width) = decode_access(arguments)?;
        let raw = self.platform.pci_read(device.address, offset, width);
        let sized = bar_index(offset).filter(|index| width == 4 && device.sizing & (1 << index) != 0);
        let mask = sized.and_then(|index| device.masks.get(index));
        Ok(Answer::value(u64::from(*mask.unwrap_or(&raw))))
    }

    pub(crate) fn device_config_write(&mut self, caller: &Caller, arguments: &Arguments) -> Decoded<Answer> {
        let reference = self.lookup(caller, arguments.selector, RIGHT_DEVICE_CONFIG)?;
        let device: &mut Device = self.devices.get_mut(reference).ok_or(Status::BadSelector)?;
        let (offset, width) = decode_access(arguments)?;
        let value = arguments.words[2] as u32;
        if let Some(index) = bar_index(offset) {
            let bit = 1 << index;
            device.sizing = if width == 4 && value == u32::MAX { device.sizing | bit } else { device.sizing & !bit };
            return Ok(Answer::default());
        }
        if !device.messages.iter().flatten().all(|messages| messages.may_write(offset, width, value)) {
            return Err(Status::NoRight);
        }
        // The expansion ROM stays where firmware put it.
        if offset & !3 != 0x30 {
            self.platform.pci_write(device.address, offset, width, value);
        }
        Ok(Answer::default())
    }

    pub(crate) fn device_bar(&mut self, caller: &Caller, arguments: &Arguments) -> Decoded<Answer> {
        let reference = self.lookup(caller, arguments.selector, RIGHT_DEVICE_CONFIG)?;
        let device: &Device = self.devices.get(reference).ok_or(Status::BadSelector)?;
        let index = usize::try_from(arguments.words[0]).map_err(|_| Status::BadArgument)?;
        match *device.bars.get(index).ok_or(Status::BadArgument)? {
            // Firmware may have given it no address.
            Bar::None | Bar::Memory { base: 0, .. } => Ok(Answer::value(BAR_NONE)),
            Bar::Ports { base, size } => Ok(Answer::value(BAR_PORTS).with(&[base, size])),
            Bar::Memory { base, size, .. } => {
                if self.capability(caller, arguments.selector)?.rights & sawmill_abi::object::RIGHT_COPY == 0 {
                    return Err(Status::NoRight);
                }
                let at = self.free_selector(caller)?;
                let start = base & !(PAGE_SIZE - 1);
                let pages = (base - start).saturating_add(size).div_ceil(PAGE_SIZE);
                let range = FrameRange { start: Hpa(start), pages };
                if size < PAGE_SIZE && self.has_neighbours(device.address, start) {
                    // The page holds registers of somebody else.
                    return Err(Status::Unsupported);
                }
                let region = Region { range, backing: Backing::Device, payer: caller.partition, origin: at };
                let selector = self.enter(at, caller.partition, |state| &mut state.regions, region)?;
                Ok(Answer::value(BAR_MEMORY).with(&[base, size, selector]))
            }
        }
    }

    /// Whether a base address register of another function points into a page.
    ///
    /// Only lower halves are compared, and whatever stands in the place of a register: at worst too much is refused.
    fn has_neighbours(&self, own: u16, page: u64) -> bool {
        let registers = |address| {
            let offsets = (pci::OFFSET_BARS..).step_by(4).take(BARS);
            offsets.map(move |offset| self.platform.pci_read(address, offset, 4))
        };
        let is_inside = |value: u32| value & 1 == 0 && value >> 12 == (page >> 12) as u32 & 0xf_ffff;
        let others = self.functions.iter().map(|function| function.address).filter(|address| *address != own);
        others.flat_map(registers).any(is_inside)
    }

    pub(crate) fn device_msi(&mut self, caller: &Caller, arguments: &Arguments) -> Decoded<Answer> {
        let reference = self.lookup(caller, arguments.selector, RIGHT_DEVICE_CONFIG)?;
        let device: &Device = self.devices.get(reference).ok_or(Status::BadSelector)?;
        let [kind, entry, irq, ..] = arguments.words;
        let messages = *device.messages.get(kind as usize).ok_or(Status::BadArgument)?;
        let (messages, function) = (messages.ok_or(Status::Unsupported)?, device.address);
        let irq = self.irqs.get_mut(self.lookup(caller, irq, 0)?).ok_or(Status::BadSelector)?;
        if irq.pin.is_some() || entry >= messages.count {
            return Err(Status::BadArgument);
        }
        if irq.sender.is_some_and(|(sender, _)| sender != reference && self.devices.get(sender).is_some()) {
            return Err(Status::Busy);
        }
        irq.sender = Some((reference, messages));
        let (address, data) = self.platform.message(irq.vector, irq.cpu);
        for (offset, width, value) in messages.enable(address, data) {
            self.platform.pci_write(function, offset, width, value);
        }
        Ok(Answer::default().with(&[address, u64::from(data)]))
    }

    /// Makes the function that sends an Irq's message send none any more.
    pub(crate) fn silence(&self, irq: &Irq) {
        if let Some((device, messages)) = irq.sender
            && let Some(device) = self.devices.get(device)
        {
            let (offset, width, value) = messages.disable();
            self.platform.pci_write(device.address, offset, width, value);
        }
    }
}

fn decode_access(arguments: &Arguments) -> Decoded<(u16, u8)> {
    let [offset, width, ..] = arguments.words;
    let is_valid = matches!(width, 1 | 2 | 4) && offset < 256 && offset % width == 0;
    if is_valid { Ok((offset as u16, width as u8)) } else { Err(Status::BadArgument) }
}

fn bar_index(offset: u16) -> Option<usize> {
    let index = usize::from(offset.checked_sub(pci::OFFSET_BARS)? / 4);
    (index < BARS).then_some(index)
}
