// SPDX-License-Identifier: MIT OR Apache-2.0
//! Boots stock Linux in Bochs with the benchmark as its first process.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::DiskPlace;
use crate::command::Tool;
use crate::linux::Kernel;
use crate::progress::Phase;
use crate::run::bochs;

/// The line that ends a run; the program prints it as first process.
const SENTINEL: &str = "SAWMILL-END status=";

/// Where a memory disk lies: above the kernel. The program fills it, see servers/bench/init.c.
const MEMORY_DISK_MIB: u64 = 160;

/// A stock run about to start.
#[derive(Debug)]
pub struct StockRun<'a> {
    /// The kernel, with its boot image.
    pub kernel: &'a Kernel,
    /// The disk image; a run works on a copy.
    pub image: &'a Path,
    /// Where the image is during the run.
    pub disk: DiskPlace,
    /// The program's arguments.
    pub arguments: &'a str,
    /// Files of the run; the console log stays there.
    pub dir: &'a Path,
    /// Wall-clock limit.
    pub limit: Duration,
}

impl StockRun<'_> {
    /// Boots, waits for the end, and returns the console log.
    ///
    /// # Errors
    /// A tool is missing, or the sentinel did not come within the limit; the message holds the log's tail.
    pub fn run(&self) -> Result<String> {
        std::fs::create_dir_all(self.dir)?;
        let disk = self.dir.join("disk.ext2");
        std::fs::copy(self.image, &disk).context("cannot copy the disk image")?;
        let serial = self.dir.join("console.log");
        std::fs::write(&serial, "")?;
        let iso = self.make_iso()?;
        let configuration = self.dir.join("bochsrc");
        std::fs::write(&configuration, self.bochs_configuration(&iso, &disk, &serial))?;
        let commands = self.dir.join("commands");
        std::fs::write(&commands, "c\n")?;

        let mut phase = Phase::start("stock Linux in Bochs");
        let output = std::fs::File::create(self.dir.join("bochs.out"))?;
        let mut bochs = Command::new("bochs")
            .args(["-q", "-f"])
            .arg(&configuration)
            .arg("-rc")
            .arg(&commands)
            .stdin(Stdio::null())
            .stderr(output.try_clone()?)
            .stdout(output)
            .spawn()
            .context("cannot run `bochs`: is it installed?")?;
        let ended = self.wait(&mut bochs, &serial, &mut phase);
        // Whether it is still there or not: after this it is not.
        let _ = bochs.kill();
        let _ = bochs.wait();
        let log = read_console(&serial)?;
        std::fs::remove_file(&disk)?;
        std::fs::remove_file(&iso)?;
        ended?;
        phase.done(&format!("{} lines", log.lines().count()));
        Ok(log)
    }

    fn wait(&self, bochs: &mut Child, serial: &Path, phase: &mut Phase) -> Result<()> {
        let started = Instant::now();
        loop {
            std::thread::sleep(Duration::from_millis(250));
            let has_exited = bochs.try_wait()?.is_some();
            let log = read_console(serial)?;
            if log.contains(SENTINEL) {
                return Ok(());
            }
            if has_exited || started.elapsed() > self.limit {
                let why = if has_exited { "Bochs ended" } else { "the time limit came" };
                bail!("{why} before stock Linux was done; the console's end:\n{}", crate::command::last_lines(&log));
            }
            if let Some(line) = log.lines().last() {
                phase.step(line);
            }
        }
    }

    fn make_iso(&self) -> Result<PathBuf> {
        let tree = self.dir.join("iso");
        std::fs::create_dir_all(tree.join("boot/grub"))?;
        std::fs::copy(self.kernel.bzimage(), tree.join("boot/bzImage")).context("stock Linux has no bzImage")?;
        let root = match self.disk {
            DiskPlace::Ata => "rw".to_owned(),
            DiskPlace::Memory => {
                let size = std::fs::metadata(self.image)?.len() >> 20;
                format!("ro memmap={size}M!{MEMORY_DISK_MIB}M SAWMILL_BENCH_COPY=/dev/sda:/dev/pmem0")
            }
        };
        let line = format!("console=ttyS0,115200 quiet panic=-1 root=/dev/sda {root} init={}", super::program::PROGRAM);
        // The clock that partitions have. The model's CPUID tells of a 44 times faster one: ticks would be so much rarer.
        let line = format!("{line} ip=dhcp nokaslr {}", bochs::clock_option());
        let line = format!("linux /boot/bzImage {line} -- {}", self.arguments);
        let menu = format!("set timeout=0\nmenuentry stock {{\n {line}\n}}\n");
        std::fs::write(tree.join("boot/grub/grub.cfg"), menu)?;
        let iso = self.dir.join("stock.iso");
        Tool::new("grub-mkrescue").arg("-o").arg(&iso).arg(&tree).run()?;
        std::fs::remove_dir_all(&tree)?;
        Ok(iso)
    }

    fn bochs_configuration(&self, iso: &Path, disk: &Path, serial: &Path) -> String {
        format!(
            "config_interface: textconfig
display_library: rfb, options=\"timeout=0\"
plugin_ctrl: speaker=0
cpu: model=corei7_skylake_x, count=1, ips={}, reset_on_triple_fault=0
memory: guest=384, host=384
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata1: enabled=1, ioaddr1=0x170, ioaddr2=0x370, irq=15
ata1-master: type=cdrom, path={}, status=inserted
ata0-master: type=disk, path={}, mode=flat, cylinders=0
boot: cdrom
com1: enabled=1, mode=file, dev={}
pci: enabled=1, chipset=i440fx, slot1=e1000
e1000: enabled=1, mac=52:54:00:12:34:56, ethmod=slirp
clock: sync=none, time0=1000000000
log: {}
panic: action=fatal
",
            bochs::INSTRUCTIONS_PER_SECOND,
            iso.display(),
            disk.display(),
            serial.display(),
            self.dir.join("bochs.log").display()
        )
    }
}

fn read_console(path: &Path) -> Result<String> {
    Ok(String::from_utf8_lossy(&std::fs::read(path)?).replace('\r', ""))
}
