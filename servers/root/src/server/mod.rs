// SPDX-License-Identifier: MIT OR Apache-2.0
//! Root at work: start, then serve until the run ends.
#![expect(clippy::result_large_err, reason = "there is no heap, and a failure is made once, at the end")]

mod alarm;
mod clock;
mod connect;
mod create;
mod devices;
mod disks;
mod end;
mod hang;
mod image;
mod info_page;
mod launch;
mod memory;
mod record;
mod sentry;
mod serve;
mod state;
mod stream;
mod watch;

use sawmill_abi::PAGE_SIZE;
use sawmill_abi::event::EVENT_TIMER;
use sawmill_abi::info::INFO_PAGE_GPA;
use sawmill_abi::machine::{ROOT_INFO_MAGIC, RootInfo};
use sawmill_abi::object::RIGHT_REGION_READ;
use sawmill_abi::status::{REPLY_NONE, Status};
use sawmill_root::failure::Failure;
use sawmill_root::numbering::{self, Sender};
use sawmill_root::{description, failure, names, policy};
use sawmill_rt::calls::{self, Message, SELF, Selector};
use sawmill_rt::event::Events;
use sawmill_rt::memory::{Place, read_low};
use sawmill_rt::println;
use state::{Root, Windows};

sawmill_rt::entry!(start);

fn start(_info_gpa: u64) -> ! {
    let events = Events::of_vcpu(0);
    let windows = windows();
    match set_up(windows) {
        Ok(mut root) => serve_forever(&mut root, events),
        Err(failure) => end::run(policy::STATUS_SYSTEM_FAILED, failure.text()),
    }
}

#[expect(unsafe_code, reason = "the address ranges of root's windows are named here, once")]
fn windows() -> Windows {
    // SAFETY: (1) root's image ends below 1 GiB, these three ranges do not overlap, and this function is called once.
    let source = unsafe { Place::new(SELF, 1 << 30, (1 << 30) / PAGE_SIZE) };
    // SAFETY: (1) as above.
    let target = unsafe { Place::new(SELF, 2 << 30, (1 << 30) / PAGE_SIZE) };
    // SAFETY: (1) as above.
    let trace = unsafe { Place::new(SELF, 3 << 30, stream::BUFFER_PAGES) };
    Windows { source, target, trace: Some(trace) }
}

fn set_up(mut windows: Windows) -> Result<Root, Failure> {
    let info: RootInfo = read_low(INFO_PAGE_GPA).ok_or_else(|| failure!("there is no information page"))?;
    if info.magic != ROOT_INFO_MAGIC || info.abi_version != sawmill_abi::ABI_VERSION {
        let (magic, version) = (info.magic, info.abi_version);
        return Err(failure!("the information page is not for this root (magic {magic:#x}, version {version})"));
    }
    let (free, confined) = (info.free_pages >> 8, if info.has_iommu == 0 { "no IOMMU" } else { "IOMMU" });
    println!("{} CPUs, TSC {} MHz, {free} MiB free, {confined}", info.cpu_count, info.tsc_khz / 1000);
    record::begin(&info);
    let module = description::module(&info, description::SYSTEM_MODULE)?;
    let system = {
        let pages = module.size_bytes.div_ceil(PAGE_SIZE);
        let window = windows
            .source
            .map(Selector(module.selector), 0, pages, RIGHT_REGION_READ)
            .map_err(|status| failure!("module `system` cannot be mapped: {status:?}"))?;
        let bytes = usize::try_from(module.size_bytes).ok().and_then(|size| window.bytes().get(..size));
        description::decode(bytes.unwrap_or(&[]))?
    };
    description::check(&system, &info)?;
    let portal = calls::portal_create(SELF, 0).map_err(|status| failure!("root's own portal: {status:?}"))?;
    let clock = clock::read().map_err(|status| failure!("the real-time clock: {status:?}"))?;
    let mut root = Root::new(info, clock, system, portal, windows);
    for index in 0..root.partitions.len() {
        create::create(&mut root, index)?;
        image::load(&mut root, index)?;
    }
    for connection in 0..root.links.len() {
        connect::connect(&mut root, connection)?;
    }
    for index in 0..root.partitions.len() {
        devices::assign(&mut root, index)?;
        info_page::write(&mut root, index)?;
    }
    sentry::begin(&root)?;
    stream::begin(&mut root)?;
    alarm::begin(&mut root);
    launch::start_next(&mut root)?;
    Ok(root)
}

fn serve_forever(root: &mut Root, events: Events) -> ! {
    let (mut status, mut words) = (REPLY_NONE, [0; 6]);
    loop {
        match calls::portal_reply_wait(status, words) {
            Ok(message) => (status, words) = answer(root, message),
            Err(Status::Interrupted) => {
                let [first, ..] = events.take();
                (status, words) = (REPLY_NONE, [0; 6]);
                sentry::answer_calls(|message| answer(root, message));
                if first >> EVENT_TIMER & 1 == 1 {
                    alarm::ring(root);
                }
            }
            // The caller went away before it had its answer.
            Err(Status::Stale) => (status, words) = (REPLY_NONE, [0; 6]),
            Err(other) => {
                println!("waiting for calls failed: {other:?}");
                end::run(policy::STATUS_SYSTEM_FAILED, "root cannot wait for calls");
            }
        }
    }
}

fn answer(root: &mut Root, message: Message) -> (u64, [u64; 6]) {
    match numbering::sender(message.badge) {
        Some(Sender::Fault(index)) if index < root.partitions.len() => {
            watch::on_fault(root, index, message.words);
            (REPLY_NONE, [0; 6])
        }
        Some(Sender::Partition(index)) if index < root.partitions.len() => {
            match serve::call(root, index, message.words) {
                Ok(words) => (Status::Ok as u64, words),
                Err(status) => (status as u64, [0; 6]),
            }
        }
        _ => {
            let first = names::from_words(message.words[0], 0);
            println!("call with unknown badge {:#x} ({})", message.badge, names::unpadded(&first));
            (Status::BadArgument as u64, [0; 6])
        }
    }
}
