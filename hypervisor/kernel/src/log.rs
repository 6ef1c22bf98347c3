// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel's own console lines, kept while the big lock is held.
//!
//! Owns [`Log`]: written under the big lock, put out after it is released.
//! What does not fit is cut.

use arrayvec::ArrayVec;
use core::fmt;

/// Bytes not put out yet.
pub(crate) struct Log {
    bytes: ArrayVec<u8, 1024>,
}

impl Log {
    pub const fn new() -> Self {
        Log { bytes: ArrayVec::new_const() }
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Appends a line.
    pub fn line(&mut self, arguments: fmt::Arguments<'_>) {
        // Cut, not failed, when full.
        let _ = fmt::Write::write_fmt(self, arguments);
        let _ = self.bytes.try_push(b'\n');
    }

    /// Takes all bytes out.
    pub fn take(&mut self) -> ArrayVec<u8, 1024> {
        core::mem::take(&mut self.bytes)
    }
}

impl fmt::Write for Log {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.bytes.try_push(byte).map_err(|_| fmt::Error)?;
        }
        Ok(())
    }
}
