// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where a program's output goes: this process's standard output and error.

use std::io::Write;

/// The outputs; a closed one is remembered.
#[derive(Debug, Default)]
pub struct Console {
    is_closed: bool,
}

impl Console {
    /// Bytes for the terminal.
    pub fn terminal(&mut self, bytes: &[u8]) {
        self.output(bytes);
    }

    /// Standard output; false when nobody reads it any more.
    pub fn output(&mut self, bytes: &[u8]) -> bool {
        if self.is_closed {
            return true;
        }
        let mut out = std::io::stdout().lock();
        self.is_closed = out.write_all(bytes).and_then(|()| out.flush()).is_err();
        !self.is_closed
    }

    /// Standard error.
    pub fn error_output(&mut self, bytes: &[u8]) {
        // There is no other place to complain.
        let _ = std::io::stderr().lock().write_all(bytes);
    }
}
