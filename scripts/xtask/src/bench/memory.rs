// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory by partition, from the records that root writes at the end of a run with `trace=on`.
//!
//! A line is `MEMORY name region_pages kernel_frames`, both in hexadecimal.

/// Bytes of a page.
const PAGE_BYTES: u64 = 4096;

/// Memory charged to one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Name of the partition.
    pub partition: String,
    /// Its RAM, pools and control regions.
    pub region_bytes: u64,
    /// What the hypervisor keeps for it.
    pub kernel_bytes: u64,
}

/// Reads the records out of a log.
pub fn parse(log: &str) -> Vec<Memory> {
    log.lines().filter_map(record).collect()
}

fn record(line: &str) -> Option<Memory> {
    let (_, record) = line.split_once("MEMORY ")?;
    let mut words = record.split_ascii_whitespace();
    let partition = words.next()?.to_owned();
    let mut pages = || u64::from_str_radix(words.next()?, 16).ok()?.checked_mul(PAGE_BYTES);
    Some(Memory { partition, region_bytes: pages()?, kernel_bytes: pages()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_found_among_other_lines() {
        let log = "[root] hello\n[root] MEMORY ext2 1800 20\r\nMEMORY app x 1\nMEMORY short 1\n";
        let found = Memory { partition: "ext2".to_owned(), region_bytes: 24 << 20, kernel_bytes: 32 * 4096 };
        assert_eq!(parse(log), [found]);
    }
}
