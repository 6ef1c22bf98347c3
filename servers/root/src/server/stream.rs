// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sends the trace rings to the host tool while the system runs, with the boot options `trace=on console=mux`.
//!
//! The format is `sawmill_proto::trace`. How often the rings are read follows from how full they were; what was
//! overwritten nevertheless is counted.

use arrayvec::ArrayVec;
use sawmill_abi::console::CHANNEL_RUN;
use sawmill_abi::object::VCPUS_MAX;
use sawmill_abi::trace::TraceEntry;
use sawmill_proto::trace::{BEGIN, CONNECTION, END, ENTRIES, HEAD_WORDS, OPTION, PARTITION, head};
use sawmill_root::{drain, names};
use sawmill_rt::calls;
use sawmill_rt::memory::{Shared, TRACE_ENTRIES, TracePage};
use sawmill_rt::time;

use super::record;
use super::serve::ROOT_NUMBER;
use super::state::Root;

static PAGE: Shared<TracePage> = Shared::zeroed();

/// How far the rings have been sent.
pub struct Stream {
    cursors: ArrayVec<u64, { VCPUS_MAX as usize }>,
    period_ns: u64,
}

/// Begins the stream, if somebody listens.
pub fn begin(root: &mut Root) {
    if !record::has_option(&root.info, "trace=on") || !record::has_option(&root.info, OPTION) {
        return;
    }
    let cursors = (0..root.info.cpu_count.min(VCPUS_MAX)).map(|_| 0).collect();
    root.stream = Some(Stream { cursors, period_ns: drain::FIRST_NS });
    send(BEGIN, 0, &[root.info.tsc_khz, root.info.cpu_count]);
    describe(root);
    read_out(root);
}

/// When the rings are to be read next.
pub fn next_drain(root: &Root) -> Option<u64> {
    let stream = root.stream.as_ref()?;
    Some(time::tsc() + time::ticks(stream.period_ns, root.info.tsc_khz))
}

/// Sends what the rings hold.
pub fn read_out(root: &mut Root) {
    let Some(stream) = &mut root.stream else { return };
    let mut most = 0;
    for (cpu, cursor) in (0..).zip(&mut stream.cursors) {
        let before = *cursor;
        while let Ok((count, next, lost)) = calls::trace_read(cpu, *cursor, &PAGE) {
            let count = usize::try_from(count).unwrap_or(0).min(TRACE_ENTRIES);
            let bytes = count * size_of::<TraceEntry>();
            *cursor = next;
            if bytes != 0 || lost != 0 {
                write_words(&head(ENTRIES, bytes, cpu, lost));
                // Bytes that nobody takes are missed by the host, as a frame without its end.
                let _ = calls::console_write_shared(CHANNEL_RUN, &PAGE, bytes);
            }
            if count < TRACE_ENTRIES {
                break;
            }
        }
        most = most.max(*cursor - before);
    }
    stream.period_ns = drain::next_period(stream.period_ns, most);
}

/// Ends the stream.
pub fn end(root: &mut Root) {
    if root.stream.is_some() {
        // What follows is not part of the run.
        let _ = calls::trace_control(0);
        read_out(root);
        describe(root);
        send(END, 0, &[]);
    }
}

/// Says what the numbers stand for.
fn describe(root: &Root) {
    send_partition(ROOT_NUMBER, "root", &[0]);
    let both = || root.partitions.iter().zip(&root.system.partitions);
    for (running, partition) in both() {
        send_partition(running.number, &partition.name, &running.cpus);
    }
    for connection in &root.system.connections {
        let number = |index: u8| root.partitions.get(usize::from(index)).map_or(0, |running| running.number);
        let (client, server) = (number(connection.client), number(connection.server));
        let [low, high] = names::to_words(&connection.service);
        send(CONNECTION, connection.badge, &[client, server, connection.pool_bytes, low, high]);
    }
}

fn send_partition(number: u64, name: &str, cpus: &[u64]) {
    let mut payload: ArrayVec<u64, { VCPUS_MAX as usize + 2 }> = names::to_words(name).into_iter().collect();
    payload.extend(cpus.iter().copied().take(VCPUS_MAX as usize));
    send(PARTITION, number, &payload);
}

fn send(kind: u64, argument: u64, payload: &[u64]) {
    write_words(&head(kind, size_of_val(payload), argument, 0));
    write_words(payload);
}

fn write_words(words: &[u64]) {
    let mut bytes = [[0; size_of::<u64>()]; HEAD_WORDS + VCPUS_MAX as usize];
    let count = words.len().min(bytes.len());
    for (to, from) in bytes.iter_mut().zip(words) {
        *to = from.to_le_bytes();
    }
    let mut rest = bytes.get(..count).unwrap_or_default().as_flattened();
    // A piece ends with the page that it lies in.
    while let Ok(written @ 1..) = calls::console_write(CHANNEL_RUN, rest) {
        rest = usize::try_from(written).ok().and_then(|written| rest.get(written..)).unwrap_or_default();
    }
}
