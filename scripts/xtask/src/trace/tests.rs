// SPDX-License-Identifier: MIT OR Apache-2.0
//! A recorded sample, rendered and read again by a library.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use sawmill_abi::trace::{TraceEntry, TraceKind};
use sawmill_proto::trace::{BEGIN, CONNECTION, END, ENTRIES, PARTITION, head};
use serde_json::Value;

use super::{check, frames, json};

fn frame(kind: u64, argument: u64, payload: &[u64]) -> Vec<u8> {
    let head = head(kind, payload.len() * 8, argument, 0);
    head.iter().chain(payload).flat_map(|word| word.to_le_bytes()).collect()
}

fn name(text: &str) -> [u64; 2] {
    let mut bytes = [0; 16];
    bytes[..text.len()].copy_from_slice(text.as_bytes());
    let half = |at: usize| bytes[at..at + 8].iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    [half(0), half(8)]
}

fn entry(tsc: u64, kind: TraceKind, who: u64, a: u64, b: u64) -> [u64; 4] {
    [tsc, kind as u64 | (who << 8) << 32, a, b]
}

/// app (3) looks something up in ext2 (2), which asks root meanwhile; later a call is never answered.
fn sample() -> Vec<u8> {
    let (root, ext2, app) = (0x100, 0x200, 0x300);
    let entries = [
        entry(1000, TraceKind::Switch, app, app, 0),
        entry(2000, TraceKind::Exit, app, 1, 0),
        entry(2010, TraceKind::Call, app, 7, 5 | 1 << 48),
        entry(2020, TraceKind::Switch, ext2, ext2, 0),
        entry(2100, TraceKind::Exit, ext2, 1, 0),
        entry(2110, TraceKind::Call, ext2, 1, 3),
        entry(2120, TraceKind::Switch, root, root, 0),
        entry(2200, TraceKind::Exit, root, 2, 0),
        entry(2210, TraceKind::Reply, root, 0, ext2),
        entry(2220, TraceKind::Switch, ext2, ext2, 0),
        entry(2300, TraceKind::Exit, ext2, 2, 0),
        entry(2310, TraceKind::Reply, ext2, 12, app),
        entry(2320, TraceKind::Switch, app, app, 0),
        entry(2400, TraceKind::Event, app, 0x300 << 8 | 8, 0),
        entry(2500, TraceKind::Exit, app, 1, 0),
        entry(2510, TraceKind::Call, app, 7, 6 | 15 << 48),
        entry(2600, TraceKind::Exit, app, 4, 0),
        entry(2700, TraceKind::Interrupt, 0, 0x30, 0),
        entry(2710, TraceKind::Mark, app, 7 << 8 | 1, name("sh")[0]),
        entry(2750, TraceKind::Mark, app, 8 << 8 | 1, name("init")[0]),
        entry(2760, TraceKind::Mark, app, 0, 1),
        entry(2800, TraceKind::Switch, 0, 0, 0),
    ];
    let mut stream = b"Next at t=0\n".to_vec();
    stream.extend(frame(BEGIN, 0, &[1000, 1]));
    for (number, text) in [(1, "root"), (2, "ext2"), (3, "app")] {
        stream.extend(frame(PARTITION, number, &[name(text).as_slice(), &[0]].concat()));
    }
    stream.extend(frame(CONNECTION, 7, &[[3, 2, 4096].as_slice(), &name("root-fs")].concat()));
    stream.extend(b"text of the emulator");
    stream.extend(frame(ENTRIES, 0, entries.as_flattened()));
    stream.extend(frame(END, 0, &[]));
    stream
}

fn rendered(stream: &[u8]) -> Result<Value> {
    let mut out = Vec::new();
    json::write(&frames::parse(stream), &["MEMORY app 1 2".to_owned()], &mut out)?;
    Ok(serde_json::from_slice(&out)?)
}

#[test]
fn sample_is_drawn_as_it_was() -> Result<()> {
    let value = rendered(&sample())?;
    let found = check::check(&value)?;
    assert_eq!((found.calls, found.completions), (2, 1));
    let app = found.slices.get("app").context("app")?;
    assert_eq!(app, &["root-fs LOOKUP", "root-fs LOOKUP completed", "call"].map(str::to_owned));
    assert_eq!(
        found.slices.get("ext2").context("ext2")?,
        &["root look up name".to_owned(), "root-fs LOOKUP".to_owned()]
    );
    assert_eq!(found.threads.get("app").context("no threads")?.iter().collect::<Vec<_>>(), ["init"]);
    let events = value["traceEvents"].as_array().context("no events")?;
    let lookup = events.iter().find(|it| it["name"] == "root-fs LOOKUP" && it["pid"] == 3).context("no call")?;
    assert_eq!((lookup["ts"].as_f64(), lookup["dur"].as_f64()), (Some(1000.0), Some(310.0)));
    assert_eq!(lookup["args"]["status"], "Pending");
    let last_run = events.iter().rfind(|it| it["cat"] == "running").context("no run")?;
    assert_eq!((last_run["name"].as_str(), last_run["dur"].as_f64()), (Some("app/0"), Some(480.0)));
    for expected in ["timer", "event 8", "vector 0x30", "mark 0x0 0x1"] {
        assert!(events.iter().any(|it| it["name"] == expected), "{expected}");
    }
    assert_eq!(value["otherData"]["lost_entries"], 0);
    Ok(())
}

#[test]
fn any_piece_of_a_stream_can_be_drawn() -> Result<()> {
    let stream = sample();
    for end in (0..stream.len()).step_by(7) {
        check::check(&rendered(&stream[..end])?)?;
        check::check(&rendered(&stream[end..])?)?;
    }
    assert!(!frames::parse(&stream[..stream.len() - 1]).is_complete);
    Ok(())
}

#[test]
fn lost_entries_leave_no_crossing_slices() -> Result<()> {
    let whole = frames::parse(&sample());
    for missing in 0..whole.entries.len() {
        let mut entries: Vec<TraceEntry> = whole.entries.clone();
        entries.remove(missing);
        let partial = frames::Recording { entries, partitions: BTreeMap::new(), ..frames::parse(&sample()) };
        let mut out = Vec::new();
        json::write(&partial, &[], &mut out)?;
        check::check(&serde_json::from_slice(&out)?)?;
    }
    Ok(())
}
