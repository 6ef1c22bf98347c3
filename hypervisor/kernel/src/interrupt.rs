// SPDX-License-Identifier: MIT OR Apache-2.0
//! Physical interrupts: the console's, and Irq objects bound to events.
//!
//! A level-triggered pin is masked when it fires and unmasked by
//! `irq_acknowledge`, so that no driver has to be trusted to end it.

use crate::hypercall::{Answer, Arguments};
use crate::state::{Decoded, State};
use crate::{device::Device, event::Event, lookup::Caller, partition::Partition};
use sawmill_abi::machine::{IRQ_ACTIVE_LOW, IRQ_KIND_GSI, IRQ_KIND_ISA, IRQ_KIND_MSI, IRQ_LEVEL};
use sawmill_abi::object::{RIGHT_EVENT_SIGNAL, RIGHT_IRQ_ACKNOWLEDGE};
use sawmill_abi::{status::Status, trace::TraceKind};
use sawmill_logic::platform::{CpuIndex, PinMode, Platform};
use sawmill_logic::{arena::Ref, capability::Position, pci::Messages};

const LAST_DEVICE_VECTOR: u8 = 0xef;

/// An interrupt source bound to an event.
pub(crate) struct Irq {
    /// I/O APIC pin that it comes from; none for a message.
    pub pin: Option<(u32, PinMode)>,
    /// Function that `device_msi` made send the message.
    pub sender: Option<(Ref<Device>, Messages)>,
    pub vector: u8,
    pub cpu: CpuIndex,
    pub event: Ref<Event>,
    pub is_masked: bool,
    pub payer: Ref<Partition>,
    pub origin: Position,
}

impl<P: Platform> State<P> {
    pub(crate) fn irq_create(&mut self, caller: &Caller, arguments: &Arguments) -> Decoded<Answer> {
        self.lookup_machine(caller, arguments.selector)?;
        let [kind, number, flags, event, ..] = arguments.words;
        let event = self.lookup(caller, event, RIGHT_EVENT_SIGNAL)?;
        let vcpu = self.events.get(event).ok_or(Status::BadSelector)?.vcpu;
        let cpu = CpuIndex(self.vcpus.get(vcpu).ok_or(Status::PeerDead)?.cpu as u32);
        let mode = PinMode { is_level: flags & IRQ_LEVEL != 0, is_active_low: flags & IRQ_ACTIVE_LOW != 0 };
        let pin = match kind {
            IRQ_KIND_GSI => Some((u32::try_from(number).map_err(|_| Status::BadArgument)?, mode)),
            IRQ_KIND_ISA if number < 16 => Some(self.platform.isa_pin(number as u8)),
            IRQ_KIND_MSI => None,
            _ => return Err(Status::BadArgument),
        };
        let is_at = |gsi: u32| move |irq: &Irq| irq.pin.is_some_and(|(other, _)| other == gsi);
        let (console_gsi, _) = self.platform.isa_pin(P::CONSOLE_IRQ);
        if pin.is_some_and(|(gsi, _)| gsi == console_gsi || self.irqs.find_from(0, is_at(gsi)).is_some()) {
            return Err(Status::Busy);
        }
        let at = self.free_selector(caller)?;
        let vector = self.free_vector().ok_or(Status::NoSlot)?;
        // A routed pin stays masked if the object cannot be made.
        if pin.is_some_and(|(gsi, mode)| !self.platform.route_pin(gsi, vector, mode, cpu)) {
            return Err(Status::BadArgument);
        }
        let payer = caller.partition;
        let irq = Irq { pin, sender: None, vector, cpu, event, is_masked: false, payer, origin: at };
        let selector = self.enter(at, payer, |state| &mut state.irqs, irq)?;
        let entered = self.lookup(caller, selector, 0)?;
        if let Some(place) = self.vectors.get_mut(usize::from(vector)) {
            *place = Some(entered);
        }
        if let Some((gsi, _)) = pin {
            self.platform.set_pin_masked(gsi, false);
        }
        Ok(Answer::value(selector))
    }

    fn free_vector(&self) -> Option<u8> {
        (P::FIRST_DEVICE_VECTOR..=LAST_DEVICE_VECTOR).find(|vector| {
            *vector != P::CONSOLE_VECTOR && self.vectors.get(usize::from(*vector)).is_some_and(Option::is_none)
        })
    }

    pub(crate) fn irq_acknowledge(&mut self, caller: &Caller, arguments: &Arguments) -> Decoded<Answer> {
        let reference = self.lookup(caller, arguments.selector, RIGHT_IRQ_ACKNOWLEDGE)?;
        let irq = self.irqs.get_mut(reference).ok_or(Status::BadSelector)?;
        if let (Some((gsi, _)), true) = (irq.pin, irq.is_masked) {
            irq.is_masked = false;
            self.platform.set_pin_masked(gsi, false);
        }
        Ok(Answer::default())
    }

    /// Returns who paid.
    pub(crate) fn destroy_irq(&mut self, reference: Ref<Irq>) -> Option<Ref<Partition>> {
        let irq = self.irqs.remove(reference)?;
        if let Some((gsi, _)) = irq.pin {
            self.platform.set_pin_masked(gsi, true);
        }
        self.silence(&irq);
        if let Some(place) = self.vectors.get_mut(usize::from(irq.vector)) {
            *place = None;
        }
        Some(irq.payer)
    }

    /// Takes a physical interrupt that arrived on this CPU.
    pub(crate) fn interrupt(&mut self, vector: u8) {
        self.trace(TraceKind::Interrupt, None, u64::from(vector), 0);
        if vector == P::CONSOLE_VECTOR {
            self.receive_console();
            self.platform.end_of_interrupt();
            return;
        }
        let mut event = None;
        if let Some(reference) = self.vectors.get(usize::from(vector)).copied().flatten()
            && let Some(irq) = self.irqs.get_mut(reference)
        {
            event = Some(irq.event);
            if let Some((gsi, PinMode { is_level: true, .. })) = irq.pin {
                irq.is_masked = true;
                self.platform.set_pin_masked(gsi, true);
            }
        }
        self.platform.end_of_interrupt();
        if let Some((vcpu, bit)) = event.and_then(|event| self.events.get(event)).map(|event| (event.vcpu, event.bit)) {
            self.signal(vcpu, bit);
        }
    }
}
