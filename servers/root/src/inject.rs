// SPDX-License-Identifier: MIT OR Apache-2.0
//! Boot options for tests: `kill=PARTITION@MILLISECONDS`, and numbers that partitions ask for by name.

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

/// Finds the number that an option of this name has.
pub fn number(command_line: &str, name: &str) -> Option<u64> {
    let named = |option: &&str| option.strip_prefix(name).is_some_and(|rest| rest.starts_with('='));
    let option = command_line.split_ascii_whitespace().find(named).filter(|_| !name.is_empty())?;
    option.get(name.len() + 1..)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_by_name() {
        assert_eq!(number("trace=on seed=17 calls=5", "seed"), Some(17));
        assert_eq!(number("seed=17 calls=5", "call"), None);
        assert_eq!(number("seed=x", "seed"), None);
        assert_eq!(number("=3 seed=1", ""), None);
    }

    #[test]
    fn option() {
        assert_eq!(parse("trace=on kill=ext2@3000 x"), Some(Kill { partition: "ext2", after_ms: 3000 }));
        assert_eq!(parse("kill=ext2"), None);
        assert_eq!(parse("kill=ext2@soon"), None);
        assert_eq!(parse(""), None);
    }
}
