// SPDX-License-Identifier: MIT OR Apache-2.0
//! What root does by time: looks at servers, sends the trace on, prints counters, and kills a server if a test asks for it.

use sawmill_root::hang::LOOKS;
use sawmill_root::reason::End;
use sawmill_root::{inject, names};
use sawmill_rt::{calls, println, time};

use super::state::{Alarms, Root, State};
use super::{hang, record, stream, watch};

/// So long servers may take to let go of clients at the end of a run.
const END_LIMIT_NS: u64 = 10_000_000_000;

/// Sets the first alarms.
pub fn begin(root: &mut Root) {
    root.alarms =
        Alarms { look: next_look(root), drain: stream::next_drain(root), top: next_top(root), ..Alarms::default() };
    arm(root);
}

fn next_look(root: &Root) -> Option<u64> {
    let shortest = root.system.partitions.iter().map(|it| it.hang_after_ns).filter(|ns| *ns != 0).min()?;
    Some(time::tsc() + time::ticks(shortest / LOOKS, root.info.tsc_khz))
}

fn next_top(root: &Root) -> Option<u64> {
    let period_ns = record::top_period_ns(&root.info)?;
    Some(time::tsc().saturating_add(time::ticks(period_ns, root.info.tsc_khz)))
}

fn arm(root: &Root) {
    let Alarms { look, kill, drain, top, end } = root.alarms;
    let next = look.into_iter().chain(kill.map(|(_, at)| at)).chain(drain).chain(top).chain(end).min();
    // Setting a timer has no error; 0 turns it off.
    let _ = calls::timer_set(next.unwrap_or(0));
}

/// Notes that a partition is ready: the boot option may want it killed some time later.
pub fn partition_is_ready(root: &mut Root, index: usize) {
    let Some(kill) = inject::parse(names::unpadded(&root.info.command_line)) else { return };
    if kill.partition == root.name(index) && root.partitions[index].restarts == 0 {
        let ticks = time::ticks(kill.after_ms.saturating_mul(1_000_000), root.info.tsc_khz);
        let at = time::tsc().saturating_add(ticks);
        println!("partition {} will be killed in {} ms", kill.partition, kill.after_ms);
        root.alarms.kill = Some((index, at));
        arm(root);
    }
}

/// Notes that the run is to end, and ends anyway after a while.
pub fn expect_end(root: &mut Root) {
    root.alarms.end = Some(time::tsc().saturating_add(time::ticks(END_LIMIT_NS, root.info.tsc_khz)));
    arm(root);
}

/// Does what is due.
pub fn ring(root: &mut Root) {
    let now = time::tsc();
    if let Some((index, _)) = root.alarms.kill.filter(|(_, at)| *at <= now) {
        root.alarms.kill = None;
        if root.partitions[index].state == State::Ready {
            watch::stopped(root, index, End::Failure, "killed by the boot option");
        }
    }
    if root.alarms.look.is_some_and(|at| at <= now) {
        hang::look(root);
        root.alarms.look = next_look(root);
    }
    if root.alarms.drain.is_some_and(|at| at <= now) {
        stream::read_out(root);
        root.alarms.drain = stream::next_drain(root);
    }
    if root.alarms.top.is_some_and(|at| at <= now) {
        record::print_counters(root);
        root.alarms.top = next_top(root);
    }
    if root.alarms.end.is_some_and(|at| at <= now) {
        println!("servers do not let go of their clients");
        watch::end_now(root);
    }
    arm(root);
}
