// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tests of the file service against hostile peers: a client that sends nonsense to the real server, and a server
//! that answers nonsense to the real client. `servers/conformance/src/hostile` has both.

use anyhow::{Context, Result, bail};

use super::Case;
use super::support::{Bench, DEFECTS, lines_with};
use crate::ext2;

/// What the honest client does meanwhile, and what programs do with the hostile server.
const CLIENT_JOB: &str = include_str!("hostile-client-job.sh");
const SERVER_JOB: &str = include_str!("hostile-server-job.sh");
/// Reads and changes a file whose lease another client keeps.
const LEASE_JOB: &str = "now() { read -r up rest < /proc/uptime; now=${up%.*}${up#*.}; }
    until [ -d /hready ]; do sleep 0.1; done; now; before=$now; cat /hkept || exit 1; now
    echo \"waited $((now - before))0 ms\"
    echo x >> /hkept && sync && echo 3 > /proc/sys/vm/drop_caches && [ \"$(cat /hkept)\" = x ] && sleep 1 && echo it goes on";
/// The time after which a client is cut off, and what may be added to it by looking now and then.
const LEASE_LIMIT_MS: std::ops::RangeInclusive<u64> = 4900..=6000;
/// What a kernel says beside [`DEFECTS`] when something is wrong with itself.
const WARNINGS: [&str; 2] = ["WARNING:", "Call Trace"];

/// The tests.
pub const CASES: &[Case] = &[
    Case { name: "hostile-file-client", limit_s: 600, run: |bench| client(bench, "1", "") },
    Case { name: "hostile-file-lease", limit_s: 300, run: lease },
    Case { name: "hostile-file-server", limit_s: 600, run: |bench| server(bench, "1") },
];

/// Those that only run by name or with `--all`.
pub const LONG: &[Case] = &[
    Case { name: "hostile-long-file-client", limit_s: 3600, run: |bench| client(bench, "2", "seed=7 requests=500000") },
    Case { name: "hostile-long-file-server", limit_s: 1200, run: |bench| server(bench, "2") },
];

/// The other client's files stay whole, the server says nothing, and the image is clean.
fn client(bench: &Bench, cpus: &str, options: &str) -> Result<()> {
    let image = bench.image("512M", &[])?;
    let disk = image.display().to_string();
    let mut arguments = vec!["--system", "servers/hostile-client.toml", "--cpus", cpus, "--disk", &disk];
    if !options.is_empty() {
        arguments.extend(["--hypervisor-options", options]);
    }
    let ended = bench.boot(&arguments, &["sh", "-c", CLIENT_JOB], &[]);
    let log = bench.log();
    expect_silence(&log)?;
    ended?.expect_status(0)?.expect_in_output("files are whole")?;
    let last = log.lines().rev().find(|line| line.contains("hostile client: seed") && line.contains(" refused"));
    let sum = last.and_then(|line| line.split_once("hostile client: ")).context("the hostile client did not finish")?;
    super::measure::remember(format!("hostile file client: {} ({cpus} CPU(s))", sum.1));
    ext2::expect_clean(&image)
}

/// A client that does not give a lease back is cut off; who waits for it goes on then.
fn lease(bench: &Bench) -> Result<()> {
    let image = bench.image("32M", &[])?;
    let disk = image.display().to_string();
    let options = ["--system", "servers/hostile-client.toml", "--disk", &disk, "--hypervisor-options", "keep=1"];
    let ended = bench.boot(&options, &["sh", "-c", LEASE_JOB], &[]);
    let log = bench.log();
    expect_silence(&log)?;
    let ended = ended?;
    ended.expect_status(0)?.expect_in_output("it goes on")?;
    let waited = ended.milliseconds("waited")?;
    super::measure::remember(format!("a client waited {waited} ms for a lease that another one kept"));
    if !LEASE_LIMIT_MS.contains(&waited) {
        bail!("the other client waited {waited} ms");
    }
    if !log.contains("hostile client: cut off") {
        bail!("the hostile client was not cut off");
    }
    ext2::expect_clean(&image)
}

/// Programs get errors, the partition goes on.
fn server(bench: &Bench, cpus: &str) -> Result<()> {
    let arguments = ["--system", "servers/hostile-server.toml", "--cpus", cpus];
    let ended = bench.boot(&arguments, &["sh", "-c", SERVER_JOB], &[]);
    expect_silence(&bench.log())?;
    ended?.expect_status(0)?.expect_in_output("the rest goes on")?;
    Ok(())
}

/// No kernel complains about itself.
pub(super) fn expect_silence(log: &str) -> Result<()> {
    let words = [DEFECTS.as_slice(), &WARNINGS].concat();
    let is_kernel = |line: &&str| ["[ext2]", "[app]", "[ip]"].iter().any(|name| line.starts_with(name));
    let complaints: Vec<&str> = lines_with(log, &words).filter(is_kernel).take(20).collect();
    if !complaints.is_empty() {
        bail!("a kernel complains:\n{}", complaints.join("\n"));
    }
    Ok(())
}
