// SPDX-License-Identifier: MIT OR Apache-2.0
//! One run, from the first byte on the serial line to the verdict.
//!
//! A verdict is something that was said within its time limit; silence is failure. [`Session`] takes events
//! from threads (serial ports, standard input, signals) and is the only one that talks to the emulator.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use anyhow::Result;
use sawmill_abi::console::{CHANNEL_RUN, CHANNEL_TERMINAL};

use super::channel::{self, Report};
use super::console::Console;
use super::emulator::Emulator;
use super::input::{self, Pace};
use super::log::{Log, ROOT};
use super::outcome::Outcome;
use super::terminal::{self, END_KEY, RawMode};
use super::wire::Wire;

/// How root announces the end.
const END_SENTINEL: &str = "SAWMILL-END status=";
/// The hypervisor's last words, and its sentence where it cannot start.
const EPITAPH_SENTINEL: &str = "SAWMILL-EPITAPH end";
const REFUSAL_SENTINEL: &str = "sawmill: cannot ";
/// From the program's end until everything is written back.
const END_LIMIT: Duration = Duration::from_secs(120);
/// From a polite request to end until the run is ended.
const POLITE_LIMIT: Duration = Duration::from_secs(15);
const TICK: Duration = Duration::from_millis(100);

/// What happens during a run.
#[derive(Debug)]
pub enum Event {
    /// A serial port said something.
    Serial(usize, Vec<u8>),
    /// A serial port is gone, and so is the emulator.
    SerialClosed,
    /// Standard input.
    Input(Vec<u8>),
    /// Standard input is over.
    InputEnd,
    /// A signal came.
    Signal(i32),
}

/// Whether the command has the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// It has.
    Interactive,
    /// It has pipes.
    Batch,
    /// There is no command: the system runs to its end by itself.
    System,
}

/// Time limits of a run.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From the start to init's first word.
    pub boot: Duration,
    /// From the announced end until the emulator is gone by itself.
    pub exit: Duration,
    /// The whole run.
    pub whole: Option<Duration>,
}

/// A run in progress.
pub struct Session<'a> {
    pub(super) emulator: Emulator,
    pub(super) wire: Wire,
    pub(super) log: &'a mut Log,
    pub(super) style: Style,
    pub(super) limits: Limits,
    pub(super) events: Receiver<Event>,
    pub(super) sender: Sender<Event>,
    pub(super) console: Console,
}

/// What is known so far.
#[derive(Debug)]
struct State {
    started: Instant,
    booted: Option<Instant>,
    result: Option<Outcome>,
    ended: Option<Instant>,
    deadline: Option<(Instant, Outcome)>,
    is_finished: bool,
    closed: usize,
    credit: Option<Sender<usize>>,
    raw: Option<RawMode>,
    receiver: channel::Receiver,
}

impl Session<'_> {
    /// Runs to the verdict.
    pub fn run(mut self) -> Result<Outcome> {
        let mut state = State {
            started: Instant::now(),
            booted: None,
            result: None,
            ended: None,
            deadline: None,
            is_finished: false,
            closed: 0,
            credit: None,
            raw: None,
            receiver: channel::Receiver::default(),
        };
        loop {
            let event = match self.events.recv_timeout(TICK) {
                Ok(event) => Some(event),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return Ok(Outcome::Failed("no events are left".to_owned())),
            };
            if let Some(event) = event
                && let Some(outcome) = self.take(event, &mut state)?
            {
                return Ok(outcome);
            }
            if let Some(outcome) = self.overdue(&mut state)? {
                return Ok(outcome);
            }
        }
    }

    fn take(&mut self, event: Event, state: &mut State) -> Result<Option<Outcome>> {
        match event {
            Event::Serial(port, bytes) => {
                for chunk in self.wire.receive(port, &bytes) {
                    let is_foreground = chunk.partition == self.wire.foreground();
                    if chunk.partition == ROOT && u64::from(chunk.channel) == CHANNEL_RUN {
                        self.log.take_trace(&chunk.bytes);
                        continue;
                    }
                    if is_foreground && u64::from(chunk.channel) == CHANNEL_RUN {
                        for report in state.receiver.receive(&chunk.bytes) {
                            self.report(report, state)?;
                        }
                        continue;
                    }
                    if is_foreground && state.raw.is_some() {
                        self.console.terminal(&chunk.bytes);
                    }
                    for line in self.log.write(chunk.partition, &chunk.bytes) {
                        if self.style == Style::System {
                            self.console.output(format!("{line}\n").as_bytes());
                        }
                        self.line(&line, chunk.partition, state);
                    }
                }
            }
            Event::SerialClosed => {
                state.closed += 1;
                // What one source still holds may be the most important words.
                if state.closed == self.emulator.source_count() {
                    return Ok(Some(self.machine_ended(state)));
                }
            }
            Event::Input(bytes) => self.input(&bytes, state)?,
            Event::InputEnd if self.style == Style::Interactive => self.send(CHANNEL_TERMINAL, &[0x04])?,
            Event::InputEnd => self.send(CHANNEL_RUN, &channel::input_end())?,
            Event::Signal(libc::SIGWINCH) => {
                let (rows, columns) = terminal::size();
                if state.booted.is_some() && self.style == Style::Interactive {
                    self.send(CHANNEL_RUN, &channel::terminal_size(rows, columns))?;
                }
            }
            Event::Signal(signal) => return self.ask_to_end(signal as u8, state),
        }
        Ok(None)
    }

    /// A line that somebody said. Root and the hypervisor can end a run by one; last words come unframed, so
    /// that they may seem to be anybody's.
    fn line(&mut self, line: &str, partition: u8, state: &mut State) {
        if state.ended.is_some() {
            return;
        }
        if line.contains(EPITAPH_SENTINEL) || partition <= 1 && line.contains(REFUSAL_SENTINEL) {
            let is_epitaph = line.contains(EPITAPH_SENTINEL);
            let why = if is_epitaph { "the hypervisor stopped" } else { line.trim() };
            state.result = Some(Outcome::Failed(why.to_owned()));
            state.ended = Some(Instant::now());
        }
        if partition > 1 {
            return;
        }
        if let Some(rest) = line.split_once(END_SENTINEL).map(|(_, rest)| rest) {
            let (status, reason) = rest.split_once(" reason=").unwrap_or((rest, "no reason given"));
            let result = match (status.trim(), self.style) {
                ("0", Style::System) => Some(Outcome::Exited(0)),
                ("0", _) => state.result.take().or(Some(Outcome::Failed("the program's result never came".to_owned()))),
                _ => Some(Outcome::Failed(reason.trim().to_owned())),
            };
            state.result = result;
            state.ended = Some(Instant::now());
        }
    }

    fn report(&mut self, report: Report, state: &mut State) -> Result<()> {
        match report {
            Report::Hello => {
                state.booted = Some(Instant::now());
                self.log.note(&format!("init is there after {:.1} s", state.started.elapsed().as_secs_f64()));
                if self.style == Style::Interactive {
                    state.raw = Some(RawMode::enter());
                    input::start(Pace::Terminal, self.sender.clone());
                } else {
                    let (credit, more) = std::sync::mpsc::channel();
                    state.credit = Some(credit);
                    input::start(Pace::Credit(more), self.sender.clone());
                }
            }
            Report::Output(bytes) => {
                if !self.console.output(&bytes) {
                    self.send(CHANNEL_RUN, &channel::kill(libc::SIGPIPE as u8))?;
                }
            }
            Report::ErrorOutput(bytes) => self.console.error_output(&bytes),
            Report::Credit(length) => {
                // The reader ends with the input; credit that comes later is nobody's.
                if let Some(credit) = &state.credit {
                    let _ = credit.send(length);
                }
            }
            Report::Exited(status) => self.result(Outcome::Exited(status), state),
            Report::Signaled(signal) => self.result(Outcome::Signaled(signal), state),
            Report::Failed(reason) => self.result(Outcome::Failed(reason), state),
            Report::Finished => state.is_finished = true,
            Report::Garbled => self.log.note("the run channel is garbled"),
        }
        Ok(())
    }

    fn result(&mut self, outcome: Outcome, state: &mut State) {
        self.log.note(&format!("the command's result: {outcome:?}"));
        state.deadline =
            Some((Instant::now() + END_LIMIT, Outcome::Failed("the system did not put itself in order".to_owned())));
        state.result = Some(outcome);
        state.raw = None;
    }

    fn input(&mut self, bytes: &[u8], state: &mut State) -> Result<()> {
        if self.style == Style::Batch {
            return self.send(CHANNEL_RUN, &channel::input(bytes));
        }
        if state.raw.is_some() && bytes.contains(&END_KEY) {
            // The end by hang-up: the shell ends, the root is unmounted. A second press does not wait for that.
            self.sender.send(Event::Signal(libc::SIGHUP)).ok();
            return Ok(());
        }
        self.send(CHANNEL_TERMINAL, bytes)
    }

    /// First asks the program, then insists.
    fn ask_to_end(&mut self, signal: u8, state: &mut State) -> Result<Option<Outcome>> {
        if state.booted.is_none() || state.deadline.is_some() {
            return Ok(Some(Outcome::Interrupted));
        }
        self.send(CHANNEL_RUN, &channel::kill(signal))?;
        state.deadline = Some((Instant::now() + POLITE_LIMIT, Outcome::Interrupted));
        Ok(None)
    }

    fn overdue(&mut self, state: &mut State) -> Result<Option<Outcome>> {
        if let Some(ended) = state.ended
            && (ended.elapsed() > self.limits.exit || self.emulator.has_ended()?)
        {
            return Ok(state.result.take());
        }
        if state.ended.is_none() {
            if let Some((_, outcome)) = state.deadline.take_if(|(deadline, _)| Instant::now() > *deadline) {
                return Ok(Some(outcome));
            }
            if let Some(limit) = self.limits.whole.filter(|limit| state.started.elapsed() > *limit) {
                return Ok(Some(Outcome::TimedOut(format!("the time limit of {} s", limit.as_secs()))));
            }
            let is_awaited = state.booted.is_none() && self.style != Style::System;
            if is_awaited && state.started.elapsed() > self.limits.boot {
                let seconds = self.limits.boot.as_secs();
                return Ok(Some(Outcome::Failed(format!("the system did not come up within {seconds} s"))));
            }
        }
        Ok(None)
    }

    fn machine_ended(&mut self, state: &mut State) -> Outcome {
        let is_orderly = state.ended.is_some() || matches!(self.wire, Wire::Ports) && state.is_finished;
        match state.result.take() {
            Some(result) if is_orderly => result,
            Some(Outcome::Failed(reason)) => Outcome::Failed(reason),
            Some(_) => Outcome::Failed("the machine stopped before everything was written back".to_owned()),
            None => Outcome::Failed(format!("the machine stopped; the emulator said:\n{}", self.emulator.words())),
        }
    }

    fn send(&mut self, channel: u64, bytes: &[u8]) -> Result<()> {
        let (port, bytes) = self.wire.encode(channel as u8, bytes);
        // When the machine has just stopped, the closed port says so by an event.
        if self.emulator.send(port, &bytes).is_err() {
            self.log.note("input was lost: the serial port is closed");
        }
        Ok(())
    }
}
