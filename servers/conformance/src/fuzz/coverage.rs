// SPDX-License-Identifier: MIT OR Apache-2.0
//! How often which hypercall ended with which status.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use sawmill_abi::hypercall::{Hypercall, TABLE};
use sawmill_abi::status::Status;
use sawmill_rt::{print, println};

/// Known status codes, and one for all others.
const STATUSES: usize = 18;
/// Rows of the table, and one for numbers that are in no row.
const ROWS: usize = TABLE.len() + 1;

/// Which row a number has.
const ROW_OF: [usize; 256] = {
    let mut rows = [ROWS - 1; 256];
    let mut row = 0;
    while row < TABLE.len() {
        rows[TABLE[row].call as usize] = row;
        row += 1;
    }
    rows
};

static TOTAL: AtomicU64 = AtomicU64::new(0);
static COUNTS: [[AtomicU64; STATUSES]; ROWS] = [const { [const { AtomicU64::new(0) }; STATUSES] }; ROWS];

/// Rows that cannot end with OK here: one would end the run, the other needs a device with MSI.
const NEVER_OK: [Hypercall; 2] = [Hypercall::MachineShutdown, Hypercall::DeviceMsi];
/// Rows without any error, for whoever is at privilege level 0.
const NEVER_FAIL: [Hypercall; 4] =
    [Hypercall::AbiVersion, Hypercall::VcpuWait, Hypercall::TimerSet, Hypercall::TraceMark];

/// Counts an end.
pub fn note(number: u64, status: u64) {
    let row = usize::try_from(number).ok().and_then(|number| ROW_OF.get(number)).copied().unwrap_or(ROWS - 1);
    let column = usize::try_from(status).unwrap_or(STATUSES).min(STATUSES - 1);
    if let Some(count) = COUNTS.get(row).and_then(|row| row.get(column)) {
        count.fetch_add(1, SeqCst);
        TOTAL.fetch_add(1, SeqCst);
    }
}

/// All calls so far.
pub fn total() -> u64 {
    TOTAL.load(SeqCst)
}

/// Prints all counts; returns how many rows were not reached as they should have been.
pub fn report() -> u64 {
    let mut missing = 0;
    for (index, counts) in COUNTS.iter().enumerate() {
        let entry = TABLE.get(index);
        let ok = counts.first().map_or(0, |count| count.load(SeqCst));
        let all: u64 = counts.iter().map(|count| count.load(SeqCst)).sum();
        print!("coverage {}: {all} calls", entry.map_or("(unknown number)", |entry| entry.name));
        for (raw, count) in (0..).zip(counts) {
            match (count.load(SeqCst), Status::from_raw(raw)) {
                (0, _) => {}
                (count, Some(status)) => print!(", {status:?} {count}"),
                (count, None) => print!(", other {count}"),
            }
        }
        println!();
        let Some(entry) = entry else { continue };
        if ok == 0 && !NEVER_OK.contains(&entry.call) {
            println!("FAILED fuzz: {} never ended with OK", entry.name);
            missing += 1;
        }
        if ok == all && !NEVER_FAIL.contains(&entry.call) {
            println!("FAILED fuzz: {} never ended with an error", entry.name);
            missing += 1;
        }
    }
    missing
}
