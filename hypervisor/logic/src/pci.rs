// SPDX-License-Identifier: MIT OR Apache-2.0
//! PCI configuration space: base address registers and capabilities.
//!
//! Written here because `pci_types` asks its users for an `unsafe` trait
//! method, which the kernel crates forbid. Offsets are those of the PCI Local
//! Bus Specification 3.0, section "Configuration Space Organization".

/// Vendor and device.
pub const OFFSET_ID: u16 = 0x00;
/// Command.
pub const OFFSET_COMMAND: u16 = 0x04;
/// Class code and revision.
pub const OFFSET_CLASS: u16 = 0x08;
/// Header type.
pub const OFFSET_HEADER_TYPE: u16 = 0x0e;
/// First base address register.
pub const OFFSET_BARS: u16 = 0x10;
/// First capability.
pub const OFFSET_CAPABILITIES: u16 = 0x34;
/// Interrupt line and pin.
pub const OFFSET_INTERRUPT: u16 = 0x3c;
/// Number of base address registers.
pub const BARS: usize = 6;
/// Command: decode ports and memory.
pub const COMMAND_DECODE: u32 = 3;
/// Header type: the device has several functions.
pub const HEADER_IS_MULTIFUNCTION: u32 = 0x80;

use arrayvec::ArrayVec;

/// What a base address register describes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bar {
    /// Nothing (or the upper half of the one before).
    #[default]
    None,
    /// Ports.
    Ports {
        /// First port.
        base: u64,
        /// Number of ports.
        size: u64,
    },
    /// Memory.
    Memory {
        /// First address.
        base: u64,
        /// Bytes.
        size: u64,
        /// Takes two registers.
        is_wide: bool,
    },
}

/// Decodes a base address register from its value and what it reads after all ones were written.
///
/// `upper` holds the same two of the next register.
pub fn decode_bar(value: u32, mask: u32, upper: (u32, u32)) -> Bar {
    if mask == 0 || mask == u32::MAX && value == u32::MAX {
        return Bar::None;
    }
    if value & 1 != 0 {
        let size = u64::from(!(mask & 0xfffc) & 0xffff) + 1;
        return Bar::Ports { base: u64::from(value & 0xfffc), size };
    }
    let is_wide = value >> 1 & 3 == 2;
    let (high, high_mask) = if is_wide { upper } else { (0, u32::MAX) };
    let base = u64::from(high) << 32 | u64::from(value & !0xf);
    let size = (!(u64::from(high_mask) << 32 | u64::from(mask & !0xf))).wrapping_add(1);
    Bar::Memory { base, size, is_wide }
}

/// A way of signalling interrupts by memory writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// MSI: address and data in configuration space.
    Msi = 0x05,
    /// MSI-X: in a table in the function's own memory, which whoever maps it writes.
    Msix = 0x11,
}

/// The capability for messages of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Messages {
    kind: MessageKind,
    /// Offset of the capability.
    at: u16,
    /// Its control word, without what enables and masks.
    control: u32,
    /// Number of different messages.
    pub count: u64,
}

/// MSI, message control: enable; several messages; 64-bit address; mask bits.
const MSI_ENABLE: u32 = 1;
const MSI_SEVERAL: u32 = 7 << 4;
const MSI_IS_WIDE: u32 = 1 << 7;
const MSI_HAS_MASK: u32 = 1 << 8;
/// MSI-X, message control: enable; all masked; size of the table less one.
const MSIX_ENABLE: u32 = 1 << 15;
const MSIX_MASKED: u32 = 1 << 14;
const MSIX_LAST: u32 = 0x7ff;

impl Messages {
    /// Looks for a function's capability. `read` reads configuration space by offset and width.
    pub fn find(kind: MessageKind, read: impl Fn(u16, u8) -> u32) -> Option<Messages> {
        let mut at = read(OFFSET_CAPABILITIES, 1) as u16 & 0xfc;
        // At most 48 capabilities fit; more means a loop.
        for _ in 0..48 {
            if at < 0x40 {
                return None;
            }
            if read(at, 1) == kind as u32 {
                let control = read(at + 2, 2);
                let (control, count) = match kind {
                    MessageKind::Msi => (control & !(MSI_ENABLE | MSI_SEVERAL), 1),
                    MessageKind::Msix => (control & !(MSIX_ENABLE | MSIX_MASKED), u64::from(control & MSIX_LAST) + 1),
                };
                return Some(Messages { kind, at, control, count });
            }
            at = read(at + 1, 1) as u16 & 0xfc;
        }
        None
    }

    /// Whether the function's owner may write there: MSI it may only disable; the table of MSI-X is its own anyway.
    pub fn may_write(&self, offset: u16, width: u8, value: u32) -> bool {
        let has = |bit, bytes| if self.control & bit != 0 { bytes } else { 0 };
        let length = 10 + has(MSI_IS_WIDE, 4) + has(MSI_HAS_MASK, 10);
        let is_disabling = (offset, width) == (self.at + 2, 2) && value & MSI_ENABLE == 0;
        self.kind == MessageKind::Msix || is_disabling || !(self.at..self.at + length).contains(&offset)
    }

    /// Writes (offset, width, value) that make the function send this message by MSI; none for MSI-X.
    pub fn enable(&self, address: u64, data: u32) -> ArrayVec<(u16, u8, u32), 4> {
        let Messages { at, control, .. } = *self;
        if self.kind == MessageKind::Msix {
            return ArrayVec::new();
        }
        let is_wide = control & MSI_IS_WIDE != 0;
        let upper = is_wide.then_some((at + 8, 4, (address >> 32) as u32));
        let data = (at + if is_wide { 12 } else { 8 }, 2, data);
        let enable = (at + 2, 2, control | MSI_ENABLE);
        [(at + 4, 4, address as u32)].into_iter().chain(upper).chain([data, enable]).collect()
    }

    /// The write that makes the function send no message.
    pub fn disable(&self) -> (u16, u8, u32) {
        (self.at + 2, 2, self.control)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_are_decoded_by_kind() {
        assert_eq!(decode_bar(0xc001, 0xffff_fff1, (0, 0)), Bar::Ports { base: 0xc000, size: 16 });
        assert_eq!(
            decode_bar(0xfebc_0000, 0xfffe_0000, (7, 7)),
            Bar::Memory { base: 0xfebc_0000, size: 0x2_0000, is_wide: false }
        );
        assert_eq!(
            decode_bar(0xc, 0xffff_000c & !0xf | 0xc, (0x10, u32::MAX)),
            Bar::Memory { base: 0x10_0000_0000, size: 0x1_0000, is_wide: true }
        );
        assert_eq!(decode_bar(0, 0, (0, 0)), Bar::None);
    }

    /// A function whose capabilities form a loop: one of no interest, then MSI with this control word.
    fn messages(kind: MessageKind, control: u16) -> Option<Messages> {
        let mut space = [0u8; 256];
        space[0x34] = 0x40;
        (space[0x40], space[0x41]) = (0x01, 0x50);
        (space[0x50], space[0x51]) = (0x05, 0x40);
        [space[0x52], space[0x53]] = control.to_le_bytes();
        let read = |at: u16, width: u8| {
            (0..u16::from(width)).rev().fold(0, |value, byte| value << 8 | u32::from(space[usize::from(at + byte)]))
        };
        Messages::find(kind, read)
    }

    #[test]
    fn capability_loop_ends() {
        assert!(messages(MessageKind::Msi, 0).is_some());
        assert_eq!(messages(MessageKind::Msix, 0), None);
    }

    #[test]
    fn message_goes_where_the_address_width_says() {
        // Enabled by firmware for eight messages: one is what is left.
        let narrow = messages(MessageKind::Msi, 0x0031).unwrap();
        assert_eq!(narrow.enable(0xfee0_1000, 0x31)[..], [(0x54, 4, 0xfee0_1000), (0x58, 2, 0x31), (0x52, 2, 1)]);
        let wide = messages(MessageKind::Msi, 0x0080).unwrap();
        let writes = wide.enable(0x1_fee0_1000, 0x31);
        assert_eq!(writes[..], [(0x54, 4, 0xfee0_1000), (0x58, 4, 1), (0x5c, 2, 0x31), (0x52, 2, 0x81)]);
        assert_eq!(wide.disable(), (0x52, 2, 0x80));
        let may_write = |offset, width, value| wide.may_write(offset, width, value);
        assert!(!may_write(0x5c, 2, 0) && may_write(0x60, 4, 0) && may_write(0x4f, 1, 0), "its own registers only");
        assert!(!may_write(0x52, 2, 0x81) && may_write(0x52, 2, 0x80) && !may_write(0x50, 4, 0), "off, not on");
    }
}
