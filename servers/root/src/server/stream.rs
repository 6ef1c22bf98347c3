// SPDX-License-Identifier: MIT OR Apache-2.0
//! Gathers the trace rings in memory while the system runs, with the boot options `trace=on console=mux`, and sends them
//! to the host tool at the end: on its way out a byte costs many instructions, which the traced programs would pay for.
//!
//! The format is `sawmill_proto::trace`. How often the rings are read follows from how full they were; what was
//! overwritten nevertheless is counted. Memory that is full is sent, and filled again.

use arrayvec::ArrayVec;
use sawmill_abi::PAGE_SIZE;
use sawmill_abi::console::CHANNEL_RUN;
use sawmill_abi::object::{RIGHT_REGION_READ, RIGHT_REGION_WRITE, VCPUS_MAX};
use sawmill_abi::status::Status;
use sawmill_abi::trace::TraceEntry;
use sawmill_proto::trace::{BEGIN, CONNECTION, END, ENTRIES, HEAD_WORDS, OPTION, PARTITION, head};
use sawmill_root::failure::Failure;
use sawmill_root::{drain, failure, names};
use sawmill_rt::calls::{self, SELF, Selector};
use sawmill_rt::memory::{TRACE_ENTRIES, Window};
use sawmill_rt::time;

use super::record;
use super::serve::ROOT_NUMBER;
use super::state::Root;

/// The most memory that a trace may gather in; where the machine has less, it gets less.
pub const BUFFER_PAGES: u64 = (32 << 20) / PAGE_SIZE;
/// The least that is tried.
const BUFFER_PAGES_MIN: u64 = 16;
const HEAD_BYTES: u64 = size_of::<[u64; HEAD_WORDS]>() as u64;

/// How far the rings have been read, and what they held.
pub struct Stream {
    cursors: ArrayVec<u64, { VCPUS_MAX as usize }>,
    period_ns: u64,
    gathered: Gathered,
}

/// Frames of entries in memory: first all heads, then a page of entries for each.
struct Gathered {
    window: Window<'static>,
    count: u64,
    capacity: u64,
}

impl Gathered {
    fn new(window: Window<'static>, pages: u64) -> Self {
        let capacity = pages * PAGE_SIZE / (PAGE_SIZE + HEAD_BYTES) - 1;
        Self { window, count: 0, capacity }
    }

    /// Number of the page where the entries of frame `index` are.
    fn page(&self, index: u64) -> u64 {
        (self.capacity * HEAD_BYTES).div_ceil(PAGE_SIZE) + index
    }

    /// Reads the ring of a CPU into the next frame: how many entries there were, and the new cursor.
    fn read(&mut self, cpu: u64, cursor: u64) -> Option<(usize, u64)> {
        if self.count == self.capacity {
            self.send();
        }
        let page = self.page(self.count);
        let (count, next, lost) = calls::trace_read_into(cpu, cursor, &mut self.window, page).ok()?;
        let count = usize::try_from(count).ok()?.min(TRACE_ENTRIES);
        if count != 0 || lost != 0 {
            let head = head(ENTRIES, count * size_of::<TraceEntry>(), cpu, lost);
            self.window.write_record(self.count * HEAD_BYTES, &head)?;
            self.count += 1;
        }
        Some((count, next))
    }

    /// Sends all frames, and forgets them.
    fn send(&mut self) {
        for index in 0..core::mem::take(&mut self.count) {
            let Some(head) = self.window.read_record::<[u64; HEAD_WORDS]>(index * HEAD_BYTES) else { continue };
            let start = usize::try_from(self.page(index) * PAGE_SIZE).unwrap_or(usize::MAX);
            let length = usize::try_from(head[1] >> u32::BITS).unwrap_or(0);
            write_words(&head);
            write_bytes(self.window.bytes().get(start..).and_then(|rest| rest.get(..length)).unwrap_or_default());
        }
    }
}

/// Begins the stream, if somebody listens.
pub fn begin(root: &mut Root) -> Result<(), Failure> {
    if !record::has_option(&root.info, "trace=on") || !record::has_option(&root.info, OPTION) {
        return Ok(());
    }
    let (region, pages) = allocate().map_err(|status| failure!("no memory for the trace: {status:?}"))?;
    let place = root.windows.trace.take().ok_or_else(|| failure!("the trace began twice"))?;
    let window = place
        .map_for_good(region, pages, RIGHT_REGION_READ | RIGHT_REGION_WRITE)
        .map_err(|status| failure!("memory for the trace cannot be mapped: {status:?}"))?;
    let cursors = (0..root.info.cpu_count.min(VCPUS_MAX)).map(|_| 0).collect();
    let gathered = Gathered::new(window, pages);
    root.stream = Some(Stream { cursors, period_ns: drain::FIRST_NS, gathered });
    send(BEGIN, 0, &[root.info.tsc_khz, root.info.cpu_count]);
    describe(root);
    read_out(root);
    Ok(())
}

/// As much memory as there is, up to the most.
fn allocate() -> Result<(Selector, u64), Status> {
    let mut pages = BUFFER_PAGES;
    loop {
        match calls::region_create(SELF, pages, 0) {
            Ok(region) => return Ok((region, pages)),
            Err(status) if pages <= BUFFER_PAGES_MIN => return Err(status),
            Err(_) => pages /= 2,
        }
    }
}

/// When the rings are to be read next.
pub fn next_drain(root: &Root) -> Option<u64> {
    let stream = root.stream.as_ref()?;
    Some(time::tsc() + time::ticks(stream.period_ns, root.info.tsc_khz))
}

/// Gathers what the rings hold.
pub fn read_out(root: &mut Root) {
    let Some(stream) = &mut root.stream else { return };
    let mut most = 0;
    for (cpu, cursor) in (0..).zip(&mut stream.cursors) {
        let before = *cursor;
        while let Some((count, next)) = stream.gathered.read(cpu, *cursor) {
            *cursor = next;
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
        if let Some(stream) = &mut root.stream {
            stream.gathered.send();
        }
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
    write_bytes(bytes.get(..count).unwrap_or_default().as_flattened());
}

/// What nobody takes is missed by the host, as a frame without its end.
fn write_bytes(mut rest: &[u8]) {
    // A piece ends with the page that it lies in.
    while let Ok(written @ 1..) = calls::console_write(CHANNEL_RUN, rest) {
        rest = usize::try_from(written).ok().and_then(|written| rest.get(written..)).unwrap_or_default();
    }
}
