// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writes counters to the console at the end of a run, and with the boot option `trace=on` the trace rings, too.
//!
//! The boot option `statistics=on` gives the counters alone; with `top=SECONDS` they come all the time, in the format
//! of `sawmill_proto::statistics`.
//!
//! Lines: `MEMORY partition region-pages kernel-frames`, `STATISTICS partition vcpu exits... run_tsc calls served injections` and
//! `TRACE cpu tsc kind who a b`, numbers but for the name in hexadecimal.

use core::fmt;

use sawmill_abi::machine::RootInfo;
use sawmill_abi::statistics::{PartitionStatistics, VcpuStatistics};
use sawmill_abi::trace::TraceEntry;
use sawmill_proto::root::LIFE_READY;
use sawmill_proto::statistics::{EXIT_NAMES, LIFE_NAMES, OPTION};
use sawmill_root::names;
use sawmill_rt::calls::{self, SELF, Selector};
use sawmill_rt::memory::{Shared, TracePage};
use sawmill_rt::{println, time};

use super::serve::{self, ROOT_NUMBER};
use super::state::Root;

static STATISTICS: Shared<PartitionStatistics> = Shared::zeroed();
static TRACE: Shared<TracePage> = Shared::zeroed();

/// Everything that can be traced.
const TRACE_ALL: u64 = !0;

/// True if the hypervisor was given this option.
pub fn has_option(info: &RootInfo, wanted: &str) -> bool {
    names::unpadded(&info.command_line).split_ascii_whitespace().any(|option| option == wanted)
}

/// Every how many nanoseconds the counters are to be printed, if at all.
pub fn top_period_ns(info: &RootInfo) -> Option<u64> {
    let option = names::unpadded(&info.command_line).split_ascii_whitespace().find_map(|it| it.strip_prefix(OPTION))?;
    let seconds: u64 = option.parse().ok().filter(|seconds| *seconds != 0)?;
    seconds.checked_mul(1_000_000_000)
}

/// Starts what is to be recorded.
pub fn begin(info: &RootInfo) {
    if has_option(info, "trace=on")
        && let Err(status) = calls::trace_control(TRACE_ALL)
    {
        println!("tracing cannot be turned on: {status:?}");
    }
}

/// Writes the records.
pub fn write(root: &Root) {
    let is_traced = has_option(&root.info, "trace=on");
    if !is_traced && !has_option(&root.info, "statistics=on") {
        return;
    }
    // What follows is not part of the run.
    let _ = calls::trace_control(0);
    for (running, partition) in root.partitions.iter().zip(&root.system.partitions) {
        let Ok(page) = calls::partition_statistics(running.selector, &STATISTICS) else { continue };
        println!("MEMORY {} {:x} {:x}", partition.name, page.region_pages, page.kernel_frames);
        let count = usize::try_from(page.vcpu_count).unwrap_or(0);
        for (number, vcpu) in page.vcpus.iter().take(count).enumerate() {
            let (exits, run, calls, served) = (&vcpu.exits, vcpu.run_tsc, vcpu.calls, vcpu.served);
            println!(
                "STATISTICS {} {number:x} {exits:x?} {run:x} {calls:x} {served:x} {:x}",
                partition.name, vcpu.injections
            );
        }
    }
    // A stream has carried the rings already.
    for cpu in (0..root.info.cpu_count).filter(|_| is_traced && root.stream.is_none()) {
        write_trace(cpu);
    }
}

/// Prints one reading of all counters.
pub fn print_counters(root: &Root) {
    println!("time tsc={} khz={}", time::tsc(), root.info.tsc_khz);
    print_partition(SELF, "root", ROOT_NUMBER, LIFE_READY, 0);
    for (running, partition) in root.partitions.iter().zip(&root.system.partitions) {
        let life = serve::life(running.state);
        print_partition(running.selector, &partition.name, running.number, life, running.restarts);
    }
    println!("end");
}

fn print_partition(selector: Selector, name: &str, number: u64, life: u64, restarts: u64) {
    let life = usize::try_from(life).ok().and_then(|life| LIFE_NAMES.get(life)).unwrap_or(&"");
    // A partition that is not there has none.
    let page = calls::partition_statistics(selector, &STATISTICS).unwrap_or_default();
    let (pages, frames) = (page.region_pages, page.kernel_frames);
    let (quota_pages, quota_frames) = (page.region_quota_pages, page.kernel_quota_frames);
    println!(
        "partition name={name} number={number} life={life} restarts={restarts} pages={pages} frames={frames} \
         quota_pages={quota_pages} quota_frames={quota_frames}"
    );
    let count = usize::try_from(page.vcpu_count).unwrap_or(0);
    for (index, vcpu) in page.vcpus.iter().take(count).enumerate() {
        let VcpuStatistics { run_tsc: run, calls, served, injections, .. } = vcpu;
        println!(
            "vcpu of={name} index={index} run={run} calls={calls} served={served} injections={injections}{}",
            Exits(vcpu)
        );
    }
}

/// Exits by name.
struct Exits<'vcpu>(&'vcpu VcpuStatistics);

impl fmt::Display for Exits<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        EXIT_NAMES.iter().zip(self.0.exits).try_for_each(|(name, exits)| write!(out, " {name}={exits}"))
    }
}

fn write_trace(cpu: u64) {
    let mut cursor = 0;
    while let Ok((count, next, _)) = calls::trace_read(cpu, cursor, &TRACE) {
        let count = usize::try_from(count).unwrap_or(0);
        for TraceEntry { tsc, kind, who, a, b } in TRACE.read().0.iter().take(count) {
            println!("TRACE {cpu:x} {tsc:x} {kind:x} {who:x} {a:x} {b:x}");
        }
        if count == 0 || next == cursor {
            return;
        }
        cursor = next;
    }
}
