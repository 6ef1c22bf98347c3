// SPDX-License-Identifier: MIT OR Apache-2.0
//! The host's terminal: raw while a shell runs, restored whatever happens.

use std::io::IsTerminal;
use std::mem::MaybeUninit;

/// The key that ends an interactive run: Ctrl-].
pub const END_KEY: u8 = 0x1d;
/// Size assumed where there is no terminal.
const DEFAULT_SIZE: (u16, u16) = (24, 80);

/// Raw mode of standard input until dropped; nothing when it is no terminal.
pub struct RawMode(Option<libc::termios>);

impl std::fmt::Debug for RawMode {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("RawMode").field(&self.0.is_some()).finish()
    }
}

impl RawMode {
    /// Switches to raw mode.
    pub fn enter() -> Self {
        if !std::io::stdin().is_terminal() {
            return Self(None);
        }
        let mut old = MaybeUninit::<libc::termios>::uninit();
        // SAFETY: tcgetattr writes a termios to the address of one.
        if unsafe { libc::tcgetattr(libc::STDIN_FILENO, old.as_mut_ptr()) } != 0 {
            return Self(None);
        }
        // SAFETY: tcgetattr returned 0 and so has written all of it.
        let old = unsafe { old.assume_init() };
        let mut raw = old;
        // SAFETY: cfmakeraw changes the termios it is given.
        unsafe { libc::cfmakeraw(&raw mut raw) };
        // SAFETY: tcsetattr reads the termios it is given.
        unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSANOW, &raw const raw) };
        Self(Some(old))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        if let Some(old) = &self.0 {
            // SAFETY: tcsetattr reads the termios that tcgetattr gave.
            unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSADRAIN, old) };
        }
    }
}

/// Rows and columns of the terminal.
pub fn size() -> (u16, u16) {
    let mut size = MaybeUninit::<libc::winsize>::zeroed();
    for descriptor in [libc::STDIN_FILENO, libc::STDOUT_FILENO] {
        // SAFETY: TIOCGWINSZ writes a winsize to the address of one.
        if unsafe { libc::ioctl(descriptor, libc::TIOCGWINSZ, size.as_mut_ptr()) } == 0 {
            // SAFETY: it was zeroed, which is a valid winsize, and perhaps written since.
            let size = unsafe { size.assume_init() };
            if size.ws_row > 0 && size.ws_col > 0 {
                return (size.ws_row, size.ws_col);
            }
        }
    }
    DEFAULT_SIZE
}
