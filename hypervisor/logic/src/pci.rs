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
/// Capability: MSI.
pub const CAPABILITY_MSI: u8 = 0x05;
/// Capability: MSI-X.
pub const CAPABILITY_MSIX: u8 = 0x11;
/// Command: decode ports and memory.
pub const COMMAND_DECODE: u32 = 3;
/// Header type: the device has several functions.
pub const HEADER_IS_MULTIFUNCTION: u32 = 0x80;

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

/// Value that a register reads while a driver sizes it.
pub fn sizing_value(bar: Bar, raw: u32) -> u32 {
    match bar {
        Bar::None => 0,
        Bar::Ports { size, .. } => !(size as u32 - 1) & 0xfffc | raw & 3,
        Bar::Memory { size, .. } => !(size.wrapping_sub(1) as u32) & !0xf | raw & 0xf,
    }
}

/// Finds a capability's offset. `read` reads a byte of configuration space.
pub fn find_capability(read: impl Fn(u16) -> u8, wanted: u8) -> Option<u16> {
    let mut at = u16::from(read(OFFSET_CAPABILITIES) & 0xfc);
    // At most 48 capabilities fit; more means a loop.
    for _ in 0..48 {
        if at < 0x40 {
            return None;
        }
        if read(at) == wanted {
            return Some(at);
        }
        at = u16::from(read(at + 1) & 0xfc);
    }
    None
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

    #[test]
    fn sizing_gives_back_the_mask() {
        let bar = decode_bar(0xfebc_0000, 0xfffe_0000, (0, 0));
        assert_eq!(sizing_value(bar, 0xfebc_0000), 0xfffe_0000);
        let ports = decode_bar(0xc001, 0xffff_fff1, (0, 0));
        assert_eq!(sizing_value(ports, 0xc001) & 0xffff, 0xfff1);
    }

    #[test]
    fn capability_loop_ends() {
        let mut space = [0u8; 256];
        space[0x34] = 0x40;
        (space[0x40], space[0x41]) = (0x01, 0x50);
        (space[0x50], space[0x51]) = (0x05, 0x40);
        assert_eq!(find_capability(|at| space[usize::from(at)], CAPABILITY_MSI), Some(0x50));
        assert_eq!(find_capability(|at| space[usize::from(at)], CAPABILITY_MSIX), None);
    }
}
