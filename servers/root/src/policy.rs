// SPDX-License-Identifier: MIT OR Apache-2.0
//! What root does when a partition has stopped.

use sawmill_proto::system::{Partition, Restart};

use crate::reason::End;

/// Exit status of a run that the system itself brought down.
pub const STATUS_SYSTEM_FAILED: u64 = 125;

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Leave it dead; others find `PEER_DEAD`.
    LeaveDead,
    /// Start it again.
    StartAgain,
    /// End the run with this status.
    EndRun(u64),
}

/// Decides what to do after a partition's end; `status` is the exit status it reported before, if it did.
pub fn decide(partition: &Partition, end: End, restarts: u64, status: Option<u64>) -> Action {
    if partition.ends_run {
        return Action::EndRun(match end {
            End::Orderly(code) => status.unwrap_or(code),
            End::Restart => status.unwrap_or(0),
            End::Failure => STATUS_SYSTEM_FAILED,
        });
    }
    let limit = match (partition.restart, end) {
        (Restart::Always(limit), _) => limit,
        (Restart::OnFailure(limit), End::Failure | End::Restart) => limit,
        _ => 0,
    };
    if restarts < u64::from(limit) { Action::StartAgain } else { Action::LeaveDead }
}
