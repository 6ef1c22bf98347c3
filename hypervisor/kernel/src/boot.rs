// SPDX-License-Identifier: MIT OR Apache-2.0
//! Boot: memory becomes free extents, modules become regions, root starts.
//!
//! Runs once on CPU 0 before any guest; errors are sentences for the console.

use crate::limits::{REGIONS, SMALL_OBJECTS, VCPUS};
use crate::region::{Backing, Region};
use crate::state::{Object, State};
use crate::{device, lookup::Caller, mapping::NewMapping, partition::Partition, run::Kernel, vcpu::NewVcpu};
use core::mem::offset_of;
use sawmill_abi::info::{EVENT_PAGE_GPA, INFO_PAGE_GPA};
use sawmill_abi::machine::{
    FLAT_IMAGE_MAGIC, FlatImageHeader, MODULE_NAME_MAX, MODULES_MAX, Module, ROOT_INFO_MAGIC, RootInfo,
};
use sawmill_abi::object::{SELECTOR_MACHINE, SELECTOR_SELF, SELECTOR_VCPU_BASE};
use sawmill_abi::status::Status;
use sawmill_abi::{ABI_VERSION, PAGE_SIZE};
use sawmill_logic::capability::Position;
use sawmill_logic::frames::{FRAMES_MAX, FramePool};
use sawmill_logic::platform::{BootInformation, BootModule, EntryState, FrameRange, Gpa, Hpa, Platform};
use sawmill_logic::{arena::Ref, console::Format, ept, extents::Placement, quota::Quota};

/// Root's memory at GPA 0.
const ROOT_PAGES: u64 = (16 << 20) / PAGE_SIZE;
/// Root goes before everybody else: it must be able to stop them.
const ROOT_PRIORITY: u64 = 7;
/// Part of free memory that becomes kernel frames.
const POOL_SHARE: u64 = 16;

/// Why the machine cannot boot.
pub type BootError = &'static str;

impl<P: Platform> Kernel<P> {
    /// Creates root from the boot modules, ready to run on CPU 0.
    ///
    /// # Errors
    /// A sentence that says what is missing or malformed.
    pub fn boot(&'static self, information: &BootInformation<'_>) -> Result<(), BootError> {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        state.leases = Some(&self.leases);
        if option(information.command_line, b"console") == Some(b"mux") {
            state.format = Format::Framed;
            self.output.lock().set_format(Format::Framed);
        }
        if option(information.command_line, b"trace") == Some(b"on") {
            state.trace_mask = u64::MAX;
        }
        state.functions = device::list(self.platform);
        state.give_memory(information.memory)?;
        let caller = state.make_root(information.modules)?;
        state.load_root(&caller, information)?;
        state.say(format_args!(
            "{} MiB for regions, {} kernel frames, {} CPUs, {} PCI functions, {} modules",
            (state.extents.left() * PAGE_SIZE) >> 20,
            state.frames.left(),
            state.platform.cpu_count(),
            state.functions.len(),
            information.modules.len(),
        ));
        if !information.has_iommu {
            state.say(format_args!("no IOMMU is in use: a device given to a partition can read and write all memory"));
        }
        Ok(())
    }
}

/// Finds `key=value` in a command line.
fn option<'a>(command_line: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    command_line
        .split(|byte| byte.is_ascii_whitespace() || *byte == 0)
        .find_map(|word| word.strip_prefix(key)?.strip_prefix(b"="))
}

fn pages_of(bytes: u64) -> u64 {
    bytes.div_ceil(PAGE_SIZE)
}

impl<P: Platform> State<P> {
    fn give_memory(&mut self, memory: &[FrameRange]) -> Result<(), BootError> {
        for range in memory {
            if !self.extents.give(*range) {
                return Err("the memory map overlaps itself or has too many pieces");
            }
        }
        // vCPUs that wait to be retired still hold frames that no quota counts.
        let wanted = (self.extents.left() / POOL_SHARE).min(FRAMES_MAX as u64);
        let pool = self.extents.take(wanted, Placement::default()).ok_or("there is too little memory")?;
        self.frames = FramePool::of(pool);
        Ok(())
    }

    fn make_root(&mut self, modules: &[BootModule]) -> Result<Caller, BootError> {
        if modules.len() > MODULES_MAX.min(REGIONS) {
            return Err("there are too many boot modules");
        }
        let own = Position { table: 0, slot: SELECTOR_SELF as u16 };
        let pages = self.extents.left() + modules.iter().map(|module| pages_of(module.size_bytes)).sum::<u64>();
        let reserve = (P::VCPU_FRAMES * VCPUS.min(8)) as u64;
        let mut kernel_quota = Quota::new(self.frames.left().saturating_sub(reserve) + SMALL_OBJECTS);
        let ept_root = self.frames.take().ok_or("there is too little memory")?;
        self.platform.zero_page(ept_root);
        kernel_quota.charge(1).map_err(|_| "there is too little memory")?;
        let mut name = [0; 16];
        name[..4].copy_from_slice(b"root");
        let root = Partition::new(name, own, ept_root, kernel_quota, Quota::new(pages));
        let Ok(root) = self.partitions.insert(root) else { return Err("the kernel has booted before") };
        self.renew_translations(root);
        self.root = Some(root);
        self.name_object(own, Object::Partition(root));
        self.name_object(Position { table: 0, slot: SELECTOR_MACHINE as u16 }, Object::Machine);
        Ok(Caller { vcpu: self.vcpus.next().ok_or("the kernel has booted before")?, partition: root })
    }

    fn load_root(&mut self, caller: &Caller, information: &BootInformation<'_>) -> Result<(), BootError> {
        let image = information
            .modules
            .iter()
            .find(|module| name_of(module) == b"root")
            .ok_or("there is no boot module called root")?;
        let header = self.read_header(image);
        let is_sound = header.magic == FLAT_IMAGE_MAGIC
            && header.load_gpa.is_multiple_of(PAGE_SIZE)
            && header.memory_bytes <= ROOT_PAGES * PAGE_SIZE
            && header.load_gpa.checked_add(image.size_bytes).is_some_and(|end| end <= ROOT_PAGES * PAGE_SIZE);
        if !is_sound {
            return Err("the boot module root is not a flat image that fits");
        }
        let (memory, via) = self.root_memory(caller).map_err(|_| "there is no room for root's memory")?;
        self.copy_image(image, Hpa(memory.start.0 + header.load_gpa));
        self.write_information(caller, information, memory)?;
        let (partition, event_page) = (caller.partition, Gpa(EVENT_PAGE_GPA));
        let new = NewVcpu { partition, index: 0, cpu: 0, priority: ROOT_PRIORITY, event_page };
        let at = Position { table: via.table, slot: SELECTOR_VCPU_BASE as u16 };
        self.make_vcpu(&new, at).map_err(|_| "the processor refuses to make root's vCPU")?;
        let entry = EntryState { rip: header.entry, rsp: header.stack, cr3: header.cr3 };
        self.start(caller.vcpu, entry, INFO_PAGE_GPA).map_err(|_| "the boot module root has a bad entry")
    }

    fn read_header(&self, image: &BootModule) -> FlatImageHeader {
        // In the order of the fields, which are all words.
        let words = core::array::from_fn(|index| self.platform.read_u64(Hpa(image.start.0 + index as u64 * 8)));
        let [magic, load_gpa, entry, cr3, stack, memory_bytes] = words;
        FlatImageHeader { magic, load_gpa, entry, cr3, stack, memory_bytes }
    }

    fn root_memory(&mut self, caller: &Caller) -> Result<(FrameRange, Position), Status> {
        let via = self.free_selector(caller)?;
        let placement = Placement { is_large: true, is_below_4g: false };
        let memory = self.take_pages(caller.partition, ROOT_PAGES, placement)?;
        self.platform.zero_pages(memory);
        let region = Region { range: memory, backing: Backing::Memory, payer: caller.partition, origin: via };
        let selector = self.enter(via, caller.partition, |state| &mut state.regions, region)?;
        let region: Ref<Region> = self.lookup(caller, selector, 0)?;
        self.map(&NewMapping {
            region,
            via,
            target: caller.partition,
            gpa: Gpa(0),
            offset: 0,
            pages: ROOT_PAGES,
            rights: ept::READ | ept::WRITE | ept::EXECUTE,
        })?;
        Ok((memory, via))
    }

    fn copy_image(&self, image: &BootModule, to: Hpa) {
        let mut page = [0; PAGE_SIZE as usize];
        for offset in (0..image.size_bytes).step_by(PAGE_SIZE as usize) {
            let length = (image.size_bytes - offset).min(PAGE_SIZE) as usize;
            let part = page.get_mut(..length).unwrap_or_default();
            self.platform.copy_in(Hpa(image.start.0 + offset), part);
            self.platform.copy_out(Hpa(to.0 + offset), part);
        }
    }

    /// Writes root's information page and gives it the modules.
    fn write_information(
        &mut self,
        caller: &Caller,
        information: &BootInformation<'_>,
        memory: FrameRange,
    ) -> Result<(), BootError> {
        let page = Hpa(memory.start.0 + INFO_PAGE_GPA);
        let at = |offset: usize| Hpa(page.0 + offset as u64);
        for (index, module) in information.modules.iter().enumerate() {
            let selector = self.enter_module(caller, module).map_err(|_| "there is no room for a boot module")?;
            let base = offset_of!(RootInfo, modules) + index * size_of::<Module>();
            self.platform.copy_out(at(base), &module.name);
            self.platform.write_u64(at(base + offset_of!(Module, selector)), selector);
            self.platform.write_u64(at(base + offset_of!(Module, size_bytes)), module.size_bytes);
        }
        let words = [
            (offset_of!(RootInfo, magic), ROOT_INFO_MAGIC),
            (offset_of!(RootInfo, abi_version), ABI_VERSION),
            (offset_of!(RootInfo, tsc_khz), self.platform.tsc_khz()),
            (offset_of!(RootInfo, boot_tsc), information.boot_tsc.0),
            (offset_of!(RootInfo, cpu_count), u64::from(self.platform.cpu_count())),
            (offset_of!(RootInfo, memory_bytes), ROOT_PAGES * PAGE_SIZE),
            (offset_of!(RootInfo, free_pages), self.extents.left()),
            (offset_of!(RootInfo, has_iommu), u64::from(information.has_iommu)),
            (offset_of!(RootInfo, module_count), information.modules.len() as u64),
        ];
        for (offset, word) in words {
            self.platform.write_u64(at(offset), word);
        }
        let line = information.command_line;
        // One byte stays zero as the end.
        let line = line.get(..line.len().min(511)).unwrap_or_default();
        self.platform.copy_out(at(offset_of!(RootInfo, command_line)), line);
        Ok(())
    }

    fn enter_module(&mut self, caller: &Caller, module: &BootModule) -> Result<u64, Status> {
        let range = FrameRange { start: module.start, pages: pages_of(module.size_bytes) };
        let at = self.free_selector(caller)?;
        self.partitions.get_mut(caller.partition).ok_or(Status::BadSelector)?.page_quota.charge(range.pages)?;
        let region = Region { range, backing: Backing::Memory, payer: caller.partition, origin: at };
        self.enter(at, caller.partition, |state| &mut state.regions, region)
    }
}

fn name_of(module: &BootModule) -> &[u8] {
    let name: &[u8; MODULE_NAME_MAX] = &module.name;
    name.split(|byte| *byte == 0).next().unwrap_or_default()
}
