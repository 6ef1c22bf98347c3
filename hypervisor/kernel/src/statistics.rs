// SPDX-License-Identifier: MIT OR Apache-2.0
//! Counters and trace entries, copied into pages of whoever may ask.

use crate::hypercall::{Answer, Arguments};
use crate::partition::Partition;
use crate::state::{Decoded, State};
use crate::{limits::CPUS, lookup::Caller};
use sawmill_abi::{
    PAGE_SIZE, object::RIGHT_PARTITION_INFO, statistics::VcpuStatistics, status::Status, trace::TraceEntry,
};
use sawmill_logic::arena::Ref;
use sawmill_logic::platform::{Gpa, Hpa, Platform};

const ENTRIES_PER_PAGE: usize = PAGE_SIZE as usize / size_of::<TraceEntry>();

impl<P: Platform> State<P> {
    pub(crate) fn partition_statistics(&mut self, caller: &Caller, arguments: &Arguments) -> Decoded<Answer> {
        let target: Ref<Partition> = self.lookup(caller, arguments.selector, RIGHT_PARTITION_INFO)?;
        let page = self.guest_page(caller.partition, Gpa(arguments.words[0]))?;
        let partition = self.partitions.get(target).ok_or(Status::BadSelector)?;
        let head = [
            partition.condition as u64,
            partition.page_quota.used(),
            partition.kernel_quota.used(),
            partition.page_quota.limit(),
            partition.kernel_quota.limit(),
            partition.vcpus.iter().flatten().count() as u64,
        ];
        let mut at = page;
        let mut write = |word: u64| {
            self.platform.write_u64(at, word);
            at = Hpa(at.0 + 8);
        };
        head.into_iter().for_each(&mut write);
        for vcpu in partition.vcpus {
            let found = vcpu.and_then(|vcpu| self.vcpus.get(vcpu)).map(|vcpu| vcpu.statistics);
            let VcpuStatistics { exits, run_tsc, calls, served, injections } = found.unwrap_or_default();
            exits.into_iter().for_each(&mut write);
            [run_tsc, calls, served, injections].into_iter().for_each(&mut write);
        }
        Ok(Answer::default())
    }

    pub(crate) fn trace_control(&mut self, caller: &Caller, arguments: &Arguments) -> Decoded<Answer> {
        self.lookup_machine(caller, arguments.selector)?;
        self.trace_mask = arguments.words[0];
        Ok(Answer::default())
    }

    pub(crate) fn trace_read(&mut self, caller: &Caller, arguments: &Arguments) -> Decoded<Answer> {
        self.lookup_machine(caller, arguments.selector)?;
        let [cpu, cursor, gpa, ..] = arguments.words;
        if cpu >= u64::from(self.platform.cpu_count()).min(CPUS as u64) {
            return Err(Status::BadArgument);
        }
        let page = self.guest_page(caller.partition, Gpa(gpa))?;
        let mut entries = [TraceEntry::default(); ENTRIES_PER_PAGE];
        let ring = self.traces.get(cpu as usize).ok_or(Status::BadArgument)?;
        let progress = ring.read(cursor, &mut entries);
        for (index, entry) in entries.iter().take(progress.copied).enumerate() {
            let base = page.0 + (index * size_of::<TraceEntry>()) as u64;
            let kind_and_who = u64::from(entry.kind) | u64::from(entry.who) << 32;
            let words = [entry.tsc, kind_and_who, entry.a, entry.b].map(u64::to_le_bytes);
            self.platform.copy_out(Hpa(base), words.as_flattened());
        }
        Ok(Answer::value(progress.copied as u64).with(&[progress.cursor, progress.lost]))
    }
}
