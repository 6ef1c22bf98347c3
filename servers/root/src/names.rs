// SPDX-License-Identifier: MIT OR Apache-2.0
//! Names as they stand in shared pages: bytes padded with zeros.

/// Turns a name into bytes padded with zeros, cut to their number.
pub fn padded<const N: usize>(name: &str) -> [u8; N] {
    let mut bytes = [0; N];
    for (to, from) in bytes.iter_mut().zip(name.bytes()) {
        *to = from;
    }
    bytes
}

/// Returns the text before the padding, or nothing if it is no UTF-8.
pub fn unpadded(bytes: &[u8]) -> &str {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    core::str::from_utf8(bytes.get(..end).unwrap_or(&[])).unwrap_or("")
}

/// Splits a name into two message words, sixteen bytes padded with zeros.
pub fn to_words(name: &str) -> [u64; 2] {
    let bytes: [u8; 16] = padded(name);
    let word =
        |half: usize| bytes.iter().skip(8 * half).take(8).rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    [word(0), word(1)]
}

/// Joins two message words into the sixteen bytes of a name.
pub fn from_words(low: u64, high: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(low.to_le_bytes().into_iter().chain(high.to_le_bytes())) {
        *to = from;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        assert_eq!(unpadded(&padded::<16>("root-fs")), "root-fs");
        assert_eq!(unpadded(&padded::<4>("root-fs")), "root");
        let words = to_words("root-fs");
        assert_eq!(words, [u64::from_le_bytes(*b"root-fs\0"), 0]);
        assert_eq!(unpadded(&from_words(words[0], words[1])), "root-fs");
    }
}
