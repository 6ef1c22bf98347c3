// SPDX-License-Identifier: MIT OR Apache-2.0
//! Images that are corrupted at random places: programs get errors or data as on stock Linux, and everything else goes on.
//!
//! Bytes change in what ext2 lives on: superblock, group descriptors, bitmaps, inodes, directories, indirect blocks.
//! The programs themselves lie outside of that, but for the first three.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use fastrand::Rng;

use super::Case;
use super::support::{Bench, DEFECTS, lines_with};
use crate::command::Tool;
use crate::ext2::{self, ask};

const JOB: &str = include_str!("corrupt-job.sh");
/// Kinds of places.
const KINDS: u64 = 7;
/// Status of a run whose system failed, for instance because there is nothing to mount.
const SYSTEM_FAILED: i32 = 125;
/// What stock Linux does, too, if the superblock says so.
const ASKED_FOR: &str = "panic - not syncing: EXT2-fs";

/// The tests.
pub const CASES: &[Case] = &[Case { name: "corrupt-image-short", limit_s: 900, run: |bench| corrupt(bench, 4..6) }];

/// Those that only run by name or with `--all`.
pub const LONG: &[Case] = &[
    Case { name: "corrupt-image", limit_s: 1200, run: |bench| corrupt(bench, 0..KINDS) },
    Case { name: "corrupt-long-image", limit_s: 5400, run: |bench| corrupt(bench, KINDS..KINDS * 6) },
];

/// A piece of an image: offset and length in bytes.
type Piece = (u64, u64);

fn corrupt(bench: &Bench, seeds: std::ops::Range<u64>) -> Result<()> {
    let good = image(bench)?;
    let pieces = pieces(&good)?;
    let mut refused = 0;
    let count = seeds.end - seeds.start;
    for seed in seeds {
        refused += one(bench, &good, &pieces, seed).with_context(|| format!("seed {seed}"))?;
    }
    super::measure::remember(format!("corrupted images: {count} seeds, {refused} of them not mounted"));
    Ok(())
}

/// Boots one corrupted image; returns 1 if it was refused as a whole.
fn one(bench: &Bench, good: &Path, pieces: &[Vec<Piece>], seed: u64) -> Result<u64> {
    let image = bench.path("bad.ext2");
    ext2::copy(good, &image)?;
    let mut rng = Rng::with_seed(seed);
    let kind = usize::try_from(seed % KINDS)?;
    let file = std::fs::OpenOptions::new().write(true).open(&image)?;
    for _ in 0..rng.u8(1..6) {
        let choices = pieces.get(kind).filter(|choices| !choices.is_empty()).context("there is no such place")?;
        let (start, length) = choices[rng.usize(..choices.len())];
        let at = start + rng.u64(..length);
        match rng.u8(..4) {
            0 => file.write_all_at(&[rng.u8(..)], at)?,
            1 => file.write_all_at(&rng.u32(..).to_le_bytes(), at & !3)?,
            2 => file.write_all_at(&[0xff; 8], at & !7)?,
            _ => file.write_all_at(&[0; 16], at & !15)?,
        }
    }
    drop(file);
    let disk = image.display().to_string();
    let run = |more: &[&str]| bench.boot(&[&["--disk", &disk], more].concat(), &["sh", "-c", JOB], &[]);
    let stock = run(&["--stock", "--snapshot"])?;
    let ended = run(&[])?;
    let log = bench.log();
    if let Some(defect) = lines_with(&log, &DEFECTS).find(|line| !line.contains(ASKED_FOR)) {
        bail!("a kernel complains: {defect}");
    }
    if ended.output.contains("HUNG") {
        bail!("a program hung:\n{}", ended.output);
    }
    expect_alike(&stock.output, &ended.output)?;
    match ended.status {
        0 if ended.output.contains("job done") => Ok(0),
        // Nothing to mount, or no program to run: then it says so, and so does stock Linux.
        SYSTEM_FAILED | 126 | 127 if kind < 4 && !ended.errors.is_empty() && stock.status != 0 => Ok(1),
        status => bail!("kind {kind}: status {status}\n{}{}", ended.output, ended.errors),
    }
}

/// Each operation fails on both, or says the same. A file of a type that there is
/// not, which stock Linux shows, may be an error here.
fn expect_alike(stock: &str, own: &str) -> Result<()> {
    let operations = |text: &str| text.lines().filter(|line| line.starts_with("op ")).map(str::to_owned).collect();
    let (stock, own): (Vec<String>, Vec<String>) = (operations(stock), operations(own));
    let differences: Vec<String> =
        (stock.iter().zip(&own).filter(|(a, b)| a != b && !(has_unknown_type(a) && b.ends_with(": error"))))
            .map(|(a, b)| format!("stock: {a}\n here: {b}"))
            .collect();
    if !differences.is_empty() || stock.len() != own.len() {
        bail!("{} operations on stock Linux, {} here; different:\n{}", stock.len(), own.len(), differences.join("\n"));
    }
    Ok(())
}

/// The answer of the job's stat begins with a mode of no known type.
fn has_unknown_type(line: &str) -> bool {
    let answer = line.strip_prefix("op stat ").and_then(|line| line.split_once(": "));
    let mode = answer.and_then(|(_, answer)| u32::from_str_radix(answer.split(' ').next()?, 16).ok());
    let known =
        [libc::S_IFREG, libc::S_IFDIR, libc::S_IFLNK, libc::S_IFCHR, libc::S_IFBLK, libc::S_IFIFO, libc::S_IFSOCK];
    mode.is_some_and(|mode| !known.contains(&(mode & libc::S_IFMT)))
}

/// An image with programs, and a tree that is none of them.
fn image(bench: &Bench) -> Result<PathBuf> {
    let image = bench.image("48M", &[])?;
    let mut commands = String::from("mkdir /data\n");
    let mut write = |name: &str, length: usize| -> Result<()> {
        let file = bench.path(&name.replace('/', "-"));
        std::fs::write(&file, vec![b'a' + (length % 26) as u8; length])?;
        commands.push_str(&format!("write {} {name}\n", file.display()));
        Ok(())
    };
    write("/data/large", 400_000)?;
    for directory in 0..4 {
        for file in 0..8 {
            write(&format!("/data/d{directory}/f{file}"), 3000 * (file + 1))?;
        }
    }
    for directory in 0..4 {
        commands = commands.replacen(
            &format!("/data/d{directory}/f0\n"),
            &format!("/data/d{directory}/f0\nsymlink /data/d{directory}/s target\n"),
            1,
        );
        commands = commands.replacen("mkdir /data\n", &format!("mkdir /data\nmkdir /data/d{directory}\n"), 1);
    }
    let script = bench.path("commands");
    std::fs::write(&script, commands)?;
    ext2::change_all(&image, &script)?;
    ext2::expect_clean(&image)?;
    Ok(image)
}

fn numbers(text: &str) -> Vec<u64> {
    text.split(|it: char| !it.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect()
}

/// Where what is of each kind: superblock, group descriptors, bitmaps, inodes of directories and of files,
/// directories, indirect blocks.
fn pieces(image: &Path) -> Result<Vec<Vec<Piece>>> {
    let layout = Tool::new("/sbin/dumpe2fs").arg(image).output()?;
    let value = |key: &str| -> Result<u64> {
        let line = layout.lines().find_map(|line| line.strip_prefix(key)).with_context(|| format!("no `{key}`"))?;
        line.trim().parse().context("no number")
    };
    let (block, inode) = (value("Block size:")?, value("Inode size:")?);
    let mut bitmaps = Vec::new();
    let mut groups = 0;
    for line in layout.lines().filter(|line| line.contains("bitmap at ")) {
        groups += 1;
        for part in line.split("bitmap at ").skip(1) {
            let at = numbers(part).first().copied().context("no number of a bitmap")?;
            bitmaps.push((at * block, block));
        }
    }
    let descriptors = (value("First block:")? + 1) * block;
    let place = |name: &str| -> Result<Piece> {
        let found = ask(image, &format!("imap {name}"))?;
        let (_, found) = found.split_once("located at block ").with_context(|| format!("no inode of {name}"))?;
        let (at, offset) = found.trim().split_once(", offset 0x").context("no offset")?;
        Ok((at.parse::<u64>()? * block + u64::from_str_radix(offset.trim(), 16)?, inode.min(128)))
    };
    let directories = ["/data", "/data/d0", "/data/d1", "/data/d2"];
    let files = ["/data/large", "/data/d0/f0", "/data/d1/f1", "/data/d2/f5", "/data/d3/f7", "/data/d0/s"];
    let mut contents = Vec::new();
    for name in directories {
        contents.extend(numbers(&ask(image, &format!("blocks {name}"))?).into_iter().map(|at| (at * block, block)));
    }
    let stat = ask(image, "stat /data/large")?;
    let indirect = stat.split("IND):").skip(1).filter_map(|part| numbers(part).first().map(|at| (at * block, block)));
    Ok(vec![
        vec![(1024, 264)],
        vec![(descriptors, 32 * groups)],
        bitmaps,
        directories.iter().map(|name| place(name)).collect::<Result<_>>()?,
        files.iter().map(|name| place(name)).collect::<Result<_>>()?,
        contents,
        indirect.collect(),
    ])
}
