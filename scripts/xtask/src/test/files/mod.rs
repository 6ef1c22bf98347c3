// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tests of the file service: taken away under load, and with [`judges`] that others wrote.
//!
//! [`LONG`] is what the default set leaves out.

pub mod judges;

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::Case;
use super::support::Bench;
use crate::command::Tool;
use crate::{ext2, paths};

/// The program that makes load, compiled on the host.
const LOAD: &str = "scripts/xtask/src/test/files/load.c";
/// Of the images with it.
const SIZE: &str = "96M";
/// What load.c writes at a time, and how much of it into one file.
const BLOCK: usize = 4096;
const RECORDS: usize = 16;
/// A call on a dead server may take so long, in the machine's own time.
const LOST_LIMIT_MS: u64 = 1000;
/// Exits that the timer may cause during a thousand cached reads; one exit for each would be a thousand.
const REREAD_EXITS_MAX: u64 = 100;
/// The emulator is gone so long after its parent was killed.
const GONE_LIMIT: Duration = Duration::from_secs(10);
/// The first bytes of load from the machine come within this time.
const LOAD_LIMIT: Duration = Duration::from_secs(100);

/// Makes 6,000 directories, finds them, moves and removes them.
const MANY: &str = "cd /root && mkdir many && cd many && mkdir a b c || exit 9; \
    for d in a b c; do (cd $d && mkdir $(seq 2000)) || exit 9; done; echo found $(find . -type d | wc -l); \
    for n in 1 777 2000; do echo $n > a/$n/name && mv a/$n b/$n/moved && echo moved $(cat b/$n/moved/name); done; \
    mv b b/1 2>/dev/null && exit 9; cd .. && rm -rf many && ! ls many 2>/dev/null";

/// The tests of the default set.
pub const CASES: &[Case] = &[
    Case { name: "files-cached-reread", limit_s: 180, run: cached_reread },
    Case { name: "files-server-killed", limit_s: 240, run: server_killed },
    Case { name: "files-power-cut", limit_s: 500, run: power_cut },
    Case { name: "files-many-directories", limit_s: 240, run: many_directories },
    Case { name: "files-no-ext2", limit_s: 180, run: no_ext2 },
    Case { name: "files-truncated-image", limit_s: 180, run: truncated_image },
];

/// More of the same; with `--all`, or by name.
pub const LONG: &[Case] = &[Case { name: "files-long-power-cut", limit_s: 3000, run: power_cut_often }];

/// An image with the program that makes load.
fn image(bench: &Bench) -> Result<PathBuf> {
    bench.image(SIZE, &[&bench.compile(LOAD, &[])?])
}

/// A cached read makes no call, and no exit but the timer's.
fn cached_reread(bench: &Bench) -> Result<()> {
    let image = image(bench)?.display().to_string();
    let ended = bench.boot(&["--disk", &image], &["/bin/load", "reread", "/bin/busybox", "1000"], &[])?;
    ended.expect_status(0)?;
    let counts = |kind: &str| -> Result<Vec<u64>> {
        let line = ended.output.lines().find_map(|line| line.strip_prefix(kind));
        let line = line.with_context(|| format!("no line of `{kind}` in:\n{}", ended.output))?;
        Ok(line.split(|it: char| !it.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect())
    };
    // That the counters count shows the first read, which is not cached.
    let (cold, cached) = (counts("cold")?, counts("cached")?);
    match (cold.as_slice(), cached.as_slice()) {
        ([calls, ..], [0, exits, ..]) if *calls > 0 && *exits <= REREAD_EXITS_MAX => Ok(()),
        _ => bail!("calls and exits of the reads:\n{}", ended.output),
    }
}

/// The server dies under load and stays dead: errors within a second, everything else goes on, the image can be repaired.
fn server_killed(bench: &Bench) -> Result<()> {
    let image = image(bench)?;
    let disk = image.display().to_string();
    let system = bench.path("system.toml");
    let text = std::fs::read_to_string(paths::repository().join("servers/system.toml"))?;
    let text = text.replace("restart = \"on-failure\"", "restart = \"never\"").replace("restart_limit = 3\n", "");
    std::fs::write(&system, text)?;
    let system = system.display().to_string();
    let options = ["--system", &system, "--disk", &disk, "--hypervisor-options", "kill=ext2@4000"];
    let ended = bench.boot(&options, &["/bin/load", "lose", "/root/load"], &[])?;
    ended.expect_status(0)?.expect_in_output("then EIO")?.expect_in_output("the rest goes on")?;
    let slowest = ended.milliseconds("slowest call")?;
    if slowest > LOST_LIMIT_MS {
        bail!("a call took {slowest} ms");
    }
    let synced = ended.output.lines().find_map(|line| line.strip_prefix("synced ")?.split_once(','));
    let synced: usize = synced.context("no count of records")?.0.parse()?;
    if synced == 0 {
        bail!("the server died before the load began");
    }
    ext2::repair(&image)?;
    expect_records(bench, &image, synced)
}

/// More directories than the server has memory to keep at a time.
fn many_directories(bench: &Bench) -> Result<()> {
    let image = bench.image("256M", &[])?;
    let ended = bench.boot(&["--disk", &image.display().to_string()], &["sh", "-c", MANY], &[])?;
    ended.expect_status(0)?.expect_in_output("found 6004")?;
    for name in ["1", "777", "2000"] {
        ended.expect_in_output(&format!("moved {name}"))?;
    }
    ext2::expect_clean(&image)
}

fn power_cut(bench: &Bench) -> Result<()> {
    power_cuts(bench, 5)
}

fn power_cut_often(bench: &Bench) -> Result<()> {
    power_cuts(bench, 20)
}

/// The emulator is killed at random moments: what fsync acknowledged is there.
fn power_cuts(bench: &Bench, count: u32) -> Result<()> {
    let program = bench.compile(LOAD, &[])?;
    for round in 0..count {
        let image = bench.image(SIZE, &[&program])?;
        let mut run = Command::new(std::env::current_exe()?);
        run.args(["run", "--timeout", "120", "--disk"]).arg(&image).args(["--", "/bin/load", "sync", "/root/load"]);
        run.current_dir(paths::repository()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = run.process_group(0).spawn().context("cannot run xtask")?;
        let synced = kill_under_load(&mut child, random_ms(2500));
        let synced = synced.with_context(|| format!("round {round}"))?;
        ext2::repair_all(&image)?;
        ext2::expect_clean(&image)?;
        expect_records(bench, &image, synced).with_context(|| format!("round {round}, {synced} records"))?;
    }
    Ok(())
}

/// Waits for the first record, then kills after `delay`; returns how many records were acknowledged.
fn kill_under_load(child: &mut Child, delay: Duration) -> Result<usize> {
    let output = child.stdout.take().context("there is a pipe")?;
    let (sender, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // The last one may be cut.
            if let Some(number) = line.strip_prefix("synced ").and_then(|number| number.parse::<usize>().ok())
                && sender.send(number).is_err()
            {
                break;
            }
        }
    });
    let first = lines.recv_timeout(LOAD_LIMIT);
    std::thread::sleep(delay);
    let emulators = children(child.id());
    child.kill()?;
    child.wait()?;
    // Bochs dies with its parent; only then is the image at rest.
    let started = Instant::now();
    while emulators.iter().any(|id| is_alive(*id)) {
        if started.elapsed() > GONE_LIMIT {
            bail!("the emulator outlives its parent");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    if emulators.is_empty() {
        bail!("no emulator was running");
    }
    let first = first.context("no record was written")?;
    // Lines come in order, and whole but for the last, whose number may lack digits: the largest one counts.
    Ok(lines.iter().fold(first, usize::max) + 1)
}

/// Processes that `parent` started.
fn children(parent: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<u32>>()).collect()
}

fn is_alive(id: u32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // A zombie's files are closed.
    state.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// A random time up to `limit_ms`.
fn random_ms(limit_ms: u32) -> Duration {
    let nanoseconds =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().subsec_nanos();
    Duration::from_millis(u64::from(nanoseconds / 1000 % limit_ms))
}

/// Fails unless the first `count` records of load.c are in the image.
fn expect_records(bench: &Bench, image: &Path, count: usize) -> Result<()> {
    let tree = bench.path("tree");
    let _ = std::fs::remove_dir_all(&tree);
    std::fs::create_dir(&tree)?;
    ext2::ask(image, &format!("rdump /root/load {}", tree.display()))?;
    for number in 0..count {
        let name = format!("load/f{}", number / RECORDS);
        let file = std::fs::read(tree.join(&name)).with_context(|| format!("record {number}: {name} is lost"))?;
        let at = number % RECORDS * BLOCK;
        let wanted: String = (0..BLOCK).step_by(16).map(|offset| format!("{number:07} {offset:07}\n")).collect();
        if file.get(at..at + BLOCK) != Some(wanted.as_bytes()) {
            bail!("record {number} is not in {name}, which has {} bytes", file.len());
        }
    }
    Ok(())
}

/// A disk of random bytes is refused in a sentence.
fn no_ext2(bench: &Bench) -> Result<()> {
    let image = bench.path("noise.ext2");
    let noise: Vec<u8> = (0..2_000_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    std::fs::write(&image, &noise[..4 << 20])?;
    refused(bench, &image)
}

/// An image that ends in the middle is refused as stock Linux refuses it.
fn truncated_image(bench: &Bench) -> Result<()> {
    let image = bench.image(SIZE, &[])?;
    Tool::new("truncate").args(["-s", "8M"]).arg(&image).run()?;
    refused(bench, &image)
}

fn refused(bench: &Bench, image: &Path) -> Result<()> {
    let disk = image.display().to_string();
    let ended = bench.boot(&["--disk", &disk, "--snapshot"], &["/bin/true"], &[])?;
    ended.expect_status(125)?.expect_output("")?.expect_in_errors("not mountable as ext2")?;
    Ok(())
}
