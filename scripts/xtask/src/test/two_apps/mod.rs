// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two partitions for programs on one Ext2 server: what one changes the other sees.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::Case;
use super::support::Bench;
use crate::{ext2, paths};

const SYSTEM: &str = "servers/system-two-apps.toml";
/// The program that both run, compiled on the host.
const PROGRAM: &str = "scripts/xtask/src/test/two_apps/together.c";
/// What each says at its end.
const DONE: &str = "together: done\n";

/// What a partition does that is killed in its first life.
const TWO_LIVES: &str = "echo life >> /root/lives; sync
    [ \"$(wc -l < /root/lives)\" = 2 ] || while :; do echo load >> /root/theirs; done
    echo there again > /root/again; sleep 1000";
/// What the other one does until then.
const UNDISTURBED: &str = "i=0; until [ -e /root/again ]; do
        i=$((i + 1)); [ $i -le 1000 ] && echo $i >> /root/mine || exit 3; sleep 0.05
    done; [ \"$(wc -l < /root/mine)\" = $i ] || exit 4; cat /root/again";
/// Appends to a file of its own while the server dies and comes back, then reads the other one's.
const APPEND: &str = "i=0; errors=0; kept=0; exec 4>> /root/own.$me; sync; while [ $i -lt 90 ]; do i=$((i + 1))
        if echo $me $i >&4; then kept=$((kept + 1)); else errors=$((errors + 1)); fi; sleep 0.1
    done; [ $errors -le 1 ] || exit 3; echo $kept > /root/kept.$me
    i=0; until [ -s /root/kept.$other ]; do i=$((i + 1)); [ $i -le 600 ] || exit 4; sleep 0.1; done
    [ \"$(wc -l < /root/own.$other)\" = \"$(cat /root/kept.$other)\" ] || exit 5; echo whole > /root/end.$me";
/// Leaves a file that is not synchronized, and one without a name.
const UNSYNCED: &str = "exec 3> /root/nameless; rm /root/nameless; seq 1 100000 >&3
    seq 1 20000 > /root/theirs; : > /root/written; sleep 1000";

/// Leaves what it was promised room for in its cache until the disk is full.
const PROMISED: &str = "seq 1 100000 > /root/theirs; mkdir /root/ready
    until [ -d /root/full ]; do sleep 0.1; done; sync /root/theirs && rmdir /root/ready; sleep 1000";
/// Fills the disk, and waits for the other one.
const FILL: &str = "mkdir /root/filling; until [ -d /root/ready ]; do sleep 0.1; done
    dd if=/dev/zero of=/root/mine bs=64k 2>&1 | grep 'No space' || exit 3; sync /root/mine || exit 4
    mv /root/filling /root/full; i=0; while [ -d /root/ready ]; do i=$((i + 1)); [ $i -le 200 ] || exit 5; sleep 0.1; done
    echo free $(stat -f -c %f /root)";

/// The tests.
pub const CASES: &[Case] = &[
    Case { name: "two-apps-1-cpu", limit_s: 500, run: one_cpu },
    Case { name: "two-apps-2-cpus", limit_s: 900, run: two_cpus },
    Case { name: "two-apps-one-killed", limit_s: 400, run: one_killed },
    Case { name: "two-apps-one-restarted", limit_s: 400, run: one_restarted },
    Case { name: "two-apps-server-restarted", limit_s: 400, run: server_restarted },
    Case { name: "two-apps-full-disk", limit_s: 400, run: full_disk },
    Case { name: "two-apps-end", limit_s: 300, run: end },
];

fn one_cpu(bench: &Bench) -> Result<()> {
    together(bench, "1")
}

fn two_cpus(bench: &Bench) -> Result<()> {
    together(bench, "2")
}

fn image(bench: &Bench) -> Result<PathBuf> {
    bench.image("64M", &[&bench.compile(PROGRAM, &[])?])
}

/// Both see each other's changes and locks, and leave a clean image.
fn together(bench: &Bench, cpus: &str) -> Result<()> {
    let image = image(bench)?;
    let disk = image.display().to_string();
    let beside = "/bin/together b /root/both > /root/b.out 2>&1; echo $? > /root/b.status";
    let options = ["--system", SYSTEM, "--cpus", cpus, "--disk", &disk, "--beside", beside];
    let script = "/bin/together a /root/both; status=$?; i=0
        until [ -s /root/b.status ] || [ $i -ge 100 ]; do sleep 0.1; i=$((i + 1)); done
        echo beside:; cat /root/b.out; exit $status";
    let ended = bench.boot(&options, &["sh", "-c", script], &[])?;
    let (own, others) = ended.output.split_once("beside:\n").unwrap_or((&ended.output, ""));
    if !own.ends_with(DONE) || !others.ends_with(DONE) {
        bail!("one said:\n{own}the other said:\n{others}{}", ended.errors);
    }
    ended.expect_status(0)?;
    ext2::expect_clean(&image)
}

/// A partition that is killed takes nothing along: its locks and its lease are free, the other one goes on.
fn one_killed(bench: &Bench) -> Result<()> {
    let image = image(bench)?;
    let disk = image.display().to_string();
    let options = ["--system", SYSTEM, "--disk", &disk, "--hypervisor-options", "kill=app2@6000"];
    let beside = ["--beside", "/bin/together hold /root/both"];
    let options: Vec<&str> = options.into_iter().chain(beside).collect();
    let ended = bench.boot(&options, &["/bin/together", "lose", "/root/both"], &[])?;
    ended.expect_status(0)?.expect_output(DONE)?;
    let log = bench.log();
    if !log.contains("app2: killed") {
        bail!("app2 was not killed");
    }
    ext2::expect_clean(&image)
}

/// Root starts a killed client again once its server has let go of its pool; the other one goes on all the time.
fn one_restarted(bench: &Bench) -> Result<()> {
    let image = image(bench)?;
    let disk = image.display().to_string();
    let system = bench.path("system.toml");
    let text = std::fs::read_to_string(paths::repository().join(SYSTEM))?;
    // The last partition is the one.
    let policy = "restart = \"on-failure\"\nrestart_limit = 1\n\n[[connection]]";
    std::fs::write(&system, text.replacen("[[connection]]", policy, 1))?;
    let system = system.display().to_string();
    let options = ["--system", &system, "--disk", &disk, "--beside", TWO_LIVES];
    let options: Vec<&str> = options.into_iter().chain(["--hypervisor-options", "kill=app2@6000"]).collect();
    let ended = bench.boot(&options, &["sh", "-c", UNDISTURBED], &[])?;
    ended.expect_status(0)?.expect_output("there again\n")?;
    let log = bench.log();
    for event in ["partition app2: killed", "partition app2: started again (1)"] {
        if !log.contains(event) {
            bail!("`{event}` is not in the log");
        }
    }
    ext2::expect_clean(&image)
}

/// Both go on with a new server: they take their leases again, and what each had in its cache gets to the other one.
fn server_restarted(bench: &Bench) -> Result<()> {
    let image = image(bench)?;
    let disk = image.display().to_string();
    let beside = format!("me=b other=a; {APPEND}");
    let options = ["--system", SYSTEM, "--disk", &disk, "--beside", &beside];
    let options: Vec<&str> = options.into_iter().chain(["--hypervisor-options", "kill=ext2@6000"]).collect();
    let script = format!(
        "me=a other=b; {APPEND}
        i=0; until [ -s /root/end.b ]; do i=$((i + 1)); [ $i -le 600 ] || exit 6; sleep 0.1; done; cat /root/end.b"
    );
    let ended = bench.boot(&options, &["sh", "-c", &script], &[])?;
    ended.expect_status(0)?.expect_output("whole\n")?;
    if !bench.log().contains("partition ext2: started again (1)") {
        bail!("the server was not started again");
    }
    Ok(())
}

/// What the other partition had written is on the disk when the run has ended, and nothing that has no name.
fn end(bench: &Bench) -> Result<()> {
    let image = image(bench)?;
    let disk = image.display().to_string();
    let options = ["--system", SYSTEM, "--disk", &disk, "--beside", UNSYNCED];
    let script = "i=0; until [ -e /root/written ] || [ $i -ge 200 ]; do sleep 0.1; i=$((i + 1)); done";
    bench.boot(&options, &["sh", "-c", script], &[])?.expect_status(0)?;
    expect_theirs(bench, &image, 20_000)
}

/// What one partition has in its cache finds room, though the other one fills the disk; both find all room that there is.
fn full_disk(bench: &Bench) -> Result<()> {
    let image = bench.image("16M", &[])?;
    let disk = image.display().to_string();
    let options = ["--system", SYSTEM, "--disk", &disk, "--beside", PROMISED];
    let ended = bench.boot(&options, &["sh", "-c", FILL], &[])?;
    ended.expect_status(0)?.expect_in_output("free 0\n")?;
    expect_theirs(bench, &image, 100_000)
}

/// The image is clean, and has what the other partition wrote: so many numbers.
fn expect_theirs(bench: &Bench, image: &Path, count: u32) -> Result<()> {
    ext2::expect_clean(image)?;
    let copy = bench.path("theirs");
    ext2::take(image, "/root/theirs", &copy)?;
    let wanted: String = (1..=count).map(|number| format!("{number}\n")).collect();
    if std::fs::read_to_string(&copy)? != wanted {
        bail!("what the other partition had written is not on the disk");
    }
    Ok(())
}
