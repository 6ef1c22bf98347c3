// SPDX-License-Identifier: MIT OR Apache-2.0
//! Events: bits in a page shared with a vCPU, an upcall if it is not looking.
//!
//! Order on the page: the bit first, then `upcall_pending`. A vCPU clears the
//! flag before it takes the bits, so a bit set in between raises the flag
//! again and is never lost.

use crate::hypercall::{Answer, Arguments};
use crate::state::{Decoded, State};
use crate::vcpu::{Activity, Outcome, Vcpu, attention};
use crate::{lookup::Caller, partition::Partition};
use sawmill_abi::event::{EVENT_COUNT, EVENT_PORTAL};
use sawmill_abi::object::{RIGHT_EVENT_SIGNAL, RIGHT_PARTITION_SIGNAL, RIGHT_VCPU_CONTROL};
use sawmill_abi::{status::Status, trace::TraceKind};
use sawmill_logic::{arena::Ref, event_page, platform::Platform};

/// One bit of one vCPU.
pub(crate) struct Event {
    pub vcpu: Ref<Vcpu>,
    pub bit: u64,
    pub payer: Ref<Partition>,
}

/// Whether the bit that announces queued calls counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PortalBit {
    Counts,
    /// `portal_reply_wait` looks at the queue itself.
    Ignored,
}

impl<P: Platform> State<P> {
    pub(crate) fn event_create(&mut self, caller: &Caller, arguments: &Arguments) -> Decoded<Answer> {
        let vcpu = self.lookup(caller, arguments.selector, RIGHT_VCPU_CONTROL)?;
        let bit = arguments.words[0];
        if bit >= EVENT_COUNT {
            return Err(Status::BadArgument);
        }
        let payer = self.vcpus.get(vcpu).ok_or(Status::BadSelector)?.partition;
        let at = self.free_selector(caller)?;
        Ok(Answer::value(self.enter(at, payer, |state| &mut state.events, Event { vcpu, bit, payer })?))
    }

    pub(crate) fn event_signal(&mut self, caller: &Caller, arguments: &Arguments) -> Decoded<Answer> {
        let event = self.lookup(caller, arguments.selector, RIGHT_EVENT_SIGNAL)?;
        let Event { vcpu, bit, .. } = *self.events.get(event).ok_or(Status::BadSelector)?;
        if self.vcpus.get(vcpu).is_none_or(|vcpu| vcpu.activity == Activity::Zombie) {
            return Err(Status::PeerDead);
        }
        self.signal(vcpu, bit);
        Ok(Answer::default())
    }

    pub(crate) fn vcpu_signal(&mut self, caller: &Caller, arguments: &Arguments) -> Decoded<Answer> {
        let target: Ref<Partition> = self.lookup(caller, arguments.selector, RIGHT_PARTITION_SIGNAL)?;
        let [mask, bit, ..] = arguments.words;
        if bit >= EVENT_COUNT {
            return Err(Status::BadArgument);
        }
        let vcpus = self.partitions.get(target).ok_or(Status::BadSelector)?.vcpus;
        for (index, vcpu) in vcpus.into_iter().enumerate() {
            if let (Some(vcpu), true) = (vcpu, mask & (1 << index) != 0) {
                self.signal(vcpu, bit);
            }
        }
        Ok(Answer::default())
    }

    /// Sets an event bit; wakes the vCPU or arranges an upcall.
    pub(crate) fn signal(&mut self, reference: Ref<Vcpu>, bit: u64) {
        let platform = self.platform;
        let number = u64::from(self.number(reference));
        self.trace(TraceKind::Event, Some(reference), number << 8 | bit, 0);
        let here = self.here;
        self.settle_for(reference);
        let Some(vcpu) = self.vcpus.get_mut(reference) else { return };
        let Some(page) = vcpu.event_page else { return };
        vcpu.may_have_events = true;
        let needs_upcall = event_page::post(platform, page, bit);
        if needs_upcall {
            vcpu.attention |= attention::UPCALL;
        }
        match vcpu.activity {
            Activity::Waiting => self.make_ready(reference),
            Activity::Receiving => {
                vcpu.outcome = Outcome::status(Status::Interrupted);
                vcpu.attention |= attention::OUTCOME;
                self.make_ready(reference);
            }
            Activity::Running if needs_upcall && vcpu.cpu != here => {
                let cpu = vcpu.cpu;
                self.kick(cpu);
            }
            _ => {}
        }
    }

    /// Whether an event bit is set that the vCPU has not taken yet.
    pub(crate) fn has_events(&mut self, reference: Ref<Vcpu>, portal_bit: PortalBit) -> bool {
        let platform = self.platform;
        let Some(vcpu) = self.vcpus.get_mut(reference) else { return false };
        let (true, Some(page)) = (vcpu.may_have_events, vcpu.event_page) else { return false };
        let mut words = event_page::pending(platform, page);
        if words.iter().all(|word| *word == 0) {
            // Whatever was announced has been taken: no upcall is owed any more.
            vcpu.may_have_events = false;
            vcpu.attention &= !attention::UPCALL;
        }
        if portal_bit == PortalBit::Ignored {
            words[0] &= !(1 << EVENT_PORTAL);
        }
        words.iter().any(|word| *word != 0)
    }

    /// Whether the upcall that was arranged is still wanted.
    pub(crate) fn wants_upcall(&self, vcpu: &Vcpu) -> bool {
        vcpu.event_page.is_some_and(|page| event_page::wants_upcall(self.platform, page))
    }
}
