// SPDX-License-Identifier: MIT OR Apache-2.0
//! What tests are made of: programs that run within the test's time, and xtask itself.

use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::command::last_lines;
use crate::paths::{self, Scratch};
use crate::{build, ext2, rootfs};

/// What a kernel says at a defect of its own.
pub const DEFECTS: [&str; 5] = ["BUG:", "kernel BUG", "Oops", "general protection", "Kernel panic"];
const POLL: Duration = Duration::from_millis(50);

/// The surroundings of one test.
#[derive(Debug)]
pub struct Bench {
    deadline: Instant,
    scratch: Scratch,
}

/// The lines of a log in which one of `words` is.
pub fn lines_with<'a>(log: &'a str, words: &'a [&str]) -> impl Iterator<Item = &'a str> {
    log.lines().filter(|line| words.iter().any(|word| line.contains(word)))
}

/// How a program ended and what it said.
#[derive(Debug)]
pub struct Ended {
    /// Exit status; 128+n for a signal.
    pub status: i32,
    /// Standard output.
    pub output: String,
    /// Standard error.
    pub errors: String,
}

impl Bench {
    /// Surroundings for at most `limit`.
    pub fn new(name: &str, limit: Duration) -> Result<Self> {
        Ok(Self { deadline: Instant::now() + limit, scratch: Scratch::new(&format!("test-{name}"))? })
    }

    /// A path of the test's own.
    pub fn path(&self, name: &str) -> PathBuf {
        self.scratch.join(name)
    }

    /// An image of the test's own: busybox, and `programs` in /bin, in a file system of `size` (truncate(1)).
    pub fn image(&self, size: &str, programs: &[&Path]) -> Result<PathBuf> {
        let image = self.path("disk.ext2");
        ext2::copy(&rootfs::busybox()?, &image)?;
        ext2::resize(&image, size)?;
        for program in programs {
            let name = program.file_name().context("a program has a name")?.to_string_lossy();
            ext2::put_program(&image, program, &format!("/bin/{name}"))?;
        }
        Ok(image)
    }

    /// A program of C, compiled from one source of the repository and called as that is.
    pub fn compile(&self, source: &str, options: &[&str]) -> Result<PathBuf> {
        let source = paths::repository().join(source);
        let program = self.path(&source.file_stem().context("a source has a name")?.to_string_lossy());
        build::static_c(&program, &[source], options)?;
        Ok(program)
    }

    /// What the machine said, as far as there is a log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// What is left of the test's time, less what it takes to end a run.
    pub fn seconds_left(&self) -> u64 {
        self.deadline.saturating_duration_since(Instant::now()).as_secs().saturating_sub(3)
    }

    /// Runs this xtask.
    pub fn xtask(&self, arguments: &[&str], input: &[u8]) -> Result<Ended> {
        self.run(Command::new(std::env::current_exe()?).args(arguments), input)
    }

    /// Boots with `options` and runs `command`; the rest of the test's time is the limit.
    pub fn boot(&self, options: &[&str], command: &[&str], input: &[u8]) -> Result<Ended> {
        let left = self.seconds_left().to_string();
        let log = self.path("log").display().to_string();
        let mut arguments = vec!["run", "--timeout", &left, "--log", &log];
        arguments.extend(options);
        arguments.push("--");
        arguments.extend(command);
        self.xtask(&arguments, input)
    }

    /// Runs a program with `input` until it ends or the test's time is up.
    pub fn run(&self, command: &mut Command, input: &[u8]) -> Result<Ended> {
        let (output, errors) = (self.path("stdout"), self.path("stderr"));
        command.current_dir(paths::repository()).stdin(Stdio::piped());
        command.stdout(File::create(&output)?).stderr(File::create(&errors)?).process_group(0);
        let mut child = command.spawn().with_context(|| format!("cannot run {:?}", command.get_program()))?;
        if let Some(mut stdin) = child.stdin.take() {
            let input = input.to_vec();
            // A program that does not read its input must not stop the test.
            std::thread::spawn(move || stdin.write_all(&input));
        }
        let read = |path| Ok::<_, anyhow::Error>(String::from_utf8_lossy(&std::fs::read(path)?).into_owned());
        loop {
            if let Some(status) = child.try_wait()? {
                use std::os::unix::process::ExitStatusExt;
                let status = status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(-1);
                return Ok(Ended { status, output: read(&output)?, errors: read(&errors)? });
            }
            if Instant::now() > self.deadline {
                // SAFETY: kill takes numbers; the group is the child's own and the child is not yet collected.
                unsafe { libc::kill(-(child.id() as libc::pid_t), libc::SIGKILL) };
                child.wait()?;
                bail!("its time is up; it said:\n{}{}", last_lines(&read(&output)?), last_lines(&read(&errors)?));
            }
            std::thread::sleep(POLL);
        }
    }
}

impl Ended {
    /// Fails unless the program ended with `status`.
    pub fn expect_status(&self, status: i32) -> Result<&Self> {
        if self.status != status {
            bail!("exit status {} instead of {status}; {}", self.status, self.words());
        }
        Ok(self)
    }

    /// Fails unless standard output is exactly `output`.
    pub fn expect_output(&self, output: &str) -> Result<&Self> {
        if self.output != output {
            bail!("unexpected output; {}", self.words());
        }
        Ok(self)
    }

    /// Fails unless standard output contains `text`.
    pub fn expect_in_output(&self, text: &str) -> Result<&Self> {
        if !self.output.contains(text) {
            bail!("`{text}` is not in the output; {}", self.words());
        }
        Ok(self)
    }

    /// Fails unless standard error contains `text`.
    pub fn expect_in_errors(&self, text: &str) -> Result<&Self> {
        if !self.errors.contains(text) {
            bail!("`{text}` is not in the standard error; {}", self.words());
        }
        Ok(self)
    }

    /// The number in a line `LABEL NUMBER ms` of standard output.
    pub fn milliseconds(&self, label: &str) -> Result<u64> {
        let mut lines = self.output.lines();
        let number = lines.find_map(|line| line.strip_prefix(label)?.strip_suffix(" ms")?.trim().parse().ok());
        number.with_context(|| format!("no `{label}` in the output; {}", self.words()))
    }

    fn words(&self) -> String {
        format!("it said:\n{}on standard error:\n{}", last_lines(&self.output), last_lines(&self.errors))
    }
}
