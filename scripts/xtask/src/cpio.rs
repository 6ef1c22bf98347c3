// SPDX-License-Identifier: MIT OR Apache-2.0
//! A writer for Linux's initial ramdisk format ("newc" cpio); several archives may follow each other.

/// Type bits of a directory's mode.
const DIRECTORY: u32 = 0o040_000;
/// Type bits of a regular file's mode.
const REGULAR: u32 = 0o100_000;
/// Type bits of a character device's mode.
const CHARACTER: u32 = 0o020_000;
const TRAILER: &str = "TRAILER!!!";

/// An archive under construction.
#[derive(Debug, Default)]
pub struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    /// Adds a directory; its parents come first.
    pub fn directory(&mut self, name: &str) {
        self.entry(name, DIRECTORY | 0o755, (0, 0), &[]);
    }

    /// Adds a file with the given permissions.
    pub fn file(&mut self, name: &str, permissions: u32, content: &[u8]) {
        self.entry(name, REGULAR | permissions, (0, 0), content);
    }

    /// Adds a character device.
    pub fn character_device(&mut self, name: &str, major: u32, minor: u32) {
        self.entry(name, CHARACTER | 0o600, (major, minor), &[]);
    }

    /// Ends the archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry(TRAILER, 0, (0, 0), &[]);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
        self.bytes
    }

    fn entry(&mut self, name: &str, mode: u32, device: (u32, u32), content: &[u8]) {
        self.entries += 1;
        let links = if mode & DIRECTORY == DIRECTORY { 2 } else { 1 };
        let fields = [
            self.entries,
            mode,
            0, // uid
            0, // gid
            links,
            0, // mtime
            content.len() as u32,
            0, // device of the archive: major, minor
            0,
            device.0,
            device.1,
            name.len() as u32 + 1,
            0, // checksum: unused in this format
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::Archive;

    #[test]
    fn entries_are_aligned_and_ended() {
        let mut archive = Archive::default();
        archive.directory("dev");
        archive.file("init", 0o755, b"#!x");
        let bytes = archive.finish();
        assert_eq!(bytes.len() % 512, 0);
        assert_eq!(&bytes[..6], b"070701");
        assert!(bytes.windows(10).any(|window| window == b"TRAILER!!!"));
        let second = (110_usize + 4).next_multiple_of(4);
        assert_eq!(&bytes[second..second + 6], b"070701");
    }
}
