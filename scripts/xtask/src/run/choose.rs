// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which machine a run uses, and why.

use std::fs::File;

use crate::command;

/// A machine to run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Machine {
    /// QEMU with KVM and nested VT-x: fast.
    Qemu,
    /// Bochs, which emulates VT-x: works everywhere.
    Bochs,
    /// QEMU with KVM on a Linux in Bochs: tests the first on hosts for the second. Minutes to boot.
    KvmInBochs,
}

impl Machine {
    /// Its name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Qemu => "QEMU/KVM",
            Self::Bochs => "Bochs",
            Self::KvmInBochs => "QEMU/KVM in Bochs",
        }
    }
}

/// A choice and its reason, one line.
#[derive(Debug, Clone)]
pub struct Choice {
    /// The machine.
    pub machine: Machine,
    /// Why.
    pub reason: String,
}

/// Chooses by what this host has, unless the user did.
pub fn machine(wanted: Option<Machine>) -> Choice {
    if let Some(machine) = wanted {
        return Choice { machine, reason: "as asked for".to_owned() };
    }
    match why_not_kvm() {
        None => Choice { machine: Machine::Qemu, reason: "this host has nested VT-x".to_owned() },
        Some(reason) => Choice { machine: Machine::Bochs, reason },
    }
}

/// Why QEMU cannot offer VT-x to the hypervisor here; `None` if it can.
fn why_not_kvm() -> Option<String> {
    if !has_vmx() {
        return Some("the CPU of this host shows no VT-x".to_owned());
    }
    if !has_kvm() {
        return Some("/dev/kvm cannot be opened".to_owned());
    }
    if !has_nesting() {
        return Some("kvm_intel does not nest (nested=N)".to_owned());
    }
    (!command::exists("qemu-system-x86_64")).then(|| "qemu-system-x86_64 is not installed".to_owned())
}

/// Whether the CPU has VT-x.
pub fn has_vmx() -> bool {
    has_flag("vmx")
}

fn has_flag(name: &str) -> bool {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    cpus.lines().any(|line| line.starts_with("flags") && line.split_whitespace().any(|flag| flag == name))
}

/// Whether this user may use KVM, on a CPU that it is made for.
pub fn has_kvm() -> bool {
    (has_vmx() || has_flag("svm")) && File::options().read(true).write(true).open("/dev/kvm").is_ok()
}

/// Whether KVM offers VT-x to its guests.
pub fn has_nesting() -> bool {
    let nested = std::fs::read_to_string("/sys/module/kvm_intel/parameters/nested").unwrap_or_default();
    matches!(nested.trim(), "Y" | "1")
}
