// SPDX-License-Identifier: MIT OR Apache-2.0
//! `xtask doctor`: what this machine has and lacks for each way of running, each miss with its fix.

use std::fs::File;
use std::path::Path;

use crate::command::Tool;
use crate::packages;
use crate::paths;
use crate::run::choose;

/// Free disk space that a first build takes, in MiB.
const DISK_MIB: u64 = 6_000;

/// A finding: what was looked at, whether it is there, and what to do if not.
struct Finding {
    what: String,
    is_good: bool,
    fix: String,
}

impl Finding {
    fn new(what: impl Into<String>, is_good: bool, fix: impl Into<String>) -> Self {
        Self { what: what.into(), is_good, fix: fix.into() }
    }
}

/// Prints all findings; true when the multiserver can run in at least one way.
pub fn run() -> bool {
    let build = section("Building", &building());
    let bochs = section("Running in Bochs (any machine)", &bochs());
    let kvm = section("Running in QEMU/KVM (fast)", &kvm());
    let metal = section("Running on this very machine, from a USB stick", &metal());
    println!();
    let choice = choose::machine(None);
    println!("Without --machine, runs use {:?}: {}.", choice.machine, choice.reason);
    if !metal {
        println!("The USB image runs on other machines all the same.");
    }
    build && (bochs || kvm)
}

fn section(title: &str, findings: &[Finding]) -> bool {
    println!("\n{title}");
    for finding in findings {
        println!("  {} {}", if finding.is_good { "ok     " } else { "MISSING" }, finding.what);
        if !finding.is_good {
            println!("          fix: {}", finding.fix);
        }
    }
    findings.iter().all(|finding| finding.is_good)
}

fn building() -> Vec<Finding> {
    let missing = packages::missing();
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    let have = packages::PACKAGES.len() - missing.len();
    let mut findings = vec![Finding::new(
        format!("Debian packages ({have} of {}) {}", packages::PACKAGES.len(), names.join(" ")),
        missing.is_empty(),
        format!("cargo xtask setup, or: {}", packages::install_command(&missing)),
    )];
    let targets = packages::missing_targets();
    findings.push(Finding::new(
        "Rust target x86_64-unknown-none",
        targets.is_empty(),
        "cargo xtask setup, or: rustup target add x86_64-unknown-none",
    ));
    let free = free_mib();
    findings.push(Finding::new(
        format!("disk space for the cache: {free} MiB free"),
        free >= DISK_MIB,
        format!("free {DISK_MIB} MiB, or set XDG_CACHE_HOME to a place that has them"),
    ));
    findings
}

fn bochs() -> Vec<Finding> {
    let bios = "/usr/share/bochs/BIOS-bochs-latest";
    let has_display =
        ["/usr/lib/x86_64-linux-gnu/bochs/plugins/libbx_rfb_gui.so", "/usr/lib/bochs/plugins/libbx_rfb_gui.so"]
            .iter()
            .any(|file| Path::new(file).exists());
    vec![
        Finding::new("Bochs", crate::command::exists("bochs"), "apt-get install bochs"),
        Finding::new("its BIOS", Path::new(bios).exists(), "apt-get install bochsbios vgabios"),
        Finding::new("its display library rfb", has_display, "apt-get install bochs"),
    ]
}

fn kvm() -> Vec<Finding> {
    let has_kvm = File::options().read(true).write(true).open("/dev/kvm").is_ok();
    let parameter = |name: &str| {
        let text = std::fs::read_to_string(format!("/sys/module/kvm_intel/parameters/{name}")).unwrap_or_default();
        matches!(text.trim(), "Y" | "1")
    };
    vec![
        Finding::new(
            "VT-x (CPUID shows vmx)",
            choose::has_vmx(),
            "an Intel CPU with VT-x enabled in the firmware; in a virtual machine, nesting enabled by its host",
        ),
        Finding::new("/dev/kvm can be opened", has_kvm, "modprobe kvm_intel; adduser $USER kvm"),
        Finding::new(
            "nesting (kvm_intel nested=Y)",
            choose::has_nesting(),
            "modprobe -r kvm_intel; modprobe kvm_intel nested=1",
        ),
        Finding::new("EPT (kvm_intel ept=Y)", parameter("ept"), "a CPU with EPT; modprobe kvm_intel ept=1"),
        Finding::new("QEMU", crate::command::exists("qemu-system-x86_64"), "apt-get install qemu-system-x86"),
    ]
}

fn metal() -> Vec<Finding> {
    let has_flag = |flag: &str| {
        let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        cpus.lines().any(|line| {
            (line.starts_with("flags") || line.starts_with("vmx flags")) && line.split_whitespace().any(|f| f == flag)
        })
    };
    let has_iommu = std::fs::read_dir("/sys/class/iommu").is_ok_and(|mut dir| dir.next().is_some());
    let has_table = Path::new("/sys/firmware/acpi/tables/DMAR").exists();
    vec![
        Finding::new("VT-x", choose::has_vmx(), "enable VT-x (VMX) in the firmware"),
        Finding::new("EPT", has_flag("ept"), "a CPU from Nehalem on"),
        Finding::new("VPID", has_flag("vpid"), "a CPU from Nehalem on"),
        Finding::new(
            "IOMMU (VT-d)",
            has_iommu || has_table,
            "enable VT-d in the firmware; without it, partitions with devices are not confined (unsafe_dma)",
        ),
    ]
}

fn free_mib() -> u64 {
    let Ok(cache) = paths::cache() else { return 0 };
    let output = Tool::new("df").args(["--output=avail", "--block-size=1M"]).arg(&cache).output().unwrap_or_default();
    output.lines().nth(1).and_then(|line| line.trim().parse().ok()).unwrap_or(0)
}
