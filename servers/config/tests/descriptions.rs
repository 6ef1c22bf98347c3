// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every defect of a description is found, at its line and column, with its reason.

use std::path::Path;

use sawmill_config::{Overrides, compile, compile_with, load, parse};
use sawmill_proto::system::{Cpus, System};

/// A correct description with two partitions; tests replace parts of it.
const GOOD: &str = r#"[machine]
memory = "256 MiB"
cpus = 4

[[partition]]
name = "app"
image = "vmlinux-app"
memory = "64 MiB"
cpus = "all"
priority = 3
ends_run = true

[[partition]]
name = "ext2"
image = "vmlinux-ext2"
memory = "24 MiB"
cpus = [0]
restart = "on-failure"

[[partition.device]]
class = ["ide"]
unsafe_dma = true

[[connection]]
service = "root-fs"
client = "app"
server = "ext2"
control = "1 MiB"
pool = "128 MiB"
budget = "20 ms"
"#;

fn system_file() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../system.toml")
}

fn fail(text: &str, overrides: &Overrides) -> String {
    match parse(Path::new("s.toml"), text, overrides) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(error) => error.to_string(),
    }
}

/// Asserts that replacing `old` by `new` gives exactly this error.
fn check(old: &str, new: &str, error: &str) {
    assert!(GOOD.contains(old), "{old}");
    assert_eq!(fail(&GOOD.replacen(old, new, 1), &Overrides::default()), error);
}

#[test]
fn good_description_is_accepted_and_ordered() {
    let system = parse(Path::new("s.toml"), GOOD, &Overrides::default()).unwrap();
    let names: Vec<&str> = system.partitions.iter().map(|partition| partition.name.as_str()).collect();
    assert_eq!(names, ["ext2", "app"], "servers come first");
    assert_eq!((system.connections[0].client, system.connections[0].server), (1, 0));
    assert_eq!(system.connections[0].budget_ns, 20_000_000);
    assert_eq!(system.partitions[0].cpus, Cpus::Mask(1));
}

#[test]
fn default_system_survives_encoding() {
    let bytes = compile(&system_file()).unwrap();
    let system: System = postcard::from_bytes(&bytes).unwrap();
    assert_eq!(system, load(&system_file(), &Overrides::default()).unwrap());
    let names: Vec<&str> = system.partitions.iter().map(|partition| partition.name.as_str()).collect();
    assert_eq!(names, ["ext2", "ip", "app"]);
}

#[test]
fn every_description_here_is_correct() {
    let directory = system_file().parent().unwrap().to_path_buf();
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut count = 0;
    for file in files.filter(|file| file.extension().is_some_and(|it| it == "toml")) {
        load(&file, &Overrides::default()).unwrap_or_else(|error| panic!("{error}"));
        count += 1;
    }
    assert!(count >= 2);
}

#[test]
fn conformance_system_is_correct() {
    let system = load(&system_file().with_file_name("conformance.toml"), &Overrides::default()).unwrap();
    let names: Vec<&str> = system.partitions.iter().map(|partition| partition.name.as_str()).collect();
    assert_eq!(names, ["runner", "assistant", "suite"]);
    assert!(system.partitions[0].controls_itself && !system.partitions[2].controls_itself);
}

#[test]
fn overrides_change_the_result() {
    let overrides = Overrides {
        memory: vec![("app".into(), 256 << 20)],
        pool: vec![("root-fs".into(), 64 << 20)],
        cpus: Some(1),
        command_line: vec![("app".into(), "quiet=1".into())],
        machine_memory: Some(1 << 30),
        modules: None,
    };
    let system: System = postcard::from_bytes(&compile_with(&system_file(), &overrides).unwrap()).unwrap();
    assert_eq!(system.partitions[2].memory_bytes, 256 << 20);
    assert_eq!(system.partitions[2].cpus, Cpus::First(1));
    assert!(system.partitions[2].command_line.ends_with(" quiet=1"));
    assert_eq!(system.connections[0].pool_bytes, 64 << 20);
}

#[test]
fn cpu_masks_follow_the_machine() {
    assert_eq!(Cpus::All.mask(2), 0b11);
    assert_eq!(Cpus::All.mask(64), 0xff);
    assert_eq!(Cpus::First(4).mask(2), 0b11);
    assert_eq!(Cpus::Mask(0b110).mask(2), 0b10);
}

#[test]
fn missing_file() {
    let error = compile(Path::new("/nonexistent/system.toml")).unwrap_err().to_string();
    assert!(error.starts_with("/nonexistent/system.toml: cannot be read: "), "{error}");
}

#[test]
fn syntax_and_keys() {
    let error = fail("[machine\n", &Overrides::default());
    assert!(error.starts_with("s.toml:1:"), "{error}");
    let error = fail(&GOOD.replace("priority = 3", "prio = 3"), &Overrides::default());
    assert!(error.starts_with("s.toml:10:1: unknown field `prio`, expected one of `name`"), "{error}");
    check("image = \"vmlinux-ext2\"\n", "", "s.toml:14:8: partition `ext2` has no image");
    let error = fail(&GOOD.replacen("memory = \"64 MiB\"\n", "", 1), &Overrides::default());
    assert!(error.starts_with("s.toml:5:1: missing field `memory`"), "{error}");
    check("\"on-failure\"", "\"sometimes\"", "s.toml:18:11: restart \"sometimes\" is not never, on-failure or always");
}

#[test]
fn names() {
    check("name = \"ext2\"", "name = \"app\"", "s.toml:14:8: there are two partitions named `app`");
    check("name = \"ext2\"", "name = \"root\"", "s.toml:14:8: the name `root` belongs to the root partition");
    check(
        "name = \"ext2\"",
        "name = \"Ext 2\"",
        "s.toml:14:8: partition name \"Ext 2\" may consist of a-z, 0-9, '-', '_' and '.' only",
    );
    check("name = \"ext2\"", "name = \"a-very-long-partition\"", "s.toml:14:8: partition name is longer than 15 bytes");
}

#[test]
fn memory() {
    check("\"24 MiB\"", "\"25 MiB\"", "s.toml:16:10: memory of 26214400 bytes is not a multiple of 2 MiB");
    check("\"24 MiB\"", "\"8 MiB\"", "s.toml:16:10: memory of 8 MiB is too small for Linux (16 MiB)");
    check("\"24 MiB\"", "\"lots\"", "s.toml:16:10: \"lots\" is no size (write for instance \"24 MiB\")");
    check("\"24 MiB\"", "0", "s.toml:16:10: memory is 0");
    check(
        "pool = \"128 MiB\"",
        "pool = \"168 MiB\"",
        "s.toml:29:8: with the pool of `root-fs` the system needs 257 MiB, the machine has 256 MiB for it",
    );
    check(
        "pool = \"128 MiB\"",
        "pool = \"127 MiB\"",
        "s.toml:29:8: pool of 133169152 bytes is not a multiple of 2 MiB",
    );
    check("control = \"1 MiB\"", "control = 100", "s.toml:28:11: control of 100 bytes is not a multiple of 4 KiB");
    check("control = \"1 MiB\"\n", "", "s.toml:28:8: connection `root-fs` has a pool but no control region");
    let overrides = Overrides { memory: vec![("ext2".into(), (24 << 20) + 1)], ..Overrides::default() };
    assert_eq!(fail(GOOD, &overrides), "s.toml:16:10: memory of 25165825 bytes is not a multiple of 2 MiB");
}

#[test]
fn cpus_and_priorities() {
    check("cpus = [0]", "cpus = [4]", "s.toml:17:8: CPU 4 is out of range (0 to 3)");
    check("cpus = [0]", "cpus = 5", "s.toml:17:8: CPU count 5 is out of range (1 to 4)");
    check("cpus = [0]", "cpus = []", "s.toml:17:8: [] is not \"all\", a number of CPUs or a list of CPUs");
    check("cpus = 4", "cpus = 9", "s.toml:3:8: CPU count of the machine is out of range (1 to 8)");
    check("priority = 3", "priority = 8", "s.toml:10:12: priority 8 is out of range (0 to 7)");
    check("priority = 3", "priority = -1", "s.toml:10:12: priority -1 is out of range (0 to 7)");
}

#[test]
fn images() {
    let modules = |names: &[&str]| Overrides {
        modules: Some(names.iter().map(|name| (*name).into()).collect()),
        ..Overrides::default()
    };
    assert_eq!(
        fail(GOOD, &modules(&["vmlinux-app", "system"])),
        "s.toml:15:9: image `vmlinux-ext2` is not among the boot modules (vmlinux-app, system)"
    );
    assert!(parse(Path::new("s.toml"), GOOD, &modules(&["vmlinux-app", "vmlinux-ext2"])).is_ok());
}

#[test]
fn devices() {
    let error = fail(&GOOD.replace("unsafe_dma = true\n", ""), &Overrides::default());
    assert!(error.starts_with("s.toml:20:1: device with DMA, but no IOMMU is assumed"), "{error}");
    let confined = GOOD.replace("unsafe_dma = true\n", "").replace("cpus = 4", "cpus = 4\niommu = true");
    assert!(parse(Path::new("s.toml"), &confined, &Overrides::default()).is_ok());
    check(
        "[\"ide\"]",
        "[\"floppy\"]",
        "s.toml:21:10: \"floppy\" is no device class (ide, ahci, nvme, scsi, ethernet, or a number such as 0x0101)",
    );
    check(
        "ends_run = true",
        "device = [{ class = [0x0101], unsafe_dma = true }]",
        "s.toml:20:1: device of `ext2` overlaps with a device of `app`",
    );
    let apart = GOOD
        .replace("ends_run = true", "device = [{ class = [0x0101], vendor = 1, unsafe_dma = true }]")
        .replace("class = [\"ide\"]", "class = [\"ide\"]\nvendor = 2");
    assert!(parse(Path::new("s.toml"), &apart, &Overrides::default()).is_ok());
}

#[test]
fn connections() {
    check(
        "server = \"ext2\"",
        "server = \"ext3\"",
        "s.toml:27:10: server of connection `root-fs`: there is no partition `ext3`",
    );
    check(
        "server = \"ext2\"",
        "server = \"app\"",
        "s.toml:27:10: connection `root-fs` leads from a partition to itself",
    );
    check("\"20 ms\"", "\"20\"", "s.toml:30:10: \"20\" is no duration (write for instance \"20 ms\")");
    check("\"20 ms\"", "\"11 s\"", "s.toml:30:10: budget is out of range (1 ns to 10 s)");
    let twice = format!("{GOOD}[[connection]]\nservice = \"root-fs\"\nclient = \"app\"\nserver = \"ext2\"\n");
    assert_eq!(fail(&twice, &Overrides::default()), "s.toml:32:11: `app` has two connections named `root-fs`");
    let same_badge = twice.replace(
        "service = \"root-fs\"\nclient = \"app\"\nserver = \"ext2\"\ncontrol",
        "service = \"a\"\nbadge = 7\nclient = \"app\"\nserver = \"ext2\"\ncontrol",
    );
    let same_badge = format!("{same_badge}badge = 7\n");
    assert_eq!(fail(&same_badge, &Overrides::default()), "s.toml:36:9: `ext2` has two connections with badge 7");
    let circle = format!("{GOOD}[[connection]]\nservice = \"back\"\nclient = \"ext2\"\nserver = \"app\"\n");
    assert_eq!(fail(&circle, &Overrides::default()), "s.toml:27:10: `app` is in a circle of clients and servers");
}

#[test]
fn policies() {
    check(
        "restart = \"on-failure\"",
        "restart = \"on-failure\"\nends_run = true",
        "s.toml:14:8: a partition that ends the run cannot have a restart policy",
    );
    check(
        "restart = \"on-failure\"",
        "hang_after = \"1 ms\"",
        "s.toml:18:14: hang_after is out of range (200 ms to 1000 s)",
    );
    let twice = GOOD.replace("image", "foreground = true\nimage");
    assert_eq!(
        fail(&twice, &Overrides::default()),
        "s.toml:15:8: only one partition can have the terminal (`foreground = true`)"
    );
}
