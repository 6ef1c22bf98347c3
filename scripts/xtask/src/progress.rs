// SPDX-License-Identifier: MIT OR Apache-2.0
//! Progress by phase: what, how long, where the log is.
//!
//! Everything goes to standard error: standard output belongs to the program that runs on the multiserver.
//! A terminal gets a live line; anything else gets plain lines at a measured pace. Phases that find their
//! result in the cache stay silent when [`set_quiet`] was called, so that a warm `run -- CMD` prints nothing.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How often a plain-line phase says that it is still alive.
const PLAIN_PACE: Duration = Duration::from_secs(10);

static QUIET: AtomicBool = AtomicBool::new(false);

/// Leaves out lines that report no work (cache hits, notes).
pub fn set_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

/// Whether notes are left out.
pub fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// A line for people about something that took no time.
pub fn note(text: &str) {
    if !is_quiet() {
        eprintln!("     {text}");
    }
}

/// A result that was found made.
pub fn cached(what: &str, detail: &str) {
    if !is_quiet() {
        eprintln!(" ok  {what}: unchanged {detail}");
    }
}

/// One phase of work, shown while it runs.
#[derive(Debug)]
pub struct Phase {
    what: String,
    started: Instant,
    bar: Option<ProgressBar>,
    spoke: Instant,
}

impl Phase {
    /// Starts a phase and says so.
    pub fn start(what: &str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} ({elapsed}) {wide_msg}") {
                bar.set_style(style);
            }
            bar.set_prefix(what.to_owned());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        if bar.is_none() {
            eprintln!(" ..  {what}");
        }
        Self { what: what.to_owned(), started: Instant::now(), bar, spoke: Instant::now() }
    }

    /// Reports where the phase is.
    pub fn step(&mut self, message: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(message.to_owned());
        } else if self.spoke.elapsed() >= PLAIN_PACE {
            self.spoke = Instant::now();
            eprintln!(" ..  {} ({:.0} s): {message}", self.what, self.started.elapsed().as_secs_f64());
        }
    }

    /// Ends the phase with what came out of it.
    pub fn done(self, detail: &str) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        eprintln!(" ok  {} ({:.1} s) {detail}", self.what, self.started.elapsed().as_secs_f64());
    }
}

impl Drop for Phase {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar
            && !bar.is_finished()
        {
            bar.finish_and_clear();
        }
    }
}
