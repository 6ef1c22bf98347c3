// SPDX-License-Identifier: MIT OR Apache-2.0
//! The app partition's initial ramdisk: sm-init, sm-top, and a description of the run in a second archive.
//!
//! Both are compiled against nolibc from the Linux source, so that they are small and depend on nothing.

use std::path::PathBuf;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::command::Tool;
use crate::cpio::Archive;
use crate::linux;
use crate::paths;
use crate::progress::Phase;

/// What init is to do.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The shell or the program, with its arguments.
    pub command: Vec<String>,
    /// Environment, `NAME=VALUE` each.
    pub environment: Vec<String>,
    /// Whether the command gets the terminal instead of pipes.
    pub terminal: Terminal,
    /// File system type and source of the root.
    pub root: (String, String),
    /// Device files of the terminal and the run channel.
    pub devices: (String, String),
}

/// What a program's standard streams are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Terminal {
    /// The terminal of this many rows and columns.
    Interactive(u16, u16),
    /// Pipes.
    Pipes,
}

/// Becomes the better shell of those that the image has.
pub const LOGIN_SHELL: &str = "if command -v bash >/dev/null; then exec bash -l; else exec sh -l; fi";

/// The environment every command starts with.
pub fn default_environment(terminal_type: &str) -> Vec<String> {
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/run/sawmill";
    [path, "HOME=/root", "USER=root", "LANG=C.UTF-8", &format!("TERM={terminal_type}")].map(str::to_owned).to_vec()
}

impl Spec {
    /// A run on the multiserver: the root comes from the service `root-fs`, the devices are hypervisor consoles.
    pub fn multiserver() -> Self {
        Self {
            command: Vec::new(),
            environment: Vec::new(),
            terminal: Terminal::Pipes,
            root: ("sawmill".to_owned(), "root-fs".to_owned()),
            devices: ("/dev/hvc0".to_owned(), "/dev/hvc1".to_owned()),
        }
    }

    /// A run on stock Linux: the root is the first disk, the devices are serial ports.
    pub fn stock() -> Self {
        Self {
            root: ("ext2".to_owned(), "/dev/sda".to_owned()),
            devices: ("/dev/ttyS0".to_owned(), "/dev/ttyS1".to_owned()),
            ..Self::multiserver()
        }
    }

    /// `KEY=VALUE` entries, each ended by a zero byte; sm-init reads them in order.
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut put = |key: &str, value: &str| {
            out.extend_from_slice(key.as_bytes());
            out.push(b'=');
            out.extend(value.bytes().filter(|byte| *byte != 0));
            out.push(0);
        };
        put("type", &self.root.0);
        put("source", &self.root.1);
        put("terminal", &self.devices.0);
        put("channel", &self.devices.1);
        if let Terminal::Interactive(rows, columns) = self.terminal {
            put("rows", &rows.to_string());
            put("columns", &columns.to_string());
        }
        for variable in &self.environment {
            put("env", variable);
        }
        for argument in &self.command {
            put("arg", argument);
        }
        out
    }
}

/// The ramdisk for one run.
pub fn build(spec: &Spec) -> Result<Vec<u8>> {
    let program = |dir: &str, name: &str| {
        let binary = compiled(dir, name)?;
        std::fs::read(&binary).with_context(|| format!("cannot read {}", binary.display()))
    };
    let mut archive = Archive::default();
    archive.directory("dev");
    archive.character_device("dev/console", 5, 1);
    archive.directory("newroot");
    archive.file("init", 0o755, &program("run", "sm-init")?);
    archive.file("sm-top", 0o755, &program("top", "sm-top")?);
    let mut bytes = archive.finish();
    let mut run = Archive::default();
    run.file("spec", 0o600, &spec.encode());
    bytes.extend(run.finish());
    Ok(bytes)
}

/// Compiles the program of `servers/DIR` unless an identical one is cached.
pub fn compiled(dir: &str, name: &str) -> Result<PathBuf> {
    let sources = paths::repository().join("servers").join(dir);
    let mut files = crate::linux::files_below(&sources)?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "c" || extension == "h"));
    let mut hash = Sha256::new();
    for file in &files {
        hash.update(std::fs::read(file)?);
    }
    let key = linux::hex(&hash.finalize());
    let out = paths::cached("init")?.join(format!("{name}-{}", &key[..16]));
    if out.is_file() {
        return Ok(out);
    }
    let phase = Phase::start(name);
    let nolibc = linux::source_tree()?.join("tools/include/nolibc");
    let fresh = out.with_extension(std::process::id().to_string());
    let flags = ["-Os", "-Wall", "-Wextra", "-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector"];
    let more = ["-fno-asynchronous-unwind-tables", "-fno-pie", "-no-pie", "-Wl,--build-id=none", "-s"];
    let mut compiler = Tool::new("gcc").args(flags).args(more).arg("-I").arg(&nolibc);
    compiler = compiler.arg("-include").arg(nolibc.join("nolibc.h")).arg("-o").arg(&fresh);
    compiler = compiler.args(files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "c")));
    compiler.arg("-lgcc").run()?;
    std::fs::rename(&fresh, &out)?;
    phase.done("");
    Ok(out)
}
