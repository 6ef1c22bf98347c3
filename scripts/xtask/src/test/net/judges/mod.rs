// SPDX-License-Identifier: MIT OR Apache-2.0
//! Network programs that others wrote, run on the socket service as its judges.
//!
//! Their cases are scripts for the guest (`*.sh`, after `cases.sh`); [`outside`] has what the host does meanwhile. Whatever
//! fails has to fail on stock Linux in the same emulator, too, which then runs these cases.

mod outside;

use std::path::PathBuf;

use anyhow::Result;

use super::super::files::judges::programs::{Content, debian_with};
use super::super::files::judges::verdicts::{Judge, Outside};
use super::super::files::judges::{END, PYTHON};
use super::super::support::Bench;
use super::super::{Case, Skipped};
use super::peer;
use crate::{command, rootfs};

/// With `--all`, or by name.
pub const LONG: &[Case] = &[
    Case { name: "net-long-transfer", limit_s: 3000, run: transfer },
    Case { name: "net-long-iperf3", limit_s: 3000, run: iperf3 },
    Case { name: "net-long-redis", limit_s: 3000, run: redis },
    Case { name: "net-long-nginx", limit_s: 2400, run: nginx },
    Case { name: "net-long-ssh", limit_s: 2400, run: ssh },
    Case { name: "net-long-tools", limit_s: 1200, run: tools },
    Case { name: "net-long-python", limit_s: 5400, run: python },
    Case { name: "net-long-ssl", limit_s: 5400, run: python_ssl },
    Case { name: "net-long-asyncio", limit_s: 9000, run: python_asyncio },
    Case { name: "net-long-stress", limit_s: 5400, run: stress },
];

const DEBIAN_SIZE: &str = "1G";
const DEBIAN_PACKAGES: [&str; 13] = [
    "bash",
    "curl",
    "iperf3",
    "iproute2",
    "libpython3.11-testsuite",
    "nginx-light",
    "openssh-client",
    "openssh-server",
    "python3",
    "redis-server",
    "redis-tools",
    "stress-ng",
    "wget",
];
/// Memory for the Debian userland.
const MEMORY: [&str; 2] = ["--memory", "768"];

const CASES_SCRIPT: &str = include_str!("cases.sh");
const TRANSFER: &str = include_str!("transfer.sh");
const IPERF3: &str = include_str!("iperf3.sh");
const REDIS: &str = include_str!("redis.sh");
const NGINX: &str = include_str!("nginx.sh");
const SSH: &str = include_str!("ssh.sh");
const STRESS: &str = include_str!("stress.sh");
const TOOLS: &str = include_str!("tools.sh");

/// Bytes that curl and wget carry each way.
const TRANSFER_BYTES: usize = 100_000_000;
/// Bytes of iperf3 each way.
const IPERF3_BYTES: &str = "20000000";
/// Sizes of the files that nginx serves.
const SERVED: [usize; 6] = [1, 4096, 65_537, 200_000, 500_001, 1_000_000];
/// Connections to nginx at the same time.
const CONNECTIONS: usize = 64;

/// The modules of test_asyncio that use sockets and need no TLS, whose handshakes reach the cases' time limits in an emulator.
const ASYNCIO: [&str; 8] = [
    "test_buffered_proto",
    "test_events",
    "test_selector_events",
    "test_sendfile",
    "test_server",
    "test_sock_lowlevel",
    "test_streams",
    "test_unix_events",
];
/// Stock Linux in Bochs 2.7, whose ADOX is wrong, wants OpenSSL to do without; the hypervisor does not show it there.
const WITHOUT_ADX: &str = "[ -e /proc/sawmill ] || export OPENSSL_ia32cap=~0x0:~0x80000";

/// Makes the image before the time of any test runs.
pub fn prepare(names: &[&str]) -> Result<()> {
    if names.iter().any(|name| LONG.iter().any(|case| case.name == *name)) {
        image()?;
    }
    Ok(())
}

fn image() -> Result<PathBuf> {
    rootfs::cached_debian(DEBIAN_SIZE, &DEBIAN_PACKAGES.map(str::to_owned))
}

/// A judge's guest: its script with arguments, files of its image, and more options.
struct Guest<'a> {
    script: &'a str,
    arguments: &'a [&'a str],
    files: &'a [(&'a str, Content<'a>)],
    options: &'a [&'a str],
    ok_min: usize,
}

impl Guest<'_> {
    fn judge(&self, bench: &Bench, name: &str, outside: Outside<'_>) -> Result<()> {
        let image = debian_with(&image()?, bench, self.files)?;
        let script = format!("{CASES_SCRIPT}{}", self.script);
        let command: Vec<&str> = ["/bin/bash", "-c", &script, name].iter().chain(self.arguments).copied().collect();
        let options: Vec<&str> = MEMORY.iter().chain(self.options).copied().collect();
        let judge = Judge { image: &image, options: &options, command: &command, end: END, ok_min: self.ok_min };
        judge.judge_with(bench, name, outside)
    }
}

/// curl and wget, a hundred megabytes each way.
fn transfer(bench: &Bench) -> Result<()> {
    let (port, size) = (peer::serve_http()?.to_string(), TRANSFER_BYTES.to_string());
    let arguments = [port.as_str(), &size, &peer::sum(&peer::bytes(TRANSFER_BYTES))];
    let guest = Guest { script: TRANSFER, arguments: &arguments, files: &[], options: &[], ok_min: 6 };
    guest.judge(bench, "curl, wget", &|_| String::new())
}

/// iperf3 with a server on the host: streams and datagrams, both directions, several at a time.
fn iperf3(bench: &Bench) -> Result<()> {
    needs("iperf3", "iperf3 is not on this host: apt-get install iperf3")?;
    let port = peer::free_port()?.to_string();
    let _server = outside::Server::start("iperf3", &["-s", "-p", &port, "-B", "127.0.0.1"], &bench.path("iperf3"))?;
    let arguments = [port.as_str(), IPERF3_BYTES];
    let guest = Guest { script: IPERF3, arguments: &arguments, files: &[], options: &[], ok_min: 11 };
    guest.judge(bench, "iperf3", &|_| String::new())
}

/// redis-server under redis-benchmark, in the guest and from the host.
fn redis(bench: &Bench) -> Result<()> {
    needs("redis-benchmark", "redis-benchmark is not on this host: apt-get install redis-tools")?;
    let port = peer::free_port()?;
    let forward = format!("{port}:6379");
    let options = ["--forward", &forward];
    let guest = Guest { script: REDIS, arguments: &["2000"], files: &[], options: &options, ok_min: 11 };
    guest.judge(bench, "redis", &|boot| outside::redis(port, boot))
}

/// nginx serves files of the Ext2 server to many clients at once.
fn nginx(bench: &Bench) -> Result<()> {
    let port = peer::free_port()?;
    let forward = format!("{port}:80");
    let names = SERVED.map(|size| (bench.path(&size.to_string()), format!("/srv/{size}")));
    let mut files = Vec::new();
    for ((file, name), size) in names.iter().zip(SERVED) {
        std::fs::write(file, peer::bytes(size))?;
        files.push((name.as_str(), Content::File(file)));
    }
    let options = ["--forward", &forward];
    let guest = Guest { script: NGINX, arguments: &[], files: &files, options: &options, ok_min: 7 };
    guest.judge(bench, "nginx", &|boot| outside::many_clients(port, &SERVED, CONNECTIONS, boot))
}

/// OpenSSH into the guest and out of it.
fn ssh(bench: &Bench) -> Result<()> {
    needs("sshd", "sshd is not on this host: apt-get install openssh-server")?;
    let host = outside::Ssh::start(bench)?;
    let files = [("/srv/key", Content::File(&host.key)), ("/srv/key.pub", Content::File(&host.public))];
    let forward = format!("{}:22", host.guest_port);
    let port = host.port.to_string();
    let (arguments, options) = ([port.as_str(), &host.user], ["--forward", &forward]);
    let guest = Guest { script: SSH, arguments: &arguments, files: &files, options: &options, ok_min: 8 };
    guest.judge(bench, "OpenSSH", &|boot| host.ask_guest(boot))
}

/// ss, and TLS by curl and python3.
fn tools(bench: &Bench) -> Result<()> {
    let guest = Guest { script: TOOLS, arguments: &[], files: &[], options: &[], ok_min: 9 };
    guest.judge(bench, "ss, TLS", &|_| String::new())
}

/// Python's own tests of sockets.
fn python(bench: &Bench) -> Result<()> {
    python_modules(bench, "test_select test_socket", 600)
}

/// Of TLS.
fn python_ssl(bench: &Bench) -> Result<()> {
    python_modules(bench, "test_ssl", 130)
}

/// Python's own tests of the event loop on top of them.
fn python_asyncio(bench: &Bench) -> Result<()> {
    let modules = ASYNCIO.map(|name| format!("test_asyncio.{name}")).join(" ");
    python_modules(bench, &modules, 640)
}

fn python_modules(bench: &Bench, modules: &str, ok_min: usize) -> Result<()> {
    let script = format!("{WITHOUT_ADX}; export MODULES='{modules}'; exec python3 /srv/tests.py \"$@\" 2>&1");
    let files = [("/srv/tests.py", Content::Text(PYTHON))];
    let guest = Guest { script: &script, arguments: &[], files: &files, options: &[], ok_min };
    guest.judge(bench, "python3", &|_| String::new())
}

/// stress-ng's network stressors with their own checks.
fn stress(bench: &Bench) -> Result<()> {
    let guest = Guest { script: STRESS, arguments: &["50"], files: &[], options: &[], ok_min: 12 };
    guest.judge(bench, "stress-ng", &|_| String::new())
}

/// Skips the test on a host without `program`.
fn needs(program: &str, why: &'static str) -> Result<()> {
    if command::exists(program) { Ok(()) } else { Err(Skipped(why).into()) }
}
