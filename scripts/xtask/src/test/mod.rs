// SPDX-License-Identifier: MIT OR Apache-2.0
//! `xtask test`: every test by name, bounded in time, with one line each and a last line that counts.
//!
//! Tests of the source come first; what boots a machine then goes two at a time.

mod alike;
mod boots;
mod compare;
mod conformance;
mod corrupt;
mod epitaph;
mod files;
mod hostile;
pub mod measure;
mod nested;
mod net;
mod refusals;
mod release_image;
mod restart;
mod screen;
mod source;
mod support;
mod top;
mod trace_file;
mod two_apps;
mod vectors;

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

pub use measure::print as print_measures;
use support::Bench;

/// Machines that boot at the same time.
const MACHINES: usize = 2;

/// What came of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Passed,
    Failed,
    /// Counted as neither.
    Skipped,
}

/// Why a test cannot be run here, as its error.
#[derive(Debug)]
pub struct Skipped(&'static str);

impl std::fmt::Display for Skipped {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.0)
    }
}

impl std::error::Error for Skipped {}

/// How the names of tests begin that boot no Linux.
const WITHOUT_LINUX: [&str; 4] = ["refusal-", "conformance-", "fuzz-", "epitaph"];

/// One test.
pub struct Case {
    /// Its name; a filter selects by a part of it.
    pub name: &'static str,
    /// Longest time it may take, seconds.
    pub limit_s: u64,
    /// The test; an error is a failure, and says why.
    pub run: fn(&Bench) -> Result<()>,
}

/// Options of `xtask test`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Runs only tests whose names contain one of these.
    filters: Vec<String>,
    /// Lists the names.
    #[arg(long)]
    list: bool,
    /// Also runs the long ones, which otherwise only run by name.
    #[arg(long)]
    all: bool,
}

/// Runs the tests; true when none failed.
pub fn run(options: &Options) -> Result<bool> {
    let is_wanted =
        |case: &&Case| options.filters.is_empty() || options.filters.iter().any(|filter| case.name.contains(filter));
    let source: Vec<&Case> = source::CASES.iter().filter(is_wanted).collect();
    let has_long = options.all || options.list || !options.filters.is_empty();
    let long: &[&[Case]] = if has_long {
        &[
            conformance::LONG,
            files::LONG,
            files::judges::LONG,
            net::LONG,
            net::judges::LONG,
            compare::LONG,
            nested::LONG,
            hostile::LONG,
            corrupt::LONG,
        ]
    } else {
        &[]
    };
    let machines = [
        refusals::CASES,
        release_image::CASES,
        epitaph::CASES,
        conformance::CASES,
        boots::CASES,
        vectors::CASES,
        restart::CASES,
        files::CASES,
        files::judges::CASES,
        compare::CASES,
        net::CASES,
        two_apps::CASES,
        alike::CASES,
        hostile::CASES,
        corrupt::CASES,
    ];
    let boots: Vec<&Case> = machines.iter().chain(long).copied().flatten().filter(is_wanted).collect();
    if options.list {
        for case in source.iter().chain(&boots) {
            println!("{}", case.name);
        }
        return Ok(true);
    }
    if source.is_empty() && boots.is_empty() {
        bail!("no test has a name like that; --list shows them");
    }
    let mut passed = 0;
    let mut failed = 0;
    for results in [all(&source, 1)?, prepare_and_boot(&boots)?] {
        passed += results.0;
        failed += results.1;
    }
    measure::print_remembered();
    if options.filters.is_empty() {
        print_measures();
    }
    println!("{passed} passed, {failed} failed");
    Ok(failed == 0)
}

/// Builds what boots before the time of any test runs, so that a cold cache fails no test.
fn prepare_and_boot(cases: &[&Case]) -> Result<(usize, usize)> {
    if cases.is_empty() {
        return Ok((0, 0));
    }
    let names: Vec<&str> = cases.iter().map(|case| case.name).collect();
    let needs_debian = names.iter().any(|name| name.contains("debian"));
    let needs_linux = names.iter().any(|name| !WITHOUT_LINUX.iter().any(|kind| name.starts_with(kind)));
    let prepare = || {
        boots::prepare(needs_debian)?;
        files::judges::prepare(&names)?;
        net::judges::prepare(&names)
    };
    if needs_linux && let Err(error) = prepare() {
        println!("FAILED prepare: {error:#}");
        return Ok((0, cases.len()));
    }
    all(cases, MACHINES)
}

/// Runs `cases` with `workers` at a time; returns how many passed and failed.
fn all(cases: &[&Case], workers: usize) -> Result<(usize, usize)> {
    let queue: Mutex<VecDeque<&Case>> = Mutex::new(cases.iter().copied().collect());
    let verdicts = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(case) = queue.lock().ok().and_then(|mut queue| queue.pop_front()) {
                    let verdict = one(case);
                    if let Ok(mut verdicts) = verdicts.lock() {
                        verdicts.push(verdict);
                    }
                }
            });
        }
    });
    let verdicts = verdicts.into_inner().unwrap_or_default();
    let count = |wanted| verdicts.iter().filter(|verdict| **verdict == wanted).count();
    Ok((count(Verdict::Passed), cases.len() - count(Verdict::Passed) - count(Verdict::Skipped)))
}

fn one(case: &Case) -> Verdict {
    let started = Instant::now();
    let result = Bench::new(case.name, Duration::from_secs(case.limit_s)).and_then(|bench| (case.run)(&bench));
    let seconds = started.elapsed().as_secs_f64();
    match &result {
        // One piece, so that parallel tests do not mix.
        Ok(()) => println!("ok {} ({seconds:.1} s)", case.name),
        Err(error) if error.is::<Skipped>() => {
            println!("SKIPPED {}: {error:#}", case.name);
            return Verdict::Skipped;
        }
        Err(error) => println!("FAILED {} ({seconds:.1} s): {error:#}", case.name),
    }
    if result.is_ok() { Verdict::Passed } else { Verdict::Failed }
}
