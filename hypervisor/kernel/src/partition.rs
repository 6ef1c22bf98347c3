// SPDX-License-Identifier: MIT OR Apache-2.0
//! Partitions: object, creation, handler, ports and terminal.
//!
//! Owns [`Partition`]. Its capability table is the one with its arena index.
//! How it ends is in `destroy.rs`.

use crate::hypercall::{Answer, Arguments};
use crate::limits::FIRST_FREE_SELECTOR;
use crate::state::{Decoded, Object, State};
use crate::vcpu::{Vcpu, attention};
use crate::{lookup::Caller, portal::Portal};
use sawmill_abi::object::{
    RIGHT_PARTITION_CONTROL, RIGHT_PARTITION_GRANT, RIGHT_PARTITION_INFO, RIGHT_PARTITION_SIGNAL, RIGHT_PORTAL_CONTROL,
    SELECTOR_SELF, VCPUS_MAX,
};
use sawmill_abi::{PAGE_SIZE, status::Status};
use sawmill_logic::arena::Ref;
use sawmill_logic::capability::{Capability, Position};
use sawmill_logic::platform::{Hpa, Platform};
use sawmill_logic::quota::Quota;

/// Whether a partition lives; numbers as in `PartitionStatistics::state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// It may run.
    Running = 0,
    /// Stopped after a fault or by its own wish; its handler decides.
    Parked = 1,
    /// Being destroyed.
    Dying = 2,
}

/// Who handles its faults.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handler {
    pub portal: Ref<Portal>,
    pub badge: u64,
}

/// A protection domain.
pub(crate) struct Partition {
    pub name: [u8; 16],
    pub payer: Option<Ref<Partition>>,
    pub origin: Position,
    pub condition: Condition,
    /// Units of kernel frames.
    pub kernel_quota: Quota,
    /// Pages of regions.
    pub page_quota: Quota,
    pub ept_root: Hpa,
    pub handler: Option<Handler>,
    pub vcpus: [Option<Ref<Vcpu>>; VCPUS_MAX as usize],
    pub port_bitmaps: Option<[Hpa; 2]>,
}

impl Partition {
    pub fn new(name: [u8; 16], origin: Position, ept_root: Hpa, kernel_quota: Quota, page_quota: Quota) -> Self {
        Partition {
            name,
            payer: None,
            origin,
            condition: Condition::Running,
            kernel_quota,
            page_quota,
            ept_root,
            handler: None,
            vcpus: [None; VCPUS_MAX as usize],
            port_bitmaps: None,
        }
    }

    /// Returns the vCPU with this index.
    pub fn vcpu(&self, index: usize) -> Option<Ref<Vcpu>> {
        self.vcpus.get(index).copied().flatten()
    }

    /// Its name without padding.
    pub fn label(&self) -> &str {
        let name = self.name.split(|byte| *byte == 0).next().unwrap_or_default();
        core::str::from_utf8(name).unwrap_or("?")
    }
}

impl<P: Platform> State<P> {
    /// Finds the vCPU that takes calls made on a CPU: the first one there, or the first of all.
    pub(crate) fn server_on(&self, partition: &Partition, cpu: usize) -> Option<Ref<Vcpu>> {
        let is_there = |vcpu: &Ref<Vcpu>| self.vcpus.get(*vcpu).is_some_and(|vcpu| vcpu.cpu == cpu);
        partition.vcpus.into_iter().flatten().find(is_there).or(partition.vcpu(0))
    }

    pub(crate) fn partition_create(&mut self, caller: &Caller, arguments: &Arguments) -> Decoded<Answer> {
        let payer = self.lookup(caller, arguments.selector, RIGHT_PARTITION_GRANT)?;
        let [name_low, name_high, kernel_units, pages, ..] = arguments.words;
        let at = self.free_selector(caller)?;
        if self.partitions.is_full() {
            return Err(Status::NoSlot);
        }
        let mut kernel_quota = Quota::new(kernel_units);
        // The root of its page table is the first thing it pays.
        kernel_quota.charge(1)?;
        let paying = self.partitions.get_mut(payer).ok_or(Status::BadSelector)?;
        if pages > paying.page_quota.left() || kernel_units > paying.kernel_quota.left() {
            return Err(Status::NoQuota);
        }
        let ept_root = self.frames.take().ok_or(Status::NoQuota)?;
        let charged = paying.page_quota.charge(pages).and(paying.kernel_quota.charge(kernel_units));
        debug_assert!(charged.is_ok());
        let mut name = [0; 16];
        name.copy_from_slice(&(u128::from(name_high) << 64 | u128::from(name_low)).to_le_bytes());
        let mut partition = Partition::new(name, at, ept_root, kernel_quota, Quota::new(pages));
        partition.payer = Some(payer);
        self.platform.zero_page(ept_root);
        let Ok(reference) = self.partitions.insert(partition) else { return Err(Status::NoSlot) };
        self.renew_translations(reference);
        let selector = self.name_object(at, Object::Partition(reference));
        let own = Capability {
            object: Object::Partition(reference),
            rights: RIGHT_PARTITION_INFO | RIGHT_PARTITION_GRANT | RIGHT_PARTITION_SIGNAL,
            badge: 0,
        };
        let own_slot = Position { table: reference.index() as u16, slot: SELECTOR_SELF as u16 };
        let inserted = self.capabilities.insert(own_slot, own, Some(at));
        debug_assert!(inserted.is_ok() && SELECTOR_SELF < u64::from(FIRST_FREE_SELECTOR));
        Ok(Answer::value(selector).with(&[reference.index() as u64 + 1]))
    }

    pub(crate) fn partition_destroy(&mut self, caller: &Caller, arguments: &Arguments) -> Decoded<Answer> {
        let target: Ref<Partition> = self.lookup(caller, arguments.selector, RIGHT_PARTITION_CONTROL)?;
        let origin = self.partitions.get(target).ok_or(Status::BadSelector)?.origin;
        self.revoke(origin);
        Ok(Answer::default())
    }

    pub(crate) fn partition_set_handler(&mut self, caller: &Caller, arguments: &Arguments) -> Decoded<Answer> {
        let target: Ref<Partition> = self.lookup(caller, arguments.selector, RIGHT_PARTITION_CONTROL)?;
        let selector = arguments.words[0];
        let portal = self.lookup(caller, selector, RIGHT_PORTAL_CONTROL)?;
        let badge = self.capability(caller, selector)?.badge;
        let target = self.partitions.get_mut(target).ok_or(Status::BadSelector)?;
        target.handler = Some(Handler { portal, badge });
        Ok(Answer::default())
    }

    pub(crate) fn partition_grant_ports(&mut self, caller: &Caller, arguments: &Arguments) -> Decoded<Answer> {
        let target = self.lookup(caller, arguments.selector, RIGHT_PARTITION_CONTROL)?;
        let [machine, first, count, ..] = arguments.words;
        self.lookup_machine(caller, machine)?;
        self.grant_ports(target, first, count)?;
        Ok(Answer::default())
    }

    /// Lets a partition access ports without exits.
    pub(crate) fn grant_ports(&mut self, target: Ref<Partition>, first: u64, count: u64) -> Decoded<()> {
        let end = first.checked_add(count).filter(|end| *end <= 0x1_0000).ok_or(Status::BadArgument)?;
        let partition = self.partitions.get(target).ok_or(Status::BadSelector)?;
        let bitmaps = match partition.port_bitmaps {
            Some(bitmaps) => bitmaps,
            None => {
                let frames = self.take_frames(target, 2)?;
                let &[low, high] = frames.as_slice() else { return Err(Status::NoQuota) };
                [low, high].iter().for_each(|bitmap| self.platform.copy_out(*bitmap, &[0xff; PAGE_SIZE as usize]));
                [low, high]
            }
        };
        for port in first..end {
            let [low, high] = bitmaps;
            let bitmap = if port < 0x8000 { low } else { high };
            let at = Hpa(bitmap.0 + (port & 0x7fff) / 64 * 8);
            let word = self.platform.read_u64(at);
            self.platform.write_u64(at, word & !(1 << (port % 64)));
        }
        let Some(partition) = self.partitions.get_mut(target) else { return Ok(()) };
        partition.port_bitmaps = Some(bitmaps);
        for vcpu in partition.vcpus.into_iter().flatten() {
            if let Some(vcpu) = self.vcpus.get_mut(vcpu) {
                vcpu.attention |= attention::PORTS;
                let cpu = vcpu.cpu;
                self.kick(cpu);
            }
        }
        Ok(())
    }

    pub(crate) fn partition_set_console(&mut self, caller: &Caller, arguments: &Arguments) -> Decoded<Answer> {
        let target: Ref<Partition> = self.lookup(caller, arguments.selector, RIGHT_PARTITION_CONTROL)?;
        let [machine, is_foreground, ..] = arguments.words;
        self.lookup_machine(caller, machine)?;
        let id = target.index() as u8 + 1;
        match is_foreground {
            0 if self.foreground == id => self.foreground = 0,
            0 => {}
            1 => self.foreground = id,
            _ => return Err(Status::BadArgument),
        }
        Ok(Answer::default())
    }
}
