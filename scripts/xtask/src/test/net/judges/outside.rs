// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the host does while a judge runs in the guest: servers for it, and clients of its servers.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::super::super::files::judges::verdicts::Boot;
use super::super::super::support::Bench;
use super::super::peer;
use crate::command::{Tool, last_lines};

const POLL: Duration = Duration::from_millis(500);
/// A guest in an emulator on a loaded host may be silent so long.
const SILENCE_LIMIT: Duration = Duration::from_secs(120);
/// Requests of redis-benchmark from the host, and its clients: more at once than an emulator's network takes in are lost.
const REDIS_REQUESTS: &str = "1000";
const REDIS_CLIENTS: &str = "2";
/// A connection without an answer for so long was lost on its way into the emulator.
const CONNECT_LIMIT: Duration = Duration::from_secs(20);
/// Bytes that go through ssh.
const SSH_BYTES: usize = 300_000;

/// A server process that ends with the value.
#[derive(Debug)]
pub struct Server(Child);

impl Server {
    /// Starts it; what it says goes to the file `log`.
    pub fn start(program: &str, arguments: &[&str], log: &Path) -> Result<Self> {
        let log = File::create(log)?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        // SAFETY: the closure only makes one system call, which is allowed between fork and exec.
        unsafe {
            command.pre_exec(|| {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                Ok(())
            });
        }
        Ok(Self(command.spawn().with_context(|| format!("cannot run `{program}`"))?))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Collects verdicts of the cases that a boot is to run.
struct Cases<'a> {
    boot: &'a Boot,
    said: String,
}

impl Cases<'_> {
    fn check(&mut self, name: &str, case: impl FnOnce() -> Result<()>) {
        if !self.boot.cases.is_empty() && !self.boot.cases.contains(name) {
            return;
        }
        match case() {
            Ok(()) => writeln!(self.said, "CASE ok {name}").unwrap_or_default(),
            Err(error) => writeln!(self.said, "CASE FAILED {name}: {error:#}").unwrap_or_default(),
        }
    }
}

/// Tries until it succeeds (true) or the machine is gone.
fn until(boot: &Boot, mut attempt: impl FnMut() -> bool) -> bool {
    while !boot.has_ended.load(Ordering::Relaxed) {
        if attempt() {
            return true;
        }
        std::thread::sleep(POLL);
    }
    false
}

/// redis-benchmark and redis-cli with the guest's server, which they end.
pub fn redis(port: u16, boot: &Boot) -> String {
    let port = port.to_string();
    let ask = |words: &[&str]| Tool::new("redis-cli").args(["-p", &port]).args(words).output();
    let mut cases = Cases { boot, said: String::new() };
    // The guest says when its own cases are through.
    if !until(boot, || ask(&["get", "open"]).is_ok_and(|answer| answer.trim() == "1")) {
        return cases.said;
    }
    for (name, more) in [("host-benchmark", "1"), ("host-benchmark-pipelined", "16")] {
        cases.check(name, || {
            let options = ["-q", "-c", REDIS_CLIENTS, "-n", REDIS_REQUESTS, "-t", "set,get,incr,lpush", "-P", more];
            let said = Tool::new("redis-benchmark").args(["-p", &port]).args(options).output()?;
            ensure!(said.matches("requests per second").count() >= 4, "it said: {}", last_lines(&said));
            Ok(())
        });
    }
    cases.check("host-big-value", || {
        let value = "0123456789abcdef".repeat(5000);
        ask(&["set", "from-host", &value])?;
        ensure!(ask(&["--raw", "get", "from-host"])?.trim() == value, "another value came back");
        Ok(())
    });
    // The answer is that the connection ends.
    let _ = ask(&["shutdown", "nosave"]);
    cases.said
}

/// `count` clients, all connected before they ask for the files `/SIZE` of the guest's server at the same time.
pub fn many_clients(port: u16, sizes: &[usize], count: usize, boot: &Boot) -> String {
    let mut cases = Cases { boot, said: String::new() };
    if !until(boot, || connect(port).is_ok()) {
        return cases.said;
    }
    cases.check("many-clients", || {
        let clients = (0..count).map(|_| connect_surely(port)).collect::<Result<Vec<_>>>()?;
        let clients: Vec<_> = clients
            .into_iter()
            .zip(sizes.iter().copied().cycle())
            .map(|(mut client, size)| std::thread::spawn(move || is_whole(&mut client, size)))
            .collect();
        for client in clients {
            client.join().map_err(|_| anyhow::anyhow!("a client panicked"))??;
        }
        Ok(())
    });
    cases.check("one-after-the-other", || {
        let mut client = connect_surely(port)?;
        sizes.iter().try_for_each(|size| is_whole(&mut client, *size))
    });
    cases.check("not-found", || {
        let (head, _) = ask(&mut connect_surely(port)?, "/nothing")?;
        ensure!(head.starts_with("HTTP/1.1 404"), "{head}");
        Ok(())
    });
    // It is not there, but the server writes down that it was asked for.
    until(boot, || connect(port).is_ok_and(|mut client| ask(&mut client, "/done").is_ok()));
    cases.said
}

/// A connection that the guest's server has answered. The emulator has room for two that it has not taken in, and loses more.
fn connect_surely(port: u16) -> Result<BufReader<TcpStream>> {
    let mut last = None;
    for _ in 0..10 {
        match connect(port) {
            Ok(client) => return Ok(client),
            Err(error) => last = Some(error),
        }
    }
    Err(last.context("no attempt")?)
}

fn connect(port: u16) -> Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(CONNECT_LIMIT))?;
    let mut client = BufReader::new(stream);
    is_whole(&mut client, 1)?;
    client.get_ref().set_read_timeout(Some(SILENCE_LIMIT))?;
    Ok(client)
}

fn is_whole(client: &mut BufReader<TcpStream>, size: usize) -> Result<()> {
    let (head, body) = ask(client, &format!("/{size}"))?;
    ensure!(head.starts_with("HTTP/1.1 200") && body == peer::bytes(size), "{head}, {} bytes of {size}", body.len());
    Ok(())
}

/// Asks and leaves the connection open; returns the head's first line and the body.
fn ask(client: &mut BufReader<TcpStream>, path: &str) -> Result<(String, Vec<u8>)> {
    write!(client.get_mut(), "GET {path} HTTP/1.1\r\nHost: guest\r\n\r\n")?;
    let (head, length) = peer::read_head(client)?;
    let mut body = vec![0; length];
    client.read_exact(&mut body)?;
    Ok((head.trim().to_owned(), body))
}

/// The host's sshd, and a key that both sides accept.
#[derive(Debug)]
pub struct Ssh {
    /// The private key and the public one.
    pub key: PathBuf,
    pub public: PathBuf,
    /// Who may come in.
    pub user: String,
    /// Where the server listens, and what leads to the guest's.
    pub port: u16,
    pub guest_port: u16,
    _server: Server,
}

impl Ssh {
    /// Makes the key and starts the server.
    pub fn start(bench: &Bench) -> Result<Self> {
        let (key, public) = (bench.path("key"), bench.path("key.pub"));
        Tool::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).run()?;
        let port = peer::free_port()?;
        let (host_key, authorized) = (key.display().to_string(), public.display());
        let options = [
            format!("Port={port}"),
            "ListenAddress=127.0.0.1".to_owned(),
            format!("AuthorizedKeysFile={authorized}"),
            "PidFile=none".to_owned(),
            "StrictModes=no".to_owned(),
            "LoginGraceTime=0".to_owned(),
            "PermitRootLogin=prohibit-password".to_owned(),
        ];
        let mut arguments = vec!["-D", "-e", "-f", "/dev/null", "-h", &host_key];
        arguments.extend(options.iter().flat_map(|option| ["-o", option]));
        // The superuser's sshd wants it; others may not make it, and need it not.
        let _ = std::fs::create_dir("/run/sshd");
        let server = Server::start("/usr/sbin/sshd", &arguments, &bench.path("sshd.log"))?;
        let user = Tool::new("id").arg("-un").output()?.trim().to_owned();
        Ok(Self { key, public, user, port, guest_port: peer::free_port()?, _server: server })
    }

    /// Commands and bytes into the guest.
    pub fn ask_guest(&self, boot: &Boot) -> String {
        let mut cases = Cases { boot, said: String::new() };
        if !until(boot, || self.ssh(&["-n"], "true").output().is_ok_and(|it| it.status.success())) {
            return cases.said;
        }
        cases.check("to-guest-command", || {
            let output = self.ssh(&["-n"], "hostname; echo \"$SSH_CONNECTION\"; exit 5").output()?;
            let said = String::from_utf8_lossy(&output.stdout);
            ensure!(output.status.code() == Some(5) && said.contains("10.0.2.15 22"), "{output:?}");
            Ok(())
        });
        cases.check("to-guest-terminal", || {
            let output = self.ssh(&["-n", "-tt"], "tty").output()?;
            ensure!(String::from_utf8_lossy(&output.stdout).contains("/dev/pts/"), "{output:?}");
            Ok(())
        });
        cases.check("to-guest-bytes", || {
            let bytes = peer::bytes(SSH_BYTES);
            let mut child = self.ssh(&[], "cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
            let mut stdin = child.stdin.take().context("no input")?;
            let sent = bytes.clone();
            let writer = std::thread::spawn(move || stdin.write_all(&sent));
            let output = child.wait_with_output()?;
            writer.join().map_err(|_| anyhow::anyhow!("the writer panicked"))??;
            ensure!(output.stdout == bytes, "{} bytes came back, or others", output.stdout.len());
            Ok(())
        });
        cases.check("to-guest-two-at-once", || {
            let mut children = Vec::new();
            for number in 0..2 {
                let command = format!("sleep 1; echo {number}");
                children.push(self.ssh(&["-n"], &command).stdout(Stdio::piped()).spawn()?);
            }
            for (number, child) in children.into_iter().enumerate() {
                let output = child.wait_with_output()?;
                ensure!(output.stdout == format!("{number}\n").as_bytes(), "{output:?}");
            }
            Ok(())
        });
        // Then the guest ends.
        until(boot, || self.ssh(&["-n"], "touch /tmp/done").output().is_ok_and(|it| it.status.success()));
        cases.said
    }

    fn ssh(&self, options: &[&str], words: &str) -> Command {
        let mut command = Command::new("ssh");
        command.args(["-p", &self.guest_port.to_string(), "-o", "StrictHostKeyChecking=no", "-i"]).arg(&self.key);
        command.args(["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=60"]);
        // The default key exchange takes the guest a thousand million instructions.
        command.args(["-o", "KexAlgorithms=curve25519-sha256"]);
        command.args(["-F", "/dev/null", "-o", "BatchMode=yes"]).args(options).args(["root@127.0.0.1", words]);
        command
    }
}
