// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hypercalls on capabilities themselves: copy, revoke, identify.

use crate::hypercall::{Answer, Arguments};
use crate::partition::{Condition, Partition};
use crate::state::{Decoded, Object, State};
use crate::{limits::FIRST_FREE_SELECTOR, lookup::Caller};
use sawmill_abi::object::{Kind, RIGHT_COPY, RIGHT_PARTITION_GRANT};
use sawmill_abi::status::Status;
use sawmill_logic::capability::{Capability, InsertError, Position};
use sawmill_logic::{arena::Ref, platform::Platform};

impl<P: Platform> State<P> {
    pub(crate) fn capability_copy(&mut self, caller: &Caller, arguments: &Arguments) -> Decoded<Answer> {
        let source = self.capability(caller, arguments.selector)?;
        let from = caller.position(arguments.selector)?;
        let [receiver, slot, rights, badge, ..] = arguments.words;
        let receiver: Ref<Partition> = self.lookup(caller, receiver, RIGHT_PARTITION_GRANT)?;
        if source.rights & RIGHT_COPY == 0 || rights & !source.rights != 0 {
            return Err(Status::NoRight);
        }
        if badge != 0 && source.badge != 0 && badge != source.badge {
            return Err(Status::NoRight);
        }
        if self.partitions.get(receiver).is_none_or(|receiver| receiver.condition == Condition::Dying) {
            return Err(Status::Busy);
        }
        let table = receiver.index() as u16;
        let at = match slot {
            0 => self.capabilities.free_slot(table, FIRST_FREE_SELECTOR).ok_or(Status::NoSlot)?,
            _ => Position { table, slot: u16::try_from(slot).map_err(|_| Status::BadArgument)? },
        };
        let badge = if source.badge != 0 { source.badge } else { badge };
        let copy = Capability { object: source.object, rights, badge };
        self.capabilities.insert(at, copy, Some(from)).map_err(|error| match error {
            InsertError::Taken => Status::Busy,
            InsertError::NoSuchSlot => Status::BadArgument,
        })?;
        Ok(Answer::value(u64::from(at.slot)))
    }

    pub(crate) fn capability_revoke(&mut self, caller: &Caller, arguments: &Arguments) -> Decoded<Answer> {
        self.capability(caller, arguments.selector)?;
        let at = caller.position(arguments.selector)?;
        match arguments.words[0] {
            0 => Ok(Answer::value(self.revoke_derived(at))),
            1 => Ok(Answer::value(self.revoke(at))),
            _ => Err(Status::BadArgument),
        }
    }

    pub(crate) fn capability_identify(&mut self, caller: &Caller, arguments: &Arguments) -> Decoded<Answer> {
        let capability = self.capability(caller, arguments.selector)?;
        let kind = match capability.object {
            Object::Partition(_) => Kind::Partition,
            Object::Vcpu(_) => Kind::Vcpu,
            Object::Portal(_) => Kind::Portal,
            Object::Region(_) => Kind::Region,
            Object::Event(_) => Kind::Event,
            Object::Irq(_) => Kind::Irq,
            Object::Device(_) => Kind::Device,
            Object::Machine => Kind::Machine,
        };
        Ok(Answer::value(kind as u64).with(&[capability.rights, capability.badge]))
    }
}
