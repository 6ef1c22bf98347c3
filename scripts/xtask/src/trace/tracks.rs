// SPDX-License-Identifier: MIT OR Apache-2.0
//! Makes slices, instants and flows of the entries of a recording.
//!
//! A call is a slice on its caller from the exit to the reply, and one on its server from the moment when it was
//! taken to the reply; a flow leads from one to the other and back. A call that is answered `Pending` has another
//! flow to the event that tells of its completion. Slices of one track nest, since a vCPU has one
//! call of its own and one that it serves at a time.

use std::collections::BTreeMap;

use sawmill_abi::event::EVENT_FIRST_FREE;
use sawmill_abi::statistics::ExitClass;
use sawmill_abi::status::Status;
use sawmill_abi::trace::{TraceEntry, TraceKind};

use sawmill_proto::trace::{MARK_THREAD, MARK_THREAD_SHIFT};

use super::frames::{Connection, Recording};
use super::{frames, names};

/// Where something is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Track {
    /// A physical CPU.
    Cpu(u64),
    /// A vCPU: partition and index.
    Vcpu(u64, u64),
    /// The threads of the Linux on a vCPU: partition and index.
    Threads(u64, u64),
}

/// Something to draw; times are ticks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    /// From `start` to `end`.
    Slice { track: Track, name: String, start: u64, end: u64, details: Vec<(&'static str, String)> },
    /// A moment.
    Instant { track: Track, name: String, at: u64, details: Vec<(&'static str, String)> },
    /// From the caller's slice to the server's and back.
    Flow { id: u64, caller: Track, start: u64, server: Track, taken: u64, end: u64 },
    /// From a call that was answered `Pending` to the event that told of its completion.
    Completion { id: u64, caller: Track, start: u64, told: Track, at: u64 },
}

#[derive(Debug, Clone, Copy)]
struct Call {
    start: u64,
    taken: u64,
    badge: u64,
    word: u64,
}

/// A call that was answered `Pending`.
#[derive(Debug, Clone)]
struct Pending {
    caller: Track,
    start: u64,
    name: String,
}

#[derive(Debug, Default)]
struct Vcpu {
    /// When it last left the guest for `portal_call`, and nobody has taken that call yet.
    asked: Option<u64>,
    call: Option<Call>,
}

struct Tracks<'a> {
    recording: &'a Recording,
    marks: Vec<Mark>,
    vcpus: BTreeMap<Track, Vcpu>,
    /// Who runs since when, by CPU.
    running: BTreeMap<u64, (String, u64)>,
    /// When a thread began to run, by track.
    threads: BTreeMap<Track, u64>,
    /// Calls without an answer yet, by server and badge.
    pending: BTreeMap<(u64, u64), Vec<Pending>>,
    flows: u64,
}

/// Everything that there is to draw.
pub fn draw(recording: &Recording) -> Vec<Mark> {
    let (vcpus, running, pending) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let threads = BTreeMap::new();
    let mut tracks = Tracks { recording, marks: Vec::new(), vcpus, running, threads, pending, flows: 0 };
    for entry in &recording.entries {
        tracks.take(entry);
    }
    let last = recording.entries.last().map_or(0, |entry| entry.tsc);
    tracks.finish(last);
    tracks.marks
}

/// The track of partition << 8 | vCPU.
fn vcpu(number: u64) -> Track {
    Track::Vcpu(number >> 8 & 0xff, number & 0xff)
}

impl Tracks<'_> {
    fn take(&mut self, entry: &TraceEntry) {
        let &TraceEntry { tsc, kind, who, a, b } = entry;
        let (own, cpu) = (vcpu(u64::from(who >> 8)), u64::from(who & 0xff));
        if kind == TraceKind::Exit as u32 {
            self.exit(own, tsc, a);
        } else if kind == TraceKind::Call as u32 {
            let state = self.vcpus.entry(own).or_default();
            let start = state.asked.take().unwrap_or(tsc);
            state.call = Some(Call { start, taken: tsc, badge: a, word: b });
        } else if kind == TraceKind::Reply as u32 {
            self.reply(own, vcpu(b), tsc, a);
        } else if kind == TraceKind::Switch as u32 {
            self.switch(cpu, tsc, a);
        } else if kind == TraceKind::Event as u32 {
            self.instant(vcpu(a >> 8), tsc, names::event(a & 0xff), Vec::new());
            self.complete(vcpu(a >> 8), tsc, a & 0xff);
        } else if kind == TraceKind::Interrupt as u32 {
            self.instant(Track::Cpu(cpu), tsc, format!("vector {a:#x}"), Vec::new());
        } else if kind == TraceKind::Fault as u32 {
            let details = vec![("address", format!("{b:#x}"))];
            self.instant(own, tsc, format!("fault: {}", names::fault(a)), details);
        } else if kind == TraceKind::Mark as u32 && a & 0xff == MARK_THREAD {
            self.thread(own, tsc, a >> MARK_THREAD_SHIFT, b);
        } else if kind == TraceKind::Mark as u32 {
            self.instant(own, tsc, format!("mark {a:#x} {b:#x}"), Vec::new());
        }
    }

    fn instant(&mut self, track: Track, at: u64, name: String, details: Vec<(&'static str, String)>) {
        self.marks.push(Mark::Instant { track, name, at, details });
    }

    fn exit(&mut self, own: Track, tsc: u64, class: u64) {
        self.instant(own, tsc, names::exit(class), Vec::new());
        // It runs again, so whatever it asked for is over.
        self.end_call(own, tsc, "no reply seen");
        let state = self.vcpus.entry(own).or_default();
        state.asked = (class == ExitClass::PortalCall as u64).then_some(tsc);
    }

    fn end_call(&mut self, caller: Track, tsc: u64, how: &str) {
        let Some(Call { start, badge, word, .. }) = self.vcpus.entry(caller).or_default().call.take() else { return };
        let name = names::call(self.recording, None, badge, word);
        let details = vec![("status", how.to_owned()), ("badge", badge.to_string())];
        self.marks.push(Mark::Slice { track: caller, name, start, end: tsc, details });
    }

    fn reply(&mut self, server: Track, caller: Track, end: u64, status: u64) {
        let Some(Call { start, taken, badge, word }) = self.vcpus.entry(caller).or_default().call.take() else {
            return;
        };
        let Track::Vcpu(partition, _) = server else { return };
        let name = names::call(self.recording, Some(partition), badge, word);
        let details = vec![("status", names::status(status)), ("badge", badge.to_string())];
        self.marks.push(Mark::Slice { track: caller, name: name.clone(), start, end, details: details.clone() });
        self.marks.push(Mark::Slice { track: server, name, start: taken, end, details });
        self.flows += 1;
        self.marks.push(Mark::Flow { id: self.flows, caller, start, server, taken, end });
        if status == Status::Pending as u64 {
            let name = names::call(self.recording, Some(partition), badge, word);
            self.pending.entry((partition, badge)).or_default().push(Pending { caller, start, name });
        }
    }

    /// An event of a connection tells its client that calls are complete: which ones is in memory that no trace
    /// sees, so it is drawn for all that wait.
    fn complete(&mut self, told: Track, at: u64, bit: u64) {
        let Track::Vcpu(client, _) = told else { return };
        let Some(place) = bit.checked_sub(EVENT_FIRST_FREE) else { return };
        let is_meant = |of: &Connection| of.place == place && of.client == client;
        let found = self.recording.connections.iter().find(|(_, connection)| is_meant(connection));
        let Some(waiting) = found.and_then(|(key, _)| self.pending.remove(key)) else { return };
        for Pending { caller, start, name } in waiting {
            let name = format!("{name} completed");
            self.marks.push(Mark::Slice { track: told, name, start: at, end: at, details: Vec::new() });
            self.flows += 1;
            self.marks.push(Mark::Completion { id: self.flows, caller, start, told, at });
        }
    }

    fn switch(&mut self, cpu: u64, tsc: u64, number: u64) {
        self.end_running(cpu, tsc);
        if number != 0 {
            self.running.insert(cpu, (vcpu_name(self.recording, vcpu(number)), tsc));
        }
    }

    /// A thread stops: it ran since the one before it stopped. How long the first one has run is not known.
    fn thread(&mut self, own: Track, tsc: u64, number: u64, name: u64) {
        let Track::Vcpu(partition, index) = own else { return };
        let track = Track::Threads(partition, index);
        let Some(start) = self.threads.insert(track, tsc) else { return };
        let name = frames::text(&[name]);
        let details = vec![("thread", number.to_string())];
        self.marks.push(Mark::Slice { track, name, start, end: tsc, details });
    }

    fn end_running(&mut self, cpu: u64, tsc: u64) {
        if let Some((name, start)) = self.running.remove(&cpu) {
            let track = Track::Cpu(cpu);
            self.marks.push(Mark::Slice { track, name, start, end: tsc, details: Vec::new() });
        }
    }

    fn finish(&mut self, last: u64) {
        for track in self.vcpus.keys().copied().collect::<Vec<_>>() {
            self.end_call(track, last, "open at the end");
        }
        for cpu in self.running.keys().copied().collect::<Vec<_>>() {
            self.end_running(cpu, last);
        }
    }
}

/// A partition's name.
pub fn partition_name(recording: &Recording, number: u64) -> String {
    recording.partitions.get(&number).map_or_else(|| format!("partition {number}"), |it| it.name.clone())
}

fn vcpu_name(recording: &Recording, track: Track) -> String {
    match track {
        Track::Cpu(cpu) => format!("CPU {cpu}"),
        Track::Vcpu(partition, index) | Track::Threads(partition, index) => {
            format!("{}/{index}", partition_name(recording, partition))
        }
    }
}
