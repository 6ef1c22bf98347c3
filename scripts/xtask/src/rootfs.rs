// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ext2 images to run programs from: a small one of busybox, and Debian ones of any packages.
//!
//! Images are made by `mke2fs -d` and need neither root nor a loop device; they are cached by what is in them.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::command::Tool;
use crate::ext2;
use crate::linux;
use crate::paths::{self, Scratch};
use crate::progress::{self, Phase};

/// Raised when images of the same inputs are made differently.
const REVISION: &str = "3";
/// Raised when the busybox image is made differently.
const BUSYBOX_REVISION: &str = "3";
const BUSYBOX: &str = "/bin/busybox";
const BUSYBOX_IMAGE_SIZE: &str = "32M";
/// What a Debian has that is installed otherwise: names of services and protocols.
const DEBIAN_BASE: &str = "netbase";
const DIRECTORIES: [&str; 14] =
    ["bin", "dev", "etc", "home", "mnt", "proc", "root", "run", "sbin", "sys", "tmp", "usr/bin", "usr/sbin", "var/tmp"];
const HOSTNAME: (&str, &str) = ("etc/hostname", "sawmill\n");
/// A place for what the network says (servers/run/mounts.c).
const NAME_SERVERS: (&str, &str) = ("etc/resolv.conf", "");
const HOSTS: (&str, &str) = ("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n");
const FILES: [(&str, &str); 7] = [
    HOSTS,
    ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"),
    ("etc/group", "root:x:0:\nnogroup:x:65534:\n"),
    HOSTNAME,
    // Only where the image's own init runs: stock Linux on the boot image.
    ("etc/inittab", "::sysinit:/bin/mount -t proc proc /proc\nttyS0::respawn:-/bin/sh\ntty1::respawn:-/bin/sh\n"),
    NAME_SERVERS,
    ("etc/profile", "export PS1='\\u@sawmill:\\w\\$ '\n"),
];

/// The default image: Debian's static busybox with a link for each of its programs.
pub fn busybox() -> Result<PathBuf> {
    let program = std::fs::read(BUSYBOX)
        .with_context(|| format!("cannot read {BUSYBOX}; `cargo xtask setup` installs busybox-static"))?;
    let mut hash = Sha256::new();
    hash.update(BUSYBOX_REVISION);
    for (name, content) in FILES {
        hash.update(name);
        hash.update(content);
    }
    hash.update(&program);
    let key = linux::hex(&hash.finalize());
    let image = paths::cached("images")?.join(format!("busybox-{}.ext2", &key[..16]));
    if image.is_file() {
        return Ok(image);
    }
    let phase = Phase::start("image with Debian's busybox");
    let tree = Scratch::new("busybox")?;
    for dir in DIRECTORIES {
        std::fs::create_dir_all(tree.join(dir))?;
    }
    for dir in ["tmp", "var/tmp"] {
        std::fs::set_permissions(tree.join(dir), std::fs::Permissions::from_mode(0o1777))?;
    }
    for (name, content) in FILES {
        std::fs::write(tree.join(name), content)?;
    }
    std::fs::copy(BUSYBOX, tree.join("bin/busybox"))?;
    for applet in Tool::new(BUSYBOX).arg("--list-full").output()?.lines().filter(|applet| *applet != "bin/busybox") {
        let link = tree.join(applet);
        if let Some(dir) = link.parent().filter(|dir| dir.is_dir()) {
            symlink("/bin/busybox", dir.join(link.file_name().unwrap_or_default())).ok();
        }
    }
    make_ext2(tree.path(), BUSYBOX_IMAGE_SIZE, &image)?;
    phase.done(&image.display().to_string());
    Ok(image)
}

/// Makes `out`, an image of `size` with a minimal Debian and `packages`.
pub fn debian(out: &Path, size: &str, packages: &[String]) -> Result<()> {
    let image = cached_debian(size, packages)?;
    ext2::copy(&image, out)
}

/// The cached image of `packages`, made when missing; not to be written to.
pub fn cached_debian(size: &str, packages: &[String]) -> Result<PathBuf> {
    let release = debian_release()?;
    let mut names = packages.to_vec();
    names.sort();
    names.dedup();
    let mut hash = Sha256::new();
    for part in [REVISION, &release, size].into_iter().chain(names.iter().map(String::as_str)) {
        hash.update(part);
        hash.update([0]);
    }
    let key = linux::hex(&hash.finalize());
    let image = paths::cached("images")?.join(format!("debian-{}.ext2", &key[..16]));
    if image.is_file() {
        progress::cached("Debian image", &image.display().to_string());
        return Ok(image);
    }
    let log = image.with_extension("log");
    let mut phase = Phase::start(&format!("Debian image with {} packages, log {}", names.len(), log.display()));
    let tree = Scratch::new("debian")?;
    let root = tree.join("root");
    let sources = tree.join("debian.sources");
    std::fs::write(&sources, debian_sources(&release)?)?;
    phase.step("installing packages");
    let mut make = Tool::new("mmdebstrap").args(["--variant=minbase", "--format=directory"]);
    if !is_superuser() {
        make = make.arg("--mode=unshare");
    }
    for option in apt_options() {
        make = make.arg(format!("--aptopt={option}"));
    }
    make = make.arg(format!("--include={DEBIAN_BASE},{}", names.join(",")));
    // Otherwise it would have the names of the machine that makes it.
    for (name, content) in [HOSTS, HOSTNAME, NAME_SERVERS] {
        make = make.arg(format!("--customize-hook=printf '%s' '{content}' > \"$1/{name}\""));
    }
    make = make.args(["--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*"]);
    make = make.arg("--dpkgopt=path-exclude=/usr/share/locale/*").arg(&release).arg(&root).arg(&sources);
    let _ = std::fs::remove_file(&log);
    make.log(&log).run()?;
    phase.step("making the image");
    clean(&root)?;
    make_ext2(&root, size, &image)?;
    phase.done(&image.display().to_string());
    Ok(image)
}

/// Puts the tree `dir` into a new ext2 image.
fn make_ext2(dir: &Path, size: &str, image: &Path) -> Result<()> {
    let fresh = image.with_extension(format!("new{}", std::process::id()));
    let (program, first) = if is_superuser() || !crate::command::exists("unshare") {
        ("mke2fs", None)
    } else {
        // Files are to belong to root inside the image, whoever makes it.
        ("unshare", Some(["--map-root-user", "mke2fs"]))
    };
    let tool = Tool::new(program).args(first.into_iter().flatten());
    let options = ["-q", "-F", "-t", "ext2", "-b", "4096", "-m", "1", "-L", "sawmill", "-E", "root_owner=0:0", "-d"];
    tool.args(options).arg(dir).arg(&fresh).arg(size).env("PATH", search_path()).run()?;
    std::fs::rename(&fresh, image)?;
    Ok(())
}

/// The search path with the places of administration tools, which users often lack.
fn search_path() -> String {
    format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default())
}

/// Removes what only the making needed.
fn clean(root: &Path) -> Result<()> {
    for dir in ["var/cache/apt", "var/lib/apt/lists"] {
        for file in linux::files_below(&root.join(dir))? {
            std::fs::remove_file(file)?;
        }
    }
    Ok(())
}

fn is_superuser() -> bool {
    // SAFETY: geteuid has no preconditions.
    unsafe { libc::geteuid() == 0 }
}

/// The code name of the Debian release that runs here.
fn debian_release() -> Result<String> {
    let text = std::fs::read_to_string("/etc/os-release").context("cannot read /etc/os-release")?;
    let name = text.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    let Some(name) = name.map(|name| name.trim_matches('"').to_owned()) else {
        bail!("/etc/os-release has no VERSION_CODENAME: Debian images are made on Debian");
    };
    Ok(name)
}

/// The machine's own package sources of this release, without third parties' archives.
fn debian_sources(release: &str) -> Result<String> {
    let wanted: Vec<String> = ["", "-updates", "-security"].iter().map(|tail| format!("{release}{tail}")).collect();
    let is_debian = |words: &str| words.split_whitespace().any(|word| wanted.iter().any(|suite| suite == word));
    let mut stanzas = Vec::new();
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    files.extend(linux::files_below(Path::new("/etc/apt/sources.list.d"))?);
    for file in files {
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        if file.extension().is_some_and(|extension| extension == "sources") {
            let found = text
                .split("\n\n")
                .filter(|stanza| stanza.lines().any(|line| line.strip_prefix("Suites:").is_some_and(is_debian)));
            stanzas.extend(found.map(str::to_owned));
        } else {
            let lines = text.lines().filter(|line| line.starts_with("deb ") && is_debian(line));
            stanzas.extend(lines.filter_map(stanza_of_line));
        }
    }
    if stanzas.is_empty() {
        bail!("apt has no source of the release {release}");
    }
    Ok(stanzas.join("\n\n") + "\n")
}

/// A one-line source in the other format.
fn stanza_of_line(line: &str) -> Option<String> {
    let words = line.strip_prefix("deb ")?.split_whitespace().skip_while(|word| word.starts_with('['));
    let words: Vec<&str> = words.skip_while(|word| !word.contains("://")).collect();
    let (address, rest) = words.split_first()?;
    let (suite, components) = rest.split_first()?;
    Some(format!("Types: deb\nURIs: {address}\nSuites: {suite}\nComponents: {}", components.join(" ")))
}

/// apt's settings for reaching the archive (proxies and the like).
fn apt_options() -> Vec<String> {
    let dump = Tool::new("apt-config").args(["dump", "Acquire"]).output().unwrap_or_default();
    let keep = |line: &&str| line.contains("::Proxy") || line.contains("::Retries") || line.contains("::Check-Valid");
    dump.lines().filter(keep).map(|line| line.trim_end_matches(';').to_owned()).collect()
}
