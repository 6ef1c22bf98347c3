// SPDX-License-Identifier: MIT OR Apache-2.0
//! The console of partitions: what they write, what arrives for them.
//!
//! Output is copied under the big lock and put out after it (`run.rs`), since
//! a serial line is slow. Input waits in a bounded ring per channel.

use crate::hypercall::{Answer, Arguments};
use crate::state::{Decoded, State};
use crate::{cpu::Copied, lookup::Caller};
use sawmill_abi::console::{CHANNEL_COUNT, CONSOLE_CHUNK_MAX};
use sawmill_abi::{event::EVENT_CONSOLE, status::Status};
use sawmill_logic::ept;
use sawmill_logic::platform::{Gpa, Hpa, Platform};

impl<P: Platform> State<P> {
    pub(crate) fn console_write(
        &mut self,
        caller: &Caller,
        arguments: &Arguments,
        copied: &mut Copied,
    ) -> Decoded<Answer> {
        let (channel, hpa, length) = self.decode_console(caller, arguments, ept::READ)?;
        let Some(into) = copied.bytes.get_mut(..length) else { return Err(Status::BadArgument) };
        self.platform.copy_in(hpa, into);
        copied.length = length;
        copied.id = caller.partition.index() as u8 + 1;
        copied.channel = channel as u8;
        copied.name = self.partitions.get(caller.partition).map_or([0; 16], |partition| partition.name);
        Ok(Answer::value(length as u64))
    }

    pub(crate) fn console_read(&mut self, caller: &Caller, arguments: &Arguments) -> Decoded<Answer> {
        let (channel, hpa, length) = self.decode_console(caller, arguments, ept::WRITE)?;
        let bytes = self.received.get_mut(caller.partition.index()).and_then(|channels| channels.get_mut(channel));
        let bytes = bytes.ok_or(Status::BadArgument)?;
        let count = length.min(bytes.len());
        self.platform.copy_out(hpa, bytes.get(..count).unwrap_or_default());
        bytes.drain(..count);
        Ok(Answer::value(count as u64))
    }

    fn decode_console(&self, caller: &Caller, arguments: &Arguments, rights: u64) -> Decoded<(usize, Hpa, usize)> {
        let [channel, gpa, length, ..] = arguments.words;
        if channel >= CHANNEL_COUNT {
            return Err(Status::BadArgument);
        }
        if length > CONSOLE_CHUNK_MAX {
            return Err(Status::BadAddress);
        }
        let hpa = self.guest_memory(caller.partition, Gpa(gpa), length, rights)?;
        Ok((channel as usize, hpa, length as usize))
    }

    /// Takes everything that the serial line received.
    pub(crate) fn receive_console(&mut self) {
        while let Some(byte) = self.platform.console_get() {
            let Some(arrival) = self.input.receive(self.format, self.foreground, byte) else { continue };
            let Some(index) = usize::from(arrival.id).checked_sub(1) else { continue };
            let Some(partition) = self.partitions.at(index) else { continue };
            let channels = self.received.get_mut(index);
            let Some(ring) = channels.and_then(|channels| channels.get_mut(usize::from(arrival.channel))) else {
                continue;
            };
            let was_empty = ring.is_empty();
            // Lost when full.
            let _ = ring.try_push(arrival.byte);
            let vcpu = self.partitions.get(partition).and_then(|partition| partition.vcpu(0));
            if let (true, Some(vcpu)) = (was_empty, vcpu) {
                self.signal(vcpu, EVENT_CONSOLE);
            }
        }
    }
}
