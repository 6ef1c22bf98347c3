// SPDX-License-Identifier: MIT OR Apache-2.0
//! Programs that others wrote, run on the file service as its judges.
//!
//! [`programs`] has them and their images, [`verdicts`] what they say. Whatever fails has to fail on stock Linux's
//! ext2 in the same emulator, too, which then runs these cases; after each run the image is clean.

pub mod programs;
pub mod verdicts;

use anyhow::Result;

use super::super::Case;
use super::super::support::Bench;
use crate::command::Tool;
use crate::{ext2, linux};
pub use programs::prepare;
use programs::{Content, FSX, PJDFSTEST, program};
use verdicts::Judge;

/// A short selection.
pub const CASES: &[Case] = &[
    Case { name: "files-pjdfstest", limit_s: 1800, run: pjdfstest },
    Case { name: "files-fsx", limit_s: 900, run: fsx_short },
];

/// The rest.
pub const LONG: &[Case] = &[
    Case { name: "files-long-fsx-1-cpu", limit_s: 3600, run: fsx_1_cpu },
    Case { name: "files-long-fsx-2-cpus", limit_s: 3600, run: fsx_2_cpus },
    Case { name: "files-long-debian-judges", limit_s: 2400, run: debian_judges },
    Case { name: "files-long-fio", limit_s: 5400, run: fio },
    Case { name: "files-long-sqlite", limit_s: 5400, run: sqlite },
    Case { name: "files-long-tree", limit_s: 5400, run: tree },
    Case { name: "files-long-python", limit_s: 5400, run: python },
    Case { name: "files-long-stress", limit_s: 5400, run: stress },
];

/// Time stamps of ext2 are whole seconds, and tests wait for the next.
const PJDFSTEST_SETTINGS: &str = include_str!("pjdfstest.toml");
const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:::/bin/false\nnobody:x:65534:65534:::/bin/false\n";
const GROUP: &str = "root:x:0:\ndaemon:x:1:\nnogroup:x:65534:\n";
const PJDFSTEST_RUN: &str = "mkdir -p /root/pj; exec pjdfstest -c /etc/pjdfstest.toml -p /root/pj \"$@\" 2>&1";

const FIO: &str = include_str!("fio.sh");
const FIO_JOBS: &str = include_str!("fio.ini");
const SQLITE: &str = include_str!("sqlite.sh");
const TREE: &str = include_str!("tree.sh");
pub const PYTHON: &str = include_str!("python-tests.py");
const PYTHON_RUN: &str = "cd /root; export MODULES='test_mmap test_shutil test_os test_fcntl test_tempfile'; \
    exec python3 python-tests.py \"$@\" 2>&1";
const STRESS: &str = include_str!("stress.sh");
const DEBIAN_JUDGES: &str = "cd /root; export SIZE=1m MODULES='test_mmap test_shutil'; \
    bash fio.sh random-psync-direct mixed-libaio-direct several-jobs; \
    bash sqlite.sh 200; python3 python-tests.py 2>&1; echo ALL DONE";
/// What our scripts say at their end.
pub const END: &str = "CASES DONE";
/// Memory for the Debian userland.
const DEBIAN: [&str; 2] = ["--memory", "768"];
/// The directories of Linux's source that make the tree: files of all modes, links.
const TREE_DIRECTORIES: [&str; 2] = ["scripts", "mm"];

fn fsx_short(bench: &Bench) -> Result<()> {
    fsx(bench, "1", 2, 700)
}

fn fsx_1_cpu(bench: &Bench) -> Result<()> {
    fsx(bench, "1", 4, 2500)
}

fn fsx_2_cpus(bench: &Bench) -> Result<()> {
    fsx(bench, "2", 4, 2500)
}

/// Random reads, writes, truncations and mappings of one file, each checked.
fn fsx(bench: &Bench, cpus: &str, seeds: u32, operations: u32) -> Result<()> {
    let image = bench.image(super::SIZE, &[&program(FSX)?])?;
    let disk = image.display().to_string();
    let script = format!(
        "for seed in $(seq {seeds}); do fsx -q -S $seed -N {operations} -P /root /root/file$seed || exit 9; echo seed $seed passed; done"
    );
    let ended = bench.boot(&["--disk", &disk, "--cpus", cpus], &["/bin/sh", "-c", &script], &[])?;
    ended.expect_status(0)?.expect_in_output(&format!("seed {seeds} passed"))?;
    ext2::expect_clean(&image)
}

/// What POSIX says of names, modes, owners and times.
fn pjdfstest(bench: &Bench) -> Result<()> {
    let image = bench.image(super::SIZE, &[&program(PJDFSTEST)?])?;
    for (name, text) in [("passwd", PASSWD), ("group", GROUP), ("pjdfstest.toml", PJDFSTEST_SETTINGS)] {
        let file = bench.path(name);
        std::fs::write(&file, text)?;
        ext2::remove(&image, &format!("/etc/{name}"));
        ext2::put(&image, &file, &format!("/etc/{name}"))?;
    }
    let command = ["/bin/sh", "-c", PJDFSTEST_RUN, "pjdfstest"];
    Judge { image: &image, options: &[], command: &command, end: "Summary:", ok_min: 320 }.judge(bench, "pjdfstest")
}

/// Data that is written in many ways is read back.
fn fio(bench: &Bench) -> Result<()> {
    let image = programs::debian(bench, &[("/root/fio.ini", Content::Text(FIO_JOBS))])?;
    let options = [DEBIAN[0], DEBIAN[1], "--env", "SIZE=1m"];
    let command = ["/bin/bash", "-c", FIO, "fio"];
    Judge { image: &image, options: &options, command: &command, end: END, ok_min: 20 }.judge(bench, "fio")
}

/// A data base of many transactions is whole.
fn sqlite(bench: &Bench) -> Result<()> {
    let image = programs::debian(bench, &[])?;
    let command = ["/bin/bash", "-c", SQLITE, "sqlite", "10000"];
    Judge { image: &image, options: &DEBIAN, command: &command, end: END, ok_min: 6 }.judge(bench, "sqlite3")
}

/// A real tree survives archives, copies and version control.
fn tree(bench: &Bench) -> Result<()> {
    let archive = bench.path("tree.tar");
    let pack = Tool::new("tar").args(["--owner=0", "--group=0", "--transform=s,^,tree/,", "--create", "--file"]);
    pack.arg(&archive).arg("--directory").arg(linux::source_tree()?).args(TREE_DIRECTORIES).run()?;
    let image = programs::debian(bench, &[("/root/tree.tar", Content::File(&archive))])?;
    let command = ["/bin/bash", "-c", TREE, "tree"];
    Judge { image: &image, options: &DEBIAN, command: &command, end: END, ok_min: 17 }.judge(bench, "tar, cp, git")
}

/// Python's own tests of what it has of the system's files, without those of archives, which mostly compress.
fn python(bench: &Bench) -> Result<()> {
    let image = programs::debian(bench, &[("/root/python-tests.py", Content::Text(PYTHON))])?;
    let command = ["/bin/bash", "-c", PYTHON_RUN, "python"];
    Judge { image: &image, options: &DEBIAN, command: &command, end: END, ok_min: 540 }.judge(bench, "python3")
}

/// Some of each, in one boot.
fn debian_judges(bench: &Bench) -> Result<()> {
    let texts = [("fio.ini", FIO_JOBS), ("fio.sh", FIO), ("sqlite.sh", SQLITE), ("python-tests.py", PYTHON)];
    let names = texts.map(|(name, text)| (format!("/root/{name}"), Content::Text(text)));
    let files: Vec<(&str, Content<'_>)> = names.iter().map(|(name, content)| (name.as_str(), *content)).collect();
    let image = programs::debian(bench, &files)?;
    let command = ["/bin/bash", "-c", DEBIAN_JUDGES];
    let judge = Judge { image: &image, options: &DEBIAN, command: &command, end: "ALL DONE", ok_min: 100 };
    judge.judge(bench, "fio, sqlite3 and python3, some")
}

/// The file system stressors of stress-ng with their own checks.
fn stress(bench: &Bench) -> Result<()> {
    let image = programs::debian(bench, &[])?;
    let command = ["/bin/bash", "-c", STRESS, "stress", "50"];
    Judge { image: &image, options: &DEBIAN, command: &command, end: END, ok_min: 40 }.judge(bench, "stress-ng")
}
