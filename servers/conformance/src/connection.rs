// SPDX-License-Identifier: MIT OR Apache-2.0
//! Finds connections in the information page.

use sawmill_abi::info::{Connection, INFO_MAGIC, INFO_PAGE_GPA, PartitionInfo};
use sawmill_rt::memory;

/// Returns the information page, if it is one.
pub fn info() -> Option<PartitionInfo> {
    memory::read_low::<PartitionInfo>(INFO_PAGE_GPA).filter(|info| info.magic == INFO_MAGIC)
}

/// Returns the connection with this service name.
pub fn find(service: &str) -> Option<Connection> {
    let info = info()?;
    let count = usize::try_from(info.connection_count).ok()?;
    let is_named = |it: &&Connection| {
        let end = it.service.iter().position(|byte| *byte == 0).unwrap_or(it.service.len());
        it.service.get(..end) == Some(service.as_bytes())
    };
    info.connections.iter().take(count).find(is_named).copied()
}
