// SPDX-License-Identifier: MIT OR Apache-2.0
//! Chrome's trace event format, an array of events and what else is known.

use std::collections::BTreeSet;
use std::io::Write;

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::frames::Recording;
use super::tracks::{self, Mark, Track};

/// Process of the physical CPUs; partitions have their numbers.
const CPUS: u64 = 1000;
/// Threads of a process; thread ids are unique in the file.
const THREADS: u64 = 100;

/// Writes a recording, with root's lines about memory and exits beside the events.
pub fn write(recording: &Recording, lines: &[String], out: &mut impl Write) -> Result<()> {
    let marks = tracks::draw(recording);
    let zero = recording.entries.first().map_or(0, |entry| entry.tsc);
    let time = |tsc: u64| (tsc.saturating_sub(zero)) as f64 * 1000.0 / recording.tsc_khz as f64;
    let other = json!({
        "lost_entries": recording.lost, "is_complete": recording.is_complete, "tsc_khz": recording.tsc_khz,
        "first_tsc": zero, "records": lines,
    });
    write!(out, "{{\"displayTimeUnit\":\"ns\",\"otherData\":{other},\"traceEvents\":[")?;
    let mut separator = "\n";
    let mut put = |event: Value| -> Result<()> {
        out.write_all(separator.as_bytes())?;
        serde_json::to_writer(&mut *out, &event)?;
        separator = ",\n";
        Ok(())
    };
    for event in metadata(recording, &marks) {
        put(event)?;
    }
    for mark in &marks {
        for event in events(mark, &time) {
            put(event)?;
        }
    }
    out.write_all(b"\n]}\n")?;
    Ok(())
}

fn place(track: Track) -> (u64, u64) {
    match track {
        Track::Cpu(cpu) => (CPUS, CPUS * THREADS + cpu),
        Track::Vcpu(partition, index) => (partition, partition * THREADS + index),
        Track::Threads(partition, index) => (partition, partition * THREADS + THREADS / 2 + index),
    }
}

fn metadata(recording: &Recording, marks: &[Mark]) -> Vec<Value> {
    let mut found: BTreeSet<Track> = (0..recording.cpu_count).map(Track::Cpu).collect();
    for (number, partition) in &recording.partitions {
        found.extend((0..).zip(&partition.cpus).map(|(index, _)| Track::Vcpu(*number, index)));
    }
    found.extend(marks.iter().filter_map(|mark| match mark {
        Mark::Slice { track, .. } | Mark::Instant { track, .. } => Some(*track),
        Mark::Flow { .. } | Mark::Completion { .. } => None,
    }));
    let mut events = Vec::new();
    let mut processes = BTreeSet::new();
    for track in found {
        let (pid, tid) = place(track);
        let (process, thread, order) = match track {
            Track::Cpu(cpu) => ("CPUs".to_owned(), format!("CPU {cpu}"), 0),
            Track::Vcpu(partition, index) => {
                (tracks::partition_name(recording, partition), format!("vCPU {index}"), partition)
            }
            Track::Threads(partition, index) => {
                (tracks::partition_name(recording, partition), format!("threads of vCPU {index}"), partition)
            }
        };
        if processes.insert(pid) {
            events.push(json!({"ph": "M", "name": "process_name", "pid": pid, "args": {"name": process}}));
            events.push(json!({"ph": "M", "name": "process_sort_index", "pid": pid, "args": {"sort_index": order}}));
        }
        events.push(json!({"ph": "M", "name": "thread_name", "pid": pid, "tid": tid, "args": {"name": thread}}));
    }
    events
}

fn events(mark: &Mark, time: &impl Fn(u64) -> f64) -> Vec<Value> {
    match mark {
        Mark::Slice { track, name, start, end, details } => {
            let (pid, tid) = place(*track);
            let (ts, dur) = (time(*start), time(*end) - time(*start));
            let arguments = arguments(details);
            vec![
                json!({"ph": "X", "name": name, "cat": category(*track), "pid": pid, "tid": tid, "ts": ts, "dur": dur, "args": arguments}),
            ]
        }
        Mark::Instant { track, name, at, details } => {
            let (pid, tid) = place(*track);
            let arguments = arguments(details);
            vec![
                json!({"ph": "i", "s": "t", "name": name, "cat": "event", "pid": pid, "tid": tid, "ts": time(*at), "args": arguments}),
            ]
        }
        Mark::Completion { id, caller, start, told, at } => {
            vec![step("s", "completion", *id, *caller, time(*start)), step("f", "completion", *id, *told, time(*at))]
        }
        Mark::Flow { id, caller, start, server, taken, end } => {
            let step = |phase, track, ts| step(phase, "call", *id, track, ts);
            // The way back ends within the caller's slice, not at its edge.
            let last = (time(*taken) + time(*end)) / 2.0;
            vec![
                step("s", *caller, time(*start)),
                step("t", *server, time(*taken)),
                step("f", *caller, last.max(time(*start))),
            ]
        }
    }
}

/// A step of a flow.
fn step(phase: &str, name: &str, id: u64, track: Track, ts: f64) -> Value {
    let (pid, tid) = place(track);
    json!({"ph": phase, "bp": "e", "name": name, "cat": "ipc", "id": id, "pid": pid, "tid": tid, "ts": ts})
}

fn category(track: Track) -> &'static str {
    match track {
        Track::Cpu(_) => "running",
        Track::Vcpu(..) => "ipc",
        Track::Threads(..) => "thread",
    }
}

fn arguments(details: &[(&'static str, String)]) -> Value {
    let pairs = details.iter().map(|(key, value)| ((*key).to_owned(), Value::from(value.as_str())));
    Value::Object(pairs.collect::<Map<_, _>>())
}
