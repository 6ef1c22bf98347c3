// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a run ended, and the exit status that says so.

/// The run's time was up.
pub const TIMEOUT: u8 = 124;
/// The system itself failed, not the program.
pub const SYSTEM_FAILURE: u8 = 125;
/// Added to the number of a signal that killed the program.
const SIGNAL_BASE: u8 = 128;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The program's exit status.
    Exited(u8),
    /// The signal that killed the program.
    Signaled(u8),
    /// The user ended the run.
    Interrupted,
    /// The limit of `--timeout`.
    TimedOut(String),
    /// The system failed, and why.
    Failed(String),
}

impl Outcome {
    /// The exit status of xtask.
    pub fn status(&self) -> u8 {
        match self {
            Self::Exited(status) => *status,
            Self::Signaled(signal) => SIGNAL_BASE.saturating_add(*signal),
            Self::Interrupted => SIGNAL_BASE + libc::SIGINT as u8,
            Self::TimedOut(_) => TIMEOUT,
            Self::Failed(_) => SYSTEM_FAILURE,
        }
    }
}
