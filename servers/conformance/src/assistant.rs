// SPDX-License-Identifier: MIT OR Apache-2.0
//! The assistant: a server that misbehaves on command.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod assistant {
    use core::sync::atomic::{AtomicU64, Ordering};

    use sawmill_abi::fault::ExitKind;
    use sawmill_abi::object::SELECTOR_SELF;
    use sawmill_abi::status::{REPLY_NONE, Status};
    use sawmill_conformance::{account, command, connection};
    use sawmill_rt::calls::{self, Message, Selector};
    use sawmill_rt::event::Events;
    use sawmill_rt::memory;
    use sawmill_rt::{bare, println, time, vcpu};

    sawmill_rt::entry!(start);

    static STALE: AtomicU64 = AtomicU64::new(0);

    fn start(_info: u64) -> ! {
        let count = connection::info().map_or(1, |info| info.vcpu_count);
        for index in 1..count {
            if let Err(status) = vcpu::start(index, serve, index) {
                println!("FAILED assistant: vCPU {index} cannot be started: {status:?}");
            }
        }
        serve(0)
    }

    extern "C" fn serve(index: u64) -> ! {
        let events = Events::of_vcpu(index);
        let (mut status, mut words) = (REPLY_NONE, [0; 6]);
        loop {
            // A queued call leaves its bit behind, and a server with pending bits is not called by the short way.
            if events.is_announced() {
                events.take();
            }
            let outcome = calls::portal_reply_wait(status, words);
            let seen = time::tsc();
            match outcome {
                Ok(message) if message.words[0] == command::CLOCK => {
                    (status, words) = (Status::Ok as u64, [command::CLOCK, seen, time::tsc(), 0, 0, 0]);
                }
                Ok(message) if message.words[0] == command::BARE && message.words[1] > 0 => {
                    let waited = bare::serve(message.words[1]);
                    // The last call that the bare loop received is still open.
                    (status, words) = (if waited == Status::Ok as u64 { waited } else { REPLY_NONE }, [0; 6]);
                }
                Ok(message) => (status, words) = obey(message, index),
                Err(Status::Interrupted) => {
                    events.take();
                    (status, words) = (REPLY_NONE, [0; 6]);
                }
                Err(Status::Stale) => {
                    note(Err(Status::Stale));
                    (status, words) = (REPLY_NONE, [0; 6]);
                }
                Err(other) => {
                    println!("FAILED assistant: waiting: {other:?}");
                    calls::partition_exit(ExitKind::Panic, 1);
                }
            }
        }
    }

    fn obey(message: Message, index: u64) -> (u64, [u64; 6]) {
        let words = message.words;
        let done = Status::Ok as u64;
        match words[0] {
            command::ECHO => (done, words),
            command::STATUS => (words[1], words),
            command::PENDING => {
                note(calls::portal_reply(Status::Pending as u64, words));
                if let Some(suite) = connection::find("assistant") {
                    note(calls::event_signal(Selector(suite.signal_selector)));
                }
                (REPLY_NONE, [0; 6])
            }
            command::STALL => {
                let end = time::tsc() + words[1];
                while time::tsc() < end {
                    core::hint::spin_loop();
                }
                note(calls::portal_reply(done, words));
                (REPLY_NONE, [0; 6])
            }
            command::EXIT => calls::partition_exit(ExitKind::PowerOff, 0),
            command::FAULT => {
                memory::touch(0x7f00_0000);
                (done, words)
            }
            command::ASK => (done, [message.badge, index, STALE.load(Ordering::SeqCst), 0, 0, 0]),
            command::EXITS => match account::of(Selector(SELECTOR_SELF)) {
                Ok(page) => {
                    let class = usize::try_from(words[1]).unwrap_or(0);
                    let exits = page.vcpus.iter().filter_map(|vcpu| vcpu.exits.get(class)).sum();
                    let served = page.vcpus.iter().map(|vcpu| vcpu.served).sum();
                    (done, [exits, served, 0, 0, 0, 0])
                }
                Err(why) => (why.seen, words),
            },
            command::TWICE => {
                note(calls::portal_reply(done, words));
                note(calls::portal_reply(done, words));
                (REPLY_NONE, [0; 6])
            }
            _ => (Status::Unsupported as u64, words),
        }
    }

    fn note(result: calls::Result<()>) {
        if result == Err(Status::Stale) {
            STALE.fetch_add(1, Ordering::SeqCst);
        }
    }
}

sawmill_rt::partition_only!();
