// SPDX-License-Identifier: MIT OR Apache-2.0
//! The emulator's process: it never outlives the run, and its serial ports are sockets of this process.
//!
//! The emulator connects to listeners of ours, so that no port number has to be guessed and runs can go on
//! beside each other.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::session::Event;
use super::splitter::Splitter;
use crate::command;

/// The emulator opens its serial ports at start; a loaded machine may need a while.
const CONNECT_LIMIT: Duration = Duration::from_secs(30);

/// Listeners for the serial ports of a machine that is about to start.
#[derive(Debug)]
pub struct Ports(Vec<TcpListener>);

impl Ports {
    /// Opens `count` listeners.
    pub fn open(count: usize) -> Result<Self> {
        let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen for the serial port");
        (0..count).map(|_| listen()).collect::<Result<_>>().map(Self)
    }

    /// The TCP port of serial port `index`.
    pub fn number(&self, index: usize) -> Result<u16> {
        Ok(self.0.get(index).context("there is no such serial port")?.local_addr()?.port())
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

/// What the emulator's standard output is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Words {
    /// Its own words.
    Own,
    /// Its own words and the machine's redirected output, which counts as a port after the serial ones.
    Machine,
    /// The same, and between a program's marks its instructions, which go to a file.
    Instructions(PathBuf),
}

/// A running emulator.
#[derive(Debug)]
pub struct Emulator {
    child: Child,
    output: PathBuf,
    lines: Vec<TcpStream>,
    source_count: usize,
}

impl Emulator {
    /// Starts `command`; what it says goes to `output`, what its serial ports say becomes events.
    pub fn start(
        mut command: Command,
        words: Words,
        ports: &Ports,
        output: &Path,
        events: &Sender<Event>,
    ) -> Result<Self> {
        let file = File::create(output)?;
        command.stdin(Stdio::null()).stderr(file.try_clone()?);
        match words {
            Words::Own => command.stdout(file.try_clone()?),
            Words::Machine | Words::Instructions(_) => command.stdout(Stdio::piped()),
        };
        // Signals from the terminal are for this process, which ends the emulator itself.
        command.process_group(0);
        // SAFETY: the closure only makes one system call, which is allowed between fork and exec.
        unsafe {
            command.pre_exec(|| {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                Ok(())
            });
        }
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command.spawn().with_context(|| format!("cannot run `{name}`: is it installed?"))?;
        let stdout = child.stdout.take();
        let source_count = ports.count() + usize::from(stdout.is_some());
        let mut emulator = Self { child, output: output.to_path_buf(), lines: Vec::new(), source_count };
        if let Some(stdout) = stdout {
            match words {
                Words::Instructions(record) => {
                    let splitter = Splitter::new(stdout, &record)?;
                    read_line(splitter, ports.count(), Some(file), events.clone());
                }
                _ => read_line(stdout, ports.count(), Some(file), events.clone()),
            }
        }
        for (index, listener) in ports.0.iter().enumerate() {
            let line = emulator.accept(listener)?;
            line.set_nodelay(true)?;
            read_line(line.try_clone()?, index, None, events.clone());
            emulator.lines.push(line);
        }
        Ok(emulator)
    }

    fn accept(&mut self, listener: &TcpListener) -> Result<TcpStream> {
        listener.set_nonblocking(true)?;
        let started = Instant::now();
        loop {
            match listener.accept() {
                Ok((line, _)) => {
                    line.set_nonblocking(false)?;
                    return Ok(line);
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error).context("cannot accept the serial port"),
            }
            if self.has_ended()? {
                bail!("the emulator ended at once; it said:\n{}", command::tail(&self.output)?);
            }
            if started.elapsed() > CONNECT_LIMIT {
                bail!("the emulator does not open its serial port; it said:\n{}", command::tail(&self.output)?);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends bytes to serial port `index`.
    pub fn send(&mut self, index: usize, bytes: &[u8]) -> Result<()> {
        self.lines.get_mut(index).context("there is no such serial port")?.write_all(bytes)?;
        Ok(())
    }

    /// How many sources of serial events there are; each ends with `SerialClosed`.
    pub fn source_count(&self) -> usize {
        self.source_count
    }

    /// Whether the process is gone.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// The last lines it said itself.
    pub fn words(&self) -> String {
        command::tail(&self.output).unwrap_or_default()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // It may be gone already; then both calls do nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads a source of serial output, with a copy into `copy`, until it ends.
fn read_line(mut line: impl Read + Send + 'static, index: usize, mut copy: Option<File>, events: Sender<Event>) {
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        loop {
            match line.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(length) => {
                    if let Some(copy) = &mut copy {
                        // Only for error messages.
                        let _ = copy.write_all(&buffer[..length]);
                    }
                    if events.send(Event::Serial(index, buffer[..length].to_vec())).is_err() {
                        break;
                    }
                }
            }
        }
        // Nobody may listen any more: then the run is over.
        let _ = events.send(Event::SerialClosed);
    });
}
