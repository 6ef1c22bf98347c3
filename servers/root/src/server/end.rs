// SPDX-License-Identifier: MIT OR Apache-2.0
//! The end of a run: the line that the host tool waits for, then power off.

use sawmill_rt::{calls, println};

use super::record;
use super::state::Root;

/// Ends the run of a system that was set up: leaves the records that were asked for.
pub fn finish(root: &Root, status: u64, reason: &str) -> ! {
    record::write(root);
    run(status, reason)
}

/// Ends the run.
pub fn run(status: u64, reason: &str) -> ! {
    println!("SAWMILL-END status={status} reason={reason}");
    calls::machine_power_off()
}
