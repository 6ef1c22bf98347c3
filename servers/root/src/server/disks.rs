// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether a controller has a disk: one with a CD drive, or with nothing, is left where it is.

use sawmill_abi::PAGE_SIZE;
use sawmill_abi::machine::{BAR_MEMORY, DEVICE_UNSAFE_DMA};
use sawmill_abi::object::RIGHT_REGION_READ;
use sawmill_abi::status::Status;
use sawmill_root::{ahci, legacy_ide};
use sawmill_rt::calls::{self, SELF};
use sawmill_rt::port;

use super::create::drop_capability;
use super::state::Root;

/// Base address register of an AHCI controller's registers.
const AHCI_BAR: u64 = 5;
/// Offsets from an IDE channel's first port.
const SELECT: u64 = 6;
const STATUS: u64 = 7;
/// Both drives of a channel.
const DRIVES: [u8; 2] = [0xa0, 0xb0];
/// What is read where nobody drives the lines; some pull the busy bit down.
const NOBODY: [u8; 3] = [0, 0x7f, 0xff];

/// Looks whether there is a disk behind a function, given its class code << 8 | revision; in doubt there is.
pub fn may_be_behind(root: &mut Root, address: u64, class_revision: u64) -> bool {
    if class_revision >> 16 == ahci::CLASS {
        return behind_ahci(root, address).unwrap_or(true);
    }
    let channels = legacy_ide::channels(class_revision);
    channels.is_empty() || channels.iter().any(|channel| is_channel_used(channel).unwrap_or(true))
}

fn behind_ahci(root: &mut Root, address: u64) -> Result<bool, Status> {
    let (mut device, _) = calls::device_assign(SELF, address, DEVICE_UNSAFE_DMA)?;
    let found = calls::device_bar(device, AHCI_BAR).and_then(|(kind, _, _, mut registers)| {
        if kind != BAR_MEMORY {
            return Err(Status::BadArgument);
        }
        let pages = calls::region_info(registers)?.0.min(ahci::SIZE.div_ceil(PAGE_SIZE));
        let window = root.windows.target.map(registers, 0, pages, RIGHT_REGION_READ);
        let found = window.map(|window| ahci::has_disk(|offset| window.read_record::<u32>(offset).unwrap_or(0)));
        drop_capability(&mut registers);
        found
    });
    drop_capability(&mut device);
    found
}

fn is_channel_used(channel: &legacy_ide::Channel) -> Result<bool, Status> {
    let [(first, count), _] = channel.ports;
    calls::partition_grant_ports(SELF, first, count)?;
    let at = |offset: u64| u16::try_from(first + offset).map_err(|_| Status::BadArgument);
    let (select, status) = (at(SELECT)?, at(STATUS)?);
    Ok(DRIVES.iter().any(|drive| {
        port::write_u8(select, *drive);
        !NOBODY.contains(&port::read_u8(status))
    }))
}
