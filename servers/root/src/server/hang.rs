// SPDX-License-Identifier: MIT OR Apache-2.0
//! Looks from time to time whether servers still answer.

use sawmill_abi::status::Status;
use sawmill_root::hang::Look;
use sawmill_root::reason::End;
use sawmill_rt::{calls, time};

use super::state::{NULL, Root, State};
use super::watch;

/// A first word that no service knows: every server refuses it, which is an answer.
const PING: u64 = u64::MAX;

/// Calls each watched server once, and treats those that have been silent for too long as failed.
pub fn look(root: &mut Root) {
    for index in 0..root.partitions.len() {
        let limit_ns = root.system.partitions[index].hang_after_ns;
        let limit = time::ticks(limit_ns, root.info.tsc_khz);
        let running = &mut root.partitions[index];
        if limit_ns == 0 || running.state != State::Ready || running.ping_portal == NULL {
            continue;
        }
        let outcome = calls::portal_call(running.ping_portal, [PING, 0, 0, 0, 0, 0]);
        let look = if outcome.status == Status::Timeout as u64 { Look::Silent } else { Look::Answered };
        if running.watch.observe(look, time::tsc(), limit) {
            let text = sawmill_root::failure!("does not answer for {} ms", limit_ns / 1_000_000);
            watch::stopped(root, index, End::Failure, text.text());
        }
    }
}
