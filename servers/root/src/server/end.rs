// SPDX-License-Identifier: MIT OR Apache-2.0
//! The end of a run: the line that the host tool waits for, then power off.

use sawmill_rt::{calls, println};

use super::state::Root;
use super::{record, stream};

/// Ends the run of a system that was set up: leaves the records that were asked for.
pub fn finish(root: &mut Root, status: u64, reason: &str) -> ! {
    stream::end(root);
    record::write(root);
    run(status, reason)
}

/// Ends the run.
pub fn run(status: u64, reason: &str) -> ! {
    println!("SAWMILL-END status={status} reason={reason}");
    calls::machine_power_off()
}
