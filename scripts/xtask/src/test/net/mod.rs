// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tests of the socket service: programs of the default system with a network, and the service taken away under load.
//!
//! `check/` is a program with the details, run inside; [`peer`] is the other end of the wire.

pub mod judges;
mod peer;
mod tap;
mod wire;

use std::net::{Ipv4Addr, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::boots::{DEBIAN_PACKAGES, DEBIAN_SIZE};
use super::hostile;
use super::support::{Bench, Ended};
use super::{Case, Skipped};
use crate::run::qemu::PROGRAM as QEMU;
use crate::{build, command, paths, rootfs};

/// Checks of what only the multiserver has: rights of a partition, exits; ping sockets for everybody, which Debian's systemd
/// sets; and an end of MSG_PEEK with MSG_WAITALL for more than the buffer takes, which waits for ever on stock Linux.
const OURS: [&str; 4] = ["rights-of-partition", "no-exits", "datagram-ping", "stream-large-steps"];
/// What programs of the small image do.
const PROGRAMS: &str = include_str!("programs.sh");
/// The sources of a program for the details, compiled on the host.
const CHECK: &str = "scripts/xtask/src/test/net/check";
/// What a program of the Debian image does.
const PYTHON: &str = include_str!("sockets.py");
/// What a program does that may configure the network.
const LINK: &str = include_str!("link.sh");
/// What a program does while the wire is hostile.
const ON_HOSTILE_WIRE: &str = "for n in 1 2 3 4 5 6; do ping -c 5 10.0.2.2 > /tmp/out && ok=1; /bin/check stream-echo \
    datagram-sizes stream-echo-ipv6 || exit 91; sleep 2; done; [ \"$ok\" ] || cat /tmp/out";
/// Bad frames that are enough.
const BAD_FRAMES_MIN: u64 = 2000;
/// What both partitions do when the kernel of one is hostile.
const HOSTILE: &str = include_str!("hostile.sh");
/// Random calls that it makes.
const HOSTILE_CALLS: u32 = 100_000;
/// Bytes that go over the wire each way.
const TRANSFER: usize = 5_000_000;
/// Bytes through a forwarded port.
const FORWARDED: usize = 500_000;
/// A socket of a dead server may be silent so long, in the machine's own time.
const LOST_LIMIT_MS: u64 = 1000;
/// Without a NIC nobody waits for one: seconds of the machine's own time from Linux's start to the first program's end.
const BOOT_LIMIT_S: f64 = 5.0;

/// The tests of the default set.
pub const CASES: &[Case] = &[
    Case { name: "net-programs", limit_s: 600, run: programs },
    Case { name: "net-link", limit_s: 600, run: link },
    Case { name: "net-none", limit_s: 240, run: none },
    Case { name: "net-sockets-1-cpu", limit_s: 600, run: sockets_1_cpu },
    Case { name: "net-sockets-2-cpus", limit_s: 600, run: sockets_2_cpus },
    Case { name: "net-qemu", limit_s: 300, run: qemu },
    Case { name: "net-tap", limit_s: 600, run: tap::run },
    Case { name: "net-debian-python", limit_s: 600, run: python },
    Case { name: "net-server-killed", limit_s: 600, run: server_killed },
    Case { name: "net-two-clients", limit_s: 600, run: two_clients },
    Case { name: "net-hostile-wire", limit_s: 600, run: hostile_wire },
    Case { name: "net-hostile-client", limit_s: 600, run: hostile_client },
    Case { name: "net-hostile-sender", limit_s: 300, run: hostile_sender },
    Case { name: "net-hostile-server", limit_s: 600, run: hostile_server },
];

/// With `--all`, or by name; [`judges`] has the others.
pub const LONG: &[Case] = &[Case { name: "net-long-sockets-on-stock", limit_s: 600, run: sockets_on_stock }];

/// Compiles the program of [`CHECK`].
fn check(bench: &Bench) -> Result<PathBuf> {
    let program = bench.path("check");
    build::static_c(&program, &build::c_sources(&paths::repository().join(CHECK))?, &[])?;
    Ok(program)
}

/// An image with that program.
fn disk(bench: &Bench) -> Result<String> {
    Ok(bench.image("64M", &[&check(bench)?])?.display().to_string())
}

/// Address by DHCP, ping, transfers both ways, a forwarded port, what `ip` and `/proc/net` say.
fn programs(bench: &Bench) -> Result<()> {
    programs_on(bench, "multiserver", &[])
}

/// The same network in QEMU: its emulation has no VT-x, so stock Linux runs in it.
fn qemu(bench: &Bench) -> Result<()> {
    if !command::exists(QEMU) {
        return Err(Skipped("QEMU is not installed").into());
    }
    programs_on(bench, "stock", &["--machine", "qemu", "--stock"])
}

/// Runs the programs on `system`, which is booted with `options`.
fn programs_on(bench: &Bench, system: &str, options: &[&str]) -> Result<()> {
    let http = peer::serve_http()?.to_string();
    let (port, data) = (peer::free_port()?, peer::bytes(FORWARDED));
    let request = data.clone();
    let guest =
        std::thread::spawn(move || peer::ask_guest((Ipv4Addr::LOCALHOST, port), &request, Duration::from_secs(580)));
    let forward = format!("{port}:7000");
    let options = [options, &["--forward", &forward]].concat();
    let ended = bench.boot(&options, &["sh", "-c", PROGRAMS, "programs", &http, system], &[])?;
    ended.expect_status(0)?;
    let sum = peer::sum(&peer::bytes(TRANSFER));
    ended.expect_in_output(&format!("fetched {sum}"))?.expect_in_output("stored 67")?;
    ended.expect_in_output(&format!("forwarded {}", peer::sum(&data)))?;
    let answer = guest.join().map_err(|_| anyhow::anyhow!("the peer panicked"))??;
    if answer != b"the guest answers\n" {
        bail!("through the forwarded port came {} bytes", answer.len());
    }
    Ok(())
}

/// A partition with the right sets the link down and up; the address stays, transfers work again.
fn link(bench: &Bench) -> Result<()> {
    let file = bench.path("system.toml");
    let text = std::fs::read_to_string(paths::repository().join("servers/system.toml"))?;
    // The badge of the connection is its position in the file.
    let text = text.replace("sawmill.dhcp=eth0", "sawmill.dhcp=eth0 sawmill.socket_configure=4");
    std::fs::write(&file, text)?;
    let (system, http) = (file.display().to_string(), peer::serve_http()?.to_string());
    let ended = bench.boot(&["--system", &system], &["sh", "-c", LINK, "link", &http], &[])?;
    ended.expect_status(0)?.expect_in_output(&peer::sum(&peer::bytes(TRANSFER)))?;
    Ok(())
}

/// Without a NIC there is the loopback device, and nothing waits.
fn none(bench: &Bench) -> Result<()> {
    let script = "ping -c 1 127.0.0.1 > /dev/null && ! ip link show eth0 2> /dev/null && cat /proc/uptime";
    let ended = bench.boot(&["--net", "none"], &["sh", "-c", script], &[])?;
    let seconds = ended.expect_status(0)?.output.split(' ').next().unwrap_or_default();
    let seconds: f64 = seconds.parse().with_context(|| format!("no time in {:?}", ended.output))?;
    if seconds > BOOT_LIMIT_S {
        bail!("the first program was through after {seconds} s");
    }
    Ok(())
}

fn sockets_1_cpu(bench: &Bench) -> Result<()> {
    sockets(bench, "1")
}

fn sockets_2_cpus(bench: &Bench) -> Result<()> {
    sockets(bench, "2")
}

/// The details, over the loopback device.
fn sockets(bench: &Bench, cpus: &str) -> Result<()> {
    let disk = disk(bench)?;
    let ended = bench.boot(&["--cpus", cpus, "--disk", &disk], &["/bin/check"], &[])?;
    expect_no_failures(&ended)?;
    ended.expect_status(0)?.expect_in_output(", 0 failed")?;
    Ok(())
}

/// The same on stock Linux, which passes whatever is not [`OURS`].
fn sockets_on_stock(bench: &Bench) -> Result<()> {
    let disk = disk(bench)?;
    let ended = bench.boot(&["--stock", "--disk", &disk], &["/bin/check"], &[])?;
    ended.expect_in_output(" failed\n")?;
    let failed = ended.output.lines().filter_map(|line| line.strip_prefix("FAILED ")?.split(' ').next());
    let worse: Vec<&str> = failed.filter(|name| !OURS.contains(name)).collect();
    if !worse.is_empty() {
        bail!("stock Linux does not do what the checks ask for: {}\n{}", worse.join(", "), ended.output);
    }
    Ok(())
}

fn expect_no_failures(ended: &Ended) -> Result<()> {
    if ended.output.contains("FAILED") {
        bail!("{}", ended.output);
    }
    Ok(())
}

/// python3's sockets, selectors and threads.
fn python(bench: &Bench) -> Result<()> {
    let disk = rootfs::cached_debian(DEBIAN_SIZE, &DEBIAN_PACKAGES.map(str::to_owned))?.display().to_string();
    let http = peer::serve_http()?.to_string();
    // Takes datagrams and says nothing.
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = silent.local_addr()?.port().to_string();
    let ended = bench.boot(&["--disk", &disk, "--snapshot"], &["/usr/bin/python3", "-c", PYTHON, &http, &port], &[])?;
    let sum = peer::sum(&peer::bytes(TRANSFER));
    ended.expect_status(0)?.expect_in_output(&format!("fetched {sum}"))?.expect_in_output("python done")?;
    Ok(())
}

/// The server dies under load: errors within a second, files go on, and root's next server serves new sockets.
fn server_killed(bench: &Bench) -> Result<()> {
    let disk = disk(bench)?;
    let http = peer::serve_http()?.to_string();
    let script =
        format!("/bin/check lose && wget -q -O - http://10.0.2.2:{http}/{TRANSFER} | sha256sum && ip addr show eth0");
    let options = ["--disk", &disk, "--hypervisor-options", "kill=ip@5000"];
    let ended = bench.boot(&options, &["sh", "-c", &script], &[])?;
    ended.expect_status(0)?.expect_in_output(" 0 errors")?.expect_in_output("inet 10.0.2.15")?;
    ended.expect_in_output(&peer::sum(&peer::bytes(TRANSFER)))?;
    for what in ["lost after ", "sleeper woken after "] {
        let line = ended.output.lines().find_map(|line| line.strip_prefix(what));
        let time = line.and_then(|rest| rest.split(' ').next()).context("no time of the loss")?;
        if time.parse::<u64>()? > LOST_LIMIT_MS {
            bail!("{what}{time} ms");
        }
    }
    let log = std::fs::read_to_string(bench.path("log"))?;
    if !log.contains("partition ip: started again (1)") {
        bail!("root did not start the server again");
    }
    Ok(())
}

/// A second partition for programs, with the same services; `words` are added to its kernel's command line.
const SECOND: &str = r#"
[[partition]]
name = "second"
image = "vmlinux-app"
initrd = "initrd-app"
memory = "64 MiB"
cpus = "all"
priority = 3
command_line = "console=hvc0 quiet sawmill.root=root-fs sawmill.socket=ip WORDS"

[[connection]]
service = "root-fs"
client = "second"
server = "ext2"
control = "1 MiB"
pool = "32 MiB"
budget = "20 ms"

[[connection]]
service = "ip"
client = "second"
server = "ip"
control = "16 MiB"
budget = "20 ms"
"#;

/// The default system and [`SECOND`].
fn with_second(bench: &Bench, words: &str) -> Result<String> {
    let file = bench.path("system.toml");
    let text = std::fs::read_to_string(paths::repository().join("servers/system.toml"))?;
    let text =
        text.replace("memory = \"160 MiB\"", "memory = \"96 MiB\"").replace("pool = \"128 MiB\"", "pool = \"64 MiB\"");
    std::fs::write(&file, text + &SECOND.replace("WORDS", words))?;
    Ok(file.display().to_string())
}

/// Two clients share ports as processes do; one that dies with a thousand open sockets leaves nothing behind, and no
/// memory is missing.
fn two_clients(bench: &Bench) -> Result<()> {
    let disk = disk(bench)?;
    let system = with_second(bench, "neighbour")?;
    let options = ["--system", &system, "--disk", &disk, "--hypervisor-options", "kill=second@6000"];
    let ended = bench.boot(&options, &["/bin/check", "neighbour"], &[])?;
    ended.expect_status(0)?.expect_in_output("met\n")?.expect_in_output("sockets are left")?;
    let memory = ended.output.lines().find(|line| line.starts_with("KiB available")).context("no word of memory")?;
    super::measure::remember(memory.to_owned());
    Ok(())
}

/// A client's kernel makes random calls and scribbles over what it shares; the other client does not notice.
fn hostile_client(bench: &Bench) -> Result<()> {
    let disk = disk(bench)?;
    let system = with_second(bench, &format!("sawmill.socket_hostile={HOSTILE_CALLS}"))?;
    let ended = bench.boot(&["--system", &system, "--disk", &disk], &["sh", "-c", HOSTILE], &[])?;
    expect_no_failures(&ended)?;
    ended.expect_status(0)?.expect_in_output("hostile client has made")?;
    Ok(())
}

/// A client's kernel goes on filling a ring while the server takes from it: it takes what was announced.
fn hostile_sender(bench: &Bench) -> Result<()> {
    let file = bench.path("system.toml");
    let text = std::fs::read_to_string(paths::repository().join("servers/system.toml"))?;
    std::fs::write(&file, text.replace("sawmill.socket=ip", "sawmill.socket=ip sawmill.socket_endless=1"))?;
    let system = file.display().to_string();
    let script = "until dmesg | grep 'of one announcement'; do sleep 1; done; ping -c 1 127.0.0.1 > /dev/null";
    let ended = bench.boot(&["--cpus", "2", "--system", &system], &["sh", "-c", script], &[])?;
    ended.expect_status(0)?.expect_in_output("the server took 4096 bytes")?;
    Ok(())
}

/// A server answers nonsense and scribbles over what it shares: programs get errors and end, their kernel goes on.
fn hostile_server(bench: &Bench) -> Result<()> {
    let disk = disk(bench)?;
    let script =
        "/bin/check abuse && seq 1 20000 > /root/f && [ \"$(tail -n 1 /root/f)\" = 20000 ] && echo files go on";
    let options = ["--system", "servers/hostile-sockets.toml", "--disk", &disk];
    let ended = bench.boot(&options, &["sh", "-c", script], &[]);
    hostile::expect_silence(&std::fs::read_to_string(bench.path("log")).unwrap_or_default())?;
    ended?.expect_status(0)?.expect_in_output("all have ended")?.expect_in_output("files go on")?;
    Ok(())
}

/// Frames that are cut, changed, or lie about themselves do not disturb the server.
fn hostile_wire(bench: &Bench) -> Result<()> {
    let wire = wire::Wire::open()?;
    let disk = disk(bench)?;
    let options = ["--net", &wire.option(), "--disk", &disk];
    let ended = bench.boot(&options, &["sh", "-c", ON_HOSTILE_WIRE], &[])?;
    ended.expect_status(0)?;
    expect_no_failures(&ended)?;
    if wire.bad_frames() < BAD_FRAMES_MIN {
        bail!("only {} bad frames were sent", wire.bad_frames());
    }
    let log = std::fs::read_to_string(bench.path("log"))?;
    if log.contains("partition ip: ") && log.contains("started again") {
        bail!("the server was brought down");
    }
    Ok(())
}
