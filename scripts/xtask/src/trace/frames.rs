// SPDX-License-Identifier: MIT OR Apache-2.0
//! Takes root's stream (`sawmill_proto::trace`) apart.

use std::collections::BTreeMap;

use sawmill_abi::trace::TraceEntry;
use sawmill_proto::trace::{BEGIN, CONNECTION, END, ENTRIES, HEAD_WORDS, MAGIC, PARTITION, PAYLOAD_MAX};

const WORD: usize = size_of::<u64>();
const HEAD_BYTES: usize = HEAD_WORDS * WORD;
const ENTRY_WORDS: usize = size_of::<TraceEntry>() / WORD;

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its name.
    pub name: String,
    /// The physical CPU of each vCPU.
    pub cpus: Vec<u64>,
}

/// A connection, found by server and badge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Number of the calling partition.
    pub client: u64,
    /// Its place in the description, from 0.
    pub place: u64,
    /// Name of the service.
    pub service: String,
    /// Bytes of the page cache that it carries; only file services have one.
    pub pool_bytes: u64,
}

/// Everything that was recorded.
#[derive(Debug, Default)]
pub struct Recording {
    /// Ticks of the time stamp counter in a millisecond.
    pub tsc_khz: u64,
    /// Physical CPUs.
    pub cpu_count: u64,
    /// Partitions by number.
    pub partitions: BTreeMap<u64, Partition>,
    /// Connections by number of the server and badge.
    pub connections: BTreeMap<(u64, u64), Connection>,
    /// The entries in the order of time.
    pub entries: Vec<TraceEntry>,
    /// Entries that were overwritten before root read them.
    pub lost: u64,
    /// Whether the end was seen.
    pub is_complete: bool,
}

/// Reads the frames of a stream; text between them is skipped.
pub fn parse(bytes: &[u8]) -> Recording {
    let mut recording = Recording { tsc_khz: 1_000_000, ..Recording::default() };
    let magic = MAGIC.to_le_bytes();
    let mut rest = bytes;
    while let Some(at) = rest.windows(WORD).position(|window| window == magic) {
        rest = &rest[at..];
        let Some(head) = rest.get(..HEAD_BYTES).map(words) else { break };
        let (kind, length) = (head[1] & 0xffff_ffff, (head[1] >> 32) as usize);
        match rest.get(HEAD_BYTES..HEAD_BYTES + length) {
            Some(payload) if length <= PAYLOAD_MAX => {
                take(&mut recording, kind, head[2], head[3], &words(payload));
                rest = &rest[HEAD_BYTES + length..];
            }
            _ => rest = &rest[WORD..],
        }
    }
    recording.entries.sort_by_key(|entry| entry.tsc);
    recording
}

fn take(recording: &mut Recording, kind: u64, argument: u64, lost: u64, payload: &[u64]) {
    match (kind, payload) {
        (BEGIN, &[tsc_khz, cpu_count]) if tsc_khz != 0 => {
            (recording.tsc_khz, recording.cpu_count) = (tsc_khz, cpu_count);
        }
        (PARTITION, &[low, high, ref cpus @ ..]) => {
            let partition = Partition { name: text(&[low, high]), cpus: cpus.to_vec() };
            recording.partitions.insert(argument, partition);
        }
        (CONNECTION, &[client, server, pool_bytes, low, high]) => {
            let key = (server, argument);
            // Said twice, in the same order: at the beginning and at the end.
            let known = recording.connections.get(&key).map(|connection| connection.place);
            let place = known.unwrap_or(recording.connections.len() as u64);
            recording.connections.insert(key, Connection { client, place, service: text(&[low, high]), pool_bytes });
        }
        (ENTRIES, _) => {
            recording.lost += lost;
            recording.entries.extend(payload.chunks_exact(ENTRY_WORDS).map(entry));
        }
        (END, _) => recording.is_complete = true,
        _ => {}
    }
}

fn entry(words: &[u64]) -> TraceEntry {
    TraceEntry { tsc: words[0], kind: words[1] as u32, who: (words[1] >> 32) as u32, a: words[2], b: words[3] }
}

fn words(bytes: &[u8]) -> Vec<u64> {
    let (words, _) = bytes.as_chunks::<WORD>();
    words.iter().map(|word| u64::from_le_bytes(*word)).collect()
}

/// The text in words that are padded with zeros.
pub fn text(words: &[u64]) -> String {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    String::from_utf8_lossy(&bytes).trim_end_matches('\0').to_owned()
}
