// SPDX-License-Identifier: MIT OR Apache-2.0
//! Root's decisions on whole descriptions and files.

use std::path::Path;

use sawmill_abi::machine::{Module, RootInfo};
use sawmill_config::Overrides;
use sawmill_proto::system::{Restart, SYSTEM_VERSION, System};
use sawmill_root::policy::{Action, decide};
use sawmill_root::reason::End;
use sawmill_root::{aperture, description, linux_elf, names};

fn default_system() -> System {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../system.toml");
    sawmill_config::load(&path, &Overrides::default()).unwrap()
}

fn root_info(modules: &[&str], free_mib: u64) -> RootInfo {
    let mut info = RootInfo {
        magic: 0,
        abi_version: sawmill_abi::ABI_VERSION,
        tsc_khz: 1,
        boot_tsc: 0,
        cpu_count: 2,
        memory_bytes: 2 << 20,
        free_pages: free_mib << 8,
        has_iommu: 0,
        module_count: modules.len() as u64,
        modules: [Module { name: [0; 32], selector: 0, size_bytes: 0 }; 24],
        command_line: [0; 512],
    };
    for (module, name) in info.modules.iter_mut().zip(modules) {
        module.name = names::padded(name);
    }
    info
}

const ALL: [&str; 4] = ["vmlinux-ext2", "vmlinux-ip", "vmlinux-app", "initrd-app"];
/// Places in the default system.
const EXT2: usize = 0;
const APP: usize = 2;

#[test]
fn description_survives_the_way_to_root() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../system.toml");
    let bytes = sawmill_config::compile(&path).unwrap();
    assert_eq!(description::decode(&bytes).unwrap(), default_system());
    assert!(description::decode(&bytes[..40]).unwrap_err().text().starts_with("module `system` is damaged"));
    let mut other = default_system();
    other.version += 1;
    let bytes = postcard::to_slice(&other, &mut [0; 16384]).unwrap().to_vec();
    let (found, wanted) = (other.version, SYSTEM_VERSION);
    assert_eq!(
        description::decode(&bytes).unwrap_err().text(),
        format!("module `system` has version {found}, this root reads version {wanted}")
    );
    // What follows may be anything in another version.
    assert_eq!(description::decode(&bytes[..12]), description::decode(&bytes));
}

#[test]
fn machine_is_checked() {
    let system = default_system();
    assert_eq!(description::check(&system, &root_info(&ALL, 512)), Ok(()));
    let text = |system: &System, info: &RootInfo| description::check(system, info).unwrap_err().text().to_owned();
    assert_eq!(text(&system, &root_info(&ALL, 256)), "the system needs 353 MiB, this machine has 256 MiB free");
    assert_eq!(text(&system, &root_info(&ALL[..3], 512)), "partition app: there is no boot module `initrd-app`");
    let mut wrong = system.clone();
    wrong.connections[0].server = 7;
    assert_eq!(text(&wrong, &root_info(&ALL, 512)), "connection root-fs: its ends are not two partitions");
    let mut wrong = system.clone();
    wrong.partitions[1].memory_bytes += 4096;
    assert!(text(&wrong, &root_info(&ALL, 512)).contains("is not a multiple of 2 MiB"));
}

#[test]
fn apertures_do_not_overlap() {
    let system = default_system();
    for partition in [EXT2, APP] {
        let plan = aperture::plan(&system, partition);
        let place = plan.connections[0];
        assert!(place.control_gpa >= 1 << 32);
        assert!(place.control_gpa + system.connections[0].control_bytes <= place.pool_gpa);
        assert_eq!(place.pool_gpa % (128 << 20), 0);
        assert!(place.pool_gpa + system.connections[0].pool_bytes <= plan.disk_gpa);
    }
}

#[test]
fn pools_are_no_neighbours() {
    let mut system = default_system();
    system.connections[0].pool_bytes = 128 << 20;
    let second = system.connections[0].clone();
    system.connections.push(second);
    let places = aperture::plan(&system, EXT2).connections;
    let (first, last) = (places[0], places[system.connections.len() - 1]);
    assert!(first.pool_gpa + (128 << 20) < last.pool_gpa, "{first:?} {last:?}");
}

#[test]
fn restart_policy() {
    let system = default_system();
    let (mut server, app) = (system.partitions[EXT2].clone(), &system.partitions[APP]);
    assert_eq!(server.restart, Restart::OnFailure(3));
    assert_eq!(decide(&server, End::Failure, 0, None), Action::StartAgain);
    assert_eq!(decide(&server, End::Failure, 3, None), Action::LeaveDead, "the limit is kept");
    assert_eq!(decide(&server, End::Orderly(0), 0, None), Action::LeaveDead);
    server.restart = Restart::Always(1);
    assert_eq!(decide(&server, End::Orderly(0), 0, None), Action::StartAgain);
    assert_eq!(decide(app, End::Orderly(3), 0, None), Action::EndRun(3));
    assert_eq!(decide(app, End::Orderly(0), 0, Some(7)), Action::EndRun(7), "a reported status counts");
    assert_eq!(decide(app, End::Failure, 0, Some(7)), Action::EndRun(125));
}

/// A file with one loadable segment.
fn elf(paddr: u64, entry: u64, file_bytes: u64, memory_bytes: u64) -> Vec<u8> {
    let mut file = vec![0u8; 0x1100];
    let mut put = |offset: usize, bytes: &[u8]| file[offset..offset + bytes.len()].copy_from_slice(bytes);
    put(0, &[0x7f, b'E', b'L', b'F', 2, 1, 1]);
    put(16, &[2, 0, 62, 0, 1]);
    put(24, &entry.to_le_bytes());
    put(32, &64u64.to_le_bytes());
    put(52, &[64, 0, 56, 0, 1]);
    put(64, &[1, 0, 0, 0, 7]);
    put(72, &0x1000u64.to_le_bytes());
    put(88, &paddr.to_le_bytes());
    put(96, &file_bytes.to_le_bytes());
    put(104, &memory_bytes.to_le_bytes());
    file
}

#[test]
fn kernels_are_read_and_bad_ones_refused() {
    let kernel = linux_elf::read(&elf(0x100_0000, 0x100_0040, 0x100, 0x2000)).unwrap();
    assert_eq!((kernel.start, kernel.end, kernel.entry), (0x100_0000, 0x100_2000, 0x100_0040));
    assert_eq!((kernel.segments[0].offset, kernel.segments[0].file_bytes), (0x1000, 0x100));
    let text = |file: &[u8]| linux_elf::read(file).unwrap_err().text().to_owned();
    assert_eq!(text(b"#!/bin/sh"), "is no 64-bit x86 ELF kernel: bad file header");
    assert_eq!(
        text(&elf(0x100_0000, 0x100_0000, 0x101, 0x2000)),
        "is no 64-bit x86 ELF kernel: a segment lies outside the file"
    );
    assert!(text(&elf(0x100_0000, 0x100_0000, 0x100, 0x10)).contains("larger in the file"));
    assert!(text(&elf(u64::MAX - 8, 0x100_0000, 0x100, 0x2000)).contains("larger in the file"));
    assert!(text(&elf(0x100_0000, 0x200_0000, 0x100, 0x2000)).contains("its entry 0x2000000 lies outside"));
    for length in 0..200 {
        let _ = linux_elf::read(&elf(0x100_0000, 0x100_0040, 0x100, 0x2000)[..length]);
    }
}
