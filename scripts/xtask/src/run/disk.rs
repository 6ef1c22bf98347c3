// SPDX-License-Identifier: MIT OR Apache-2.0
//! The disk image of a run: the user's own, guarded against a second run, or a copy that is thrown away.
//!
//! Bochs puts a lock file beside the path it is given, and leaves it behind when it is killed; so it is given
//! a link in the run's own directory.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::ext2;
use crate::paths::Scratch;

const SECTOR_BYTES: u64 = 512;

/// Whether changes are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changes {
    /// They are in the image after the run.
    Kept,
    /// The image is left untouched.
    Dropped,
}

/// The image in use.
#[derive(Debug)]
pub struct Disk {
    /// What the emulator opens.
    pub path: PathBuf,
    _lock: Option<File>,
}

impl Disk {
    /// Prepares `image` for a run whose files are in `scratch`.
    pub fn prepare(image: &Path, changes: Changes, scratch: &Scratch) -> Result<Self> {
        let image = image.canonicalize().with_context(|| format!("there is no disk image {}", image.display()))?;
        let size = std::fs::metadata(&image)?.len();
        if size == 0 || size % SECTOR_BYTES != 0 {
            bail!("{}: its {size} bytes are not a whole number of {SECTOR_BYTES}-byte sectors", image.display());
        }
        let path = scratch.join("disk");
        match changes {
            Changes::Dropped => {
                ext2::copy(&image, &path)?;
                Ok(Self { path, _lock: None })
            }
            Changes::Kept => {
                let lock = File::options().read(true).write(true).open(&image);
                let lock = lock.with_context(|| format!("cannot write {}; --snapshot does not", image.display()))?;
                // SAFETY: flock takes an open descriptor and constants.
                if unsafe { libc::flock(lock.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } != 0 {
                    bail!("{} is in use by another run; --snapshot works on a copy", image.display());
                }
                symlink(&image, &path)?;
                Ok(Self { path, _lock: Some(lock) })
            }
        }
    }

    /// Copies a file out of the image, which no machine uses any more.
    pub fn copy_out(&self, guest: &str, host: &Path) -> Result<()> {
        ext2::take(&self.path, guest, host)
    }
}
