// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the registers of an AHCI controller say about its ports.

/// Mass storage, SATA.
pub const CLASS: u64 = 0x0106;
/// Bytes of all registers.
pub const SIZE: u64 = PORTS + PORT_COUNT * PORT_SIZE;

// Serial ATA AHCI Specification, "Generic Host Control" and "Port Registers".
const PORTS_IMPLEMENTED: u64 = 0x0c;
const PORTS: u64 = 0x100;
const PORT_SIZE: u64 = 0x80;
const PORT_COUNT: u64 = 32;
const SIGNATURE: u64 = 0x24;
const SATA_STATUS: u64 = 0x28;
/// A device is there and answers.
const ESTABLISHED: u32 = 3;
/// Signature of a drive for CDs.
const PACKET_DEVICE: u32 = 0xeb14_0101;

/// Whether a port has a device that is no CD drive, given a way to read registers.
pub fn has_disk(read: impl Fn(u64) -> u32) -> bool {
    let implemented = read(PORTS_IMPLEMENTED);
    (0..PORT_COUNT).filter(|port| implemented >> port & 1 == 1).any(|port| {
        let at = PORTS + port * PORT_SIZE;
        read(at + SATA_STATUS) & 0xf == ESTABLISHED && read(at + SIGNATURE) != PACKET_DEVICE
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn controller(devices: [(u32, u32); 2], implemented: u32) -> impl Fn(u64) -> u32 {
        move |offset| match offset {
            0x0c => implemented,
            0x124 => devices[0].1,
            0x128 => devices[0].0,
            0x1a4 => devices[1].1,
            0x1a8 => devices[1].0,
            _ => 0,
        }
    }

    #[test]
    fn cd_drives_and_empty_ports_are_no_disks() {
        let (cd, disk, nothing) = ((0x113, 0xeb14_0101), (0x113, 0x101), (0, u32::MAX));
        assert!(!has_disk(controller([cd, nothing], 0x3f)));
        assert!(has_disk(controller([cd, disk], 0x3f)));
        assert!(!has_disk(controller([cd, disk], 1)), "a port that is not there");
        assert!(has_disk(controller([(0x123, u32::MAX), nothing], 3)), "one that has not said yet what it is");
    }
}
