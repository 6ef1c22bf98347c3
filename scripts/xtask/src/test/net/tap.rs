// SPDX-License-Identifier: MIT OR Apache-2.0
//! A tap device of the host as the machine's wire: errors in words, and transfers both ways.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::super::Skipped;
use super::super::support::Bench;
use super::{TRANSFER, peer};
use crate::command::Tool;
use crate::paths;

/// What makes tap devices.
const TUN: &str = "/dev/net/tun";
/// The ends of the wire: an address block for documentation, which nobody uses.
const HOST: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
const GUEST: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
/// Both in Linux's words.
const STATIC: &str = "ip=198.51.100.2::198.51.100.1:255.255.255.0::eth0:off";
/// The port that the guest listens at.
const GUEST_PORT: u16 = 7000;
const JOB: &str = r#"set -e
ping -c 2 198.51.100.1 > /tmp/ping || { cat /tmp/ping; exit 1; }
wget -q -O /tmp/got "http://198.51.100.1:$1/$2"
sha256sum < /tmp/got
nc -l -p 7000 < /tmp/got | wc -c"#;

/// A tap device that goes with the value.
struct Tap(String);

impl Tap {
    fn make() -> Result<Self> {
        let tap = Self(format!("sawtap{}", std::process::id() % 1_000_000));
        let ip = |words: &[&str]| Tool::new("ip").args(words).run();
        ip(&["tuntap", "add", "dev", &tap.0, "mode", "tap"])?;
        ip(&["address", "add", &format!("{HOST}/24"), "dev", &tap.0])?;
        ip(&["link", "set", &tap.0, "up"])?;
        Ok(tap)
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        // What is not there need not be removed.
        let _ = Tool::new("ip").args(["tuntap", "del", "dev", &self.0, "mode", "tap"]).run();
    }
}

/// The test.
pub fn run(bench: &Bench) -> Result<()> {
    for (name, words) in [("nosuchtap", "there is no network device `nosuchtap`"), ("lo", "is not a tap device")] {
        let ended = bench.boot(&["--net", &format!("tap:{name}")], &["/bin/true"], &[])?;
        ended.expect_status(125)?.expect_output("")?.expect_in_errors(words)?;
    }
    bench.xtask(&["run", "--net", "tap:a/b", "--", "/bin/true"], &[])?.expect_status(2)?.expect_output("")?;
    if !Path::new(TUN).exists() {
        return Err(Skipped("this host has no /dev/net/tun").into());
    }
    // SAFETY: geteuid has no preconditions.
    if unsafe { libc::geteuid() } != 0 {
        return Err(Skipped("only the superuser makes tap devices").into());
    }
    let tap = Tap::make()?;
    let net = format!("tap:{}", tap.0);
    let file = bench.path("system.toml");
    let text = std::fs::read_to_string(paths::repository().join("servers/system.toml"))?;
    std::fs::write(&file, text.replace("sawmill.dhcp=eth0", STATIC))?;
    let system = file.display().to_string();
    let (port, size) = (peer::serve_http_at(HOST)?.to_string(), TRANSFER.to_string());

    let data = peer::bytes(TRANSFER);
    let (request, limit) = (data.clone(), Duration::from_secs(bench.seconds_left()));
    let guest = std::thread::spawn(move || peer::ask_guest((GUEST, GUEST_PORT), &request, limit));
    let ended = bench.boot(&["--net", &net, "--system", &system], &["sh", "-c", JOB, "tap", &port, &size], &[])?;
    ended.expect_status(0)?.expect_in_output(&peer::sum(&data))?.expect_in_output(&format!("\n{TRANSFER}\n"))?;
    let answer = guest.join().map_err(|_| anyhow::anyhow!("the peer panicked"))?.context("from the guest")?;
    if answer != data {
        bail!("from the guest came {} bytes, or others", answer.len());
    }
    Ok(())
}
