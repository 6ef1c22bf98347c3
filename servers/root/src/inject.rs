// SPDX-License-Identifier: MIT OR Apache-2.0
//! Fault injection for tests: the boot option `kill=PARTITION@MILLISECONDS`.

/// What to kill, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kill<'a> {
    /// Name of the partition.
    pub partition: &'a str,
    /// Milliseconds after it was ready for the first time.
    pub after_ms: u64,
}

/// Finds the option in the hypervisor's command line; a malformed one counts as absent.
pub fn parse(command_line: &str) -> Option<Kill<'_>> {
    let value = command_line.split_ascii_whitespace().find_map(|option| option.strip_prefix("kill="))?;
    let (partition, after_ms) = value.split_once('@')?;
    Some(Kill { partition, after_ms: after_ms.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn option() {
        assert_eq!(parse("trace=on kill=ext2@3000 x"), Some(Kill { partition: "ext2", after_ms: 3000 }));
        assert_eq!(parse("kill=ext2"), None);
        assert_eq!(parse("kill=ext2@soon"), None);
        assert_eq!(parse(""), None);
    }
}
