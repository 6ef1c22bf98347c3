// SPDX-License-Identifier: MIT OR Apache-2.0
//! The machine as root sees it, and what root may ask of it.

/// `machine_shutdown`: power off.
pub const SHUTDOWN_POWER_OFF: u64 = 0;
/// `machine_shutdown`: reset.
pub const SHUTDOWN_RESET: u64 = 1;

/// `irq_create`: a global system interrupt (I/O APIC pin); w1 = GSI.
pub const IRQ_KIND_GSI: u64 = 0;
/// `irq_create`: a message-signalled interrupt, to be given to `device_msi`.
pub const IRQ_KIND_MSI: u64 = 1;
/// `irq_create`: an ISA IRQ (through the MADT's source overrides); w1 = IRQ number.
pub const IRQ_KIND_ISA: u64 = 2;
/// `irq_create` flag: level triggered (masked when it fires, unmasked by `irq_acknowledge`).
pub const IRQ_LEVEL: u64 = 1;
/// `irq_create` flag: active low.
pub const IRQ_ACTIVE_LOW: u64 = 2;

/// `device_assign` flag: the system description allows DMA, and forged interrupt messages, without an IOMMU.
pub const DEVICE_UNSAFE_DMA: u64 = 1;

/// `device_msi`: MSI, which the hypervisor programs.
pub const MESSAGE_MSI: u64 = 0;
/// `device_msi`: MSI-X, whose table the caller writes.
pub const MESSAGE_MSIX: u64 = 1;

/// `device_bar` result kind: no such BAR.
pub const BAR_NONE: u64 = 0;
/// `device_bar` result kind: memory; a Region capability is returned.
pub const BAR_MEMORY: u64 = 1;
/// `device_bar` result kind: I/O ports; granted to the partition when assigned.
pub const BAR_PORTS: u64 = 2;

/// Magic of [`RootInfo`]: the bytes `SAWROOT1`.
pub const ROOT_INFO_MAGIC: u64 = 0x3154_4f4f_5257_4153;
/// Most modules that root is told of.
pub const MODULES_MAX: usize = 24;
/// Most bytes of a module's name, padded with zeros.
pub const MODULE_NAME_MAX: usize = 32;

/// A file that the boot loader brought.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Module {
    /// First word of the module's string on the GRUB line.
    pub name: [u8; MODULE_NAME_MAX],
    /// Region capability (read, write, DMA) in root's table.
    pub selector: u64,
    /// Bytes used of the region.
    pub size_bytes: u64,
}

/// What root finds at [`crate::info::INFO_PAGE_GPA`] instead of a `PartitionInfo`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RootInfo {
    /// [`ROOT_INFO_MAGIC`].
    pub magic: u64,
    /// [`crate::ABI_VERSION`].
    pub abi_version: u64,
    /// TSC frequency in kHz.
    pub tsc_khz: u64,
    /// TSC when the hypervisor got control.
    pub boot_tsc: u64,
    /// Running physical CPUs, numbered from 0.
    pub cpu_count: u64,
    /// Size of root's own memory at GPA 0, bytes.
    pub memory_bytes: u64,
    /// Free memory of the machine that root may allocate, in pages.
    pub free_pages: u64,
    /// 1 if an IOMMU confines DMA, else 0.
    pub has_iommu: u64,
    /// Number of valid entries in `modules`.
    pub module_count: u64,
    /// The modules.
    pub modules: [Module; MODULES_MAX],
    /// Hypervisor command line, zero-terminated.
    pub command_line: [u8; 512],
}

const _: () = assert!(core::mem::size_of::<RootInfo>() <= crate::PAGE_SIZE as usize);

/// Magic in the header of a flat partition image (`servers/rt`): the bytes `SAWFLAT1`.
pub const FLAT_IMAGE_MAGIC: u64 = 0x3154_414c_4657_4153;

/// First bytes of a flat image: how root (and the conformance partitions) are entered.
///
/// The file is copied to `load_gpa`; `memory_bytes` from GPA 0 must be mapped. It holds its own page tables.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct FlatImageHeader {
    /// [`FLAT_IMAGE_MAGIC`].
    pub magic: u64,
    /// Where the file's first byte goes, page aligned.
    pub load_gpa: u64,
    /// First instruction.
    pub entry: u64,
    /// Page table root (identity map).
    pub cr3: u64,
    /// Initial stack pointer.
    pub stack: u64,
    /// Memory needed from GPA 0, bytes (includes .bss and stack).
    pub memory_bytes: u64,
}
