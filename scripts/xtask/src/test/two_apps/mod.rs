// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two partitions for programs on one Ext2 server: what one changes the other sees.

use anyhow::{Result, bail};

use super::Case;
use super::support::Bench;
use crate::command::Tool;
use crate::{paths, rootfs};

const SYSTEM: &str = "servers/system-two-apps.toml";
/// The program that both run, compiled on the host.
const PROGRAM: &str = "scripts/xtask/src/test/two_apps/together.c";
/// What each says at its end.
const DONE: &str = "together: done\n";

/// The tests.
pub const CASES: &[Case] = &[
    Case { name: "two-apps-1-cpu", limit_s: 500, run: one_cpu },
    Case { name: "two-apps-2-cpus", limit_s: 900, run: two_cpus },
    Case { name: "two-apps-one-killed", limit_s: 400, run: one_killed },
];

fn one_cpu(bench: &Bench) -> Result<()> {
    together(bench, "1")
}

fn two_cpus(bench: &Bench) -> Result<()> {
    together(bench, "2")
}

fn image(bench: &Bench) -> Result<String> {
    let (image, program) = (bench.path("disk.ext2"), bench.path("together"));
    let flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-s", "-o"];
    Tool::new("gcc").args(flags).arg(&program).arg(paths::repository().join(PROGRAM)).run()?;
    Tool::new("cp").arg(rootfs::busybox()?).arg(&image).run()?;
    Tool::new("chmod").arg("u+w").arg(&image).run()?;
    Tool::new("truncate").args(["-s", "64M"]).arg(&image).run()?;
    Tool::new("/sbin/resize2fs").arg(&image).run()?;
    let write = format!("write {} /bin/together", program.display());
    for request in [write.as_str(), "sif /bin/together mode 0100755"] {
        Tool::new("/sbin/debugfs").args(["-w", "-R", request]).arg(&image).run()?;
    }
    Ok(image.display().to_string())
}

/// Both see each other's changes and locks, and leave a clean image.
fn together(bench: &Bench, cpus: &str) -> Result<()> {
    let image = image(bench)?;
    let beside = "/bin/together b /root/both > /root/b.out 2>&1; echo $? > /root/b.status";
    let options = ["--system", SYSTEM, "--cpus", cpus, "--disk", &image, "--beside", beside];
    let script = "/bin/together a /root/both; status=$?; i=0
        until [ -s /root/b.status ] || [ $i -ge 100 ]; do sleep 0.1; i=$((i + 1)); done
        echo beside:; cat /root/b.out; exit $status";
    let ended = bench.boot(&options, &["sh", "-c", script], &[])?;
    let (own, others) = ended.output.split_once("beside:\n").unwrap_or((&ended.output, ""));
    if !own.ends_with(DONE) || !others.ends_with(DONE) {
        bail!("one said:\n{own}the other said:\n{others}{}", ended.errors);
    }
    ended.expect_status(0)?;
    Tool::new("/sbin/e2fsck").args(["-f", "-n"]).arg(&image).run()
}

/// A partition that is killed takes nothing along: its locks and its lease are free, the other one goes on.
fn one_killed(bench: &Bench) -> Result<()> {
    let image = image(bench)?;
    let options = ["--system", SYSTEM, "--disk", &image, "--hypervisor-options", "kill=app2@6000"];
    let beside = ["--beside", "/bin/together hold /root/both"];
    let options: Vec<&str> = options.into_iter().chain(beside).collect();
    let ended = bench.boot(&options, &["/bin/together", "lose", "/root/both"], &[])?;
    ended.expect_status(0)?.expect_output(DONE)?;
    let log = std::fs::read_to_string(bench.path("log"))?;
    if !log.contains("app2: killed") {
        bail!("app2 was not killed");
    }
    Tool::new("/sbin/e2fsck").args(["-f", "-n"]).arg(&image).run()
}
