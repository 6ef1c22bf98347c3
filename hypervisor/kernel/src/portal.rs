// SPDX-License-Identifier: MIT OR Apache-2.0
//! Portals: entry points into server partitions.
//!
//! A portal outlives its server, so that callers learn PEER_DEAD rather than
//! find an empty slot; what it costs moves to whoever paid for the server.

use crate::hypercall::{Answer, Arguments};
use crate::state::{Decoded, State};
use crate::{lookup::Caller, partition::Partition};
use sawmill_abi::object::RIGHT_PARTITION_GRANT;
use sawmill_logic::{arena::Ref, platform::Platform, time};

/// An entry point.
pub(crate) struct Portal {
    pub server: Ref<Partition>,
    pub payer: Ref<Partition>,
    /// Ticks that a call may take; 0 = any.
    pub budget_ticks: u64,
}

impl<P: Platform> State<P> {
    pub(crate) fn portal_create(&mut self, caller: &Caller, arguments: &Arguments) -> Decoded<Answer> {
        let server = self.lookup(caller, arguments.selector, RIGHT_PARTITION_GRANT)?;
        let at = self.free_selector(caller)?;
        let budget_ticks = time::ticks_of_ns(arguments.words[0], self.platform.tsc_khz());
        let portal = Portal { server, payer: server, budget_ticks };
        Ok(Answer::value(self.enter(at, server, |state| &mut state.portals, portal)?))
    }
}
