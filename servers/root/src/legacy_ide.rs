// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ports and interrupts of IDE controllers that behave like a PC's of 1984.

use arrayvec::ArrayVec;

/// Mass storage, IDE.
const CLASS_IDE: u64 = 0x0101;
// PCI IDE Controller Specification, programming interface: set = native mode.
const PRIMARY_NATIVE: u64 = 1;
const SECONDARY_NATIVE: u64 = 4;

/// One channel in compatibility mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channel {
    /// First ports and numbers of ports.
    pub ports: [(u64, u64); 2],
    /// ISA interrupt.
    pub irq: u64,
}

const PRIMARY: Channel = Channel { ports: [(0x1f0, 8), (0x3f6, 1)], irq: 14 };
const SECONDARY: Channel = Channel { ports: [(0x170, 8), (0x376, 1)], irq: 15 };

/// Returns the channels in compatibility mode of a PCI function, by its class code << 8 | revision.
pub fn channels(class_revision: u64) -> ArrayVec<Channel, 2> {
    let interface = class_revision >> 8;
    if class_revision >> 16 != CLASS_IDE {
        return ArrayVec::new();
    }
    let modes = [(PRIMARY_NATIVE, PRIMARY), (SECONDARY_NATIVE, SECONDARY)];
    modes.into_iter().filter(|(native, _)| interface & native == 0).map(|(_, channel)| channel).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes() {
        assert_eq!(channels(0x01_01_80_00).iter().map(|it| it.irq).collect::<ArrayVec<_, 2>>()[..], [14, 15]);
        assert_eq!(channels(0x01_01_81_02)[..], [SECONDARY]);
        assert!(channels(0x01_01_85_00).is_empty());
        assert!(channels(0x01_06_01_00).is_empty());
    }
}
