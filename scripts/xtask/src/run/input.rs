// SPDX-License-Identifier: MIT OR Apache-2.0
//! Standard input as events, no faster than the guest takes it.

use std::io::Read;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use sawmill_proto::run::PAYLOAD_MAX;

use super::session::Event;

/// Keys are few; pasted text is not. The guest's terminal buffers this much, and takes it in this time.
const TERMINAL_PIECE: usize = 128;
const TERMINAL_PACE: Duration = Duration::from_millis(15);

/// What limits the pace.
#[derive(Debug)]
pub enum Pace {
    /// A terminal: small pieces with pauses.
    Terminal,
    /// Bytes that the guest has asked for.
    Credit(Receiver<usize>),
}

/// Starts reading.
pub fn start(pace: Pace, events: Sender<Event>) {
    std::thread::spawn(move || {
        let mut credit = 0;
        loop {
            let limit = match &pace {
                Pace::Terminal => TERMINAL_PIECE,
                Pace::Credit(more) => {
                    while credit == 0 {
                        match more.recv() {
                            Ok(length) => credit += length,
                            Err(_) => return,
                        }
                    }
                    credit += more.try_iter().sum::<usize>();
                    credit.min(PAYLOAD_MAX)
                }
            };
            let mut buffer = vec![0; limit];
            let length = std::io::stdin().lock().read(&mut buffer).unwrap_or(0);
            buffer.truncate(length);
            let event = if length == 0 { Event::InputEnd } else { Event::Input(buffer) };
            if events.send(event).is_err() || length == 0 {
                return;
            }
            match pace {
                Pace::Terminal => {
                    std::thread::sleep(if length == TERMINAL_PIECE { TERMINAL_PACE } else { Duration::ZERO })
                }
                Pace::Credit(_) => credit -= length,
            }
        }
    });
}
