// SPDX-License-Identifier: MIT OR Apache-2.0
//! The multiserver under KVM with nested VT-x, which a Linux in Bochs provides: long, for `--all` or by name.

use anyhow::Result;

use super::Case;
use super::support::Bench;
use crate::command::Tool;
use crate::{ext2, paths};

/// The machine of all these tests.
const MACHINE: [&str; 2] = ["--machine", "kvm-in-bochs"];

/// The tests; Bochs needs about a minute of a processor before QEMU starts.
pub const LONG: &[Case] = &[
    Case { name: "long-kvm-in-bochs-suite", limit_s: 3000, run: conformance },
    Case { name: "long-kvm-in-bochs-ide", limit_s: 3000, run: |bench| disk(bench, "ide", "/dev/sda") },
    Case { name: "long-kvm-in-bochs-ahci", limit_s: 3000, run: |bench| disk(bench, "ahci", "/dev/sda") },
    Case { name: "long-kvm-in-bochs-nvme", limit_s: 3000, run: |bench| disk(bench, "nvme", "/dev/nvme0n1") },
    Case { name: "long-kvm-in-bochs-virtio", limit_s: 3000, run: |bench| disk(bench, "virtio", "/dev/vda") },
];

fn conformance(bench: &Bench) -> Result<()> {
    let options = ["run", "--system", "servers/conformance.toml", "--timeout", "2900"];
    let ended = bench.xtask(&[options.as_slice(), &MACHINE].concat(), &[])?;
    ended.expect_status(0)?.expect_in_output(", 0 failed")?;
    Ok(())
}

/// A program reads and writes files on a disk behind this controller; afterwards they are in the image, which is clean.
fn disk(bench: &Bench, bus: &str, device: &str) -> Result<()> {
    let image = bench.image("32M", &[])?;
    let (disk, out) = (image.display().to_string(), bench.path("out"));
    let copy = format!("/root/data:{}", out.display());
    let script = "seq 1 5000 > /root/data; sync; md5sum < /root/data; exit 7";
    let text = std::fs::read_to_string(paths::repository().join("servers/system-files.toml"))?;
    let system = bench.path("system.toml");
    std::fs::write(&system, text.replace("sawmill.disk=/dev/sda", &format!("sawmill.disk={device}")))?;
    let system = system.display().to_string();
    let options =
        [MACHINE.as_slice(), &["--system", &system, "--disk-bus", bus, "--disk", &disk, "--copy-out", &copy]].concat();
    let ended = bench.boot(&options, &["sh", "-c", script], &[])?;
    ended.expect_status(7)?;
    let sum = Tool::new("md5sum").arg(&out).output()?;
    ended.expect_output(&format!("{}  -\n", sum.split_whitespace().next().unwrap_or_default()))?;
    ext2::expect_clean(&image)
}
