// SPDX-License-Identifier: MIT OR Apache-2.0
//! Looks from time to time whether servers still answer, on each CPU.

use sawmill_abi::status::Status;
use sawmill_root::hang::Look;
use sawmill_root::reason::End;
use sawmill_rt::calls::Selector;
use sawmill_rt::{calls, time};

use super::state::{NULL, Root, State};
use super::{sentry, watch};

/// A first word that no service knows: every server refuses it, which is an answer.
const PING: u64 = u64::MAX;

/// Calls a server on this CPU.
pub fn ping(portal: Selector) -> Look {
    let outcome = calls::portal_call(portal, [PING, 0, 0, 0, 0, 0]);
    if outcome.status == Status::Timeout as u64 { Look::Silent } else { Look::Answered }
}

/// Calls each watched server once on each of its CPUs, and treats those that have been silent for too long as failed.
pub fn look(root: &mut Root) {
    for index in 0..root.partitions.len() {
        let limit_ns = root.system.partitions[index].hang_after_ns;
        let limit = time::ticks(limit_ns, root.info.tsc_khz);
        let running = &mut root.partitions[index];
        if limit_ns == 0 || running.state != State::Ready || running.ping_portal == NULL {
            continue;
        }
        let portal = running.ping_portal;
        let silent = running.cpus.iter().zip(&mut running.watches).find_map(|(cpu, watch)| {
            let look = if *cpu == 0 { Some(ping(portal)) } else { sentry::look(*cpu, index, portal) };
            look.is_some_and(|look| watch.observe(look, time::tsc(), limit)).then_some(*cpu)
        });
        if let Some(cpu) = silent {
            let text = sawmill_root::failure!("does not answer for {} ms on CPU {cpu}", limit_ns / 1_000_000);
            watch::stopped(root, index, End::Failure, text.text());
        }
    }
}
