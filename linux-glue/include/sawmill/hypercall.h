/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Everything a partition can see of the hypervisor.
 *
 * Generated from hypervisor/abi by `cargo xtask generate`; do not edit.
 */
#ifndef SAWMILL_HYPERCALL_H
#define SAWMILL_HYPERCALL_H

#include <linux/types.h>

/* Hypercall numbers: RAX. */
#define HV_ABI_VERSION 0
#define HV_PORTAL_CALL 1
#define HV_PORTAL_REPLY_WAIT 2
#define HV_PORTAL_REPLY 3
#define HV_VCPU_WAIT 4
#define HV_TIMER_SET 5
#define HV_EVENT_SIGNAL 6
#define HV_VCPU_SIGNAL 7
#define HV_CONSOLE_WRITE 8
#define HV_CONSOLE_READ 9
#define HV_PARTITION_EXIT 10
#define HV_TRACE_MARK 11
#define HV_CAPABILITY_COPY 16
#define HV_CAPABILITY_REVOKE 17
#define HV_CAPABILITY_IDENTIFY 18
#define HV_PARTITION_CREATE 32
#define HV_PARTITION_DESTROY 33
#define HV_PARTITION_SET_HANDLER 34
#define HV_PARTITION_STATISTICS 35
#define HV_PARTITION_GRANT_PORTS 36
#define HV_PARTITION_SET_CONSOLE 37
#define HV_VCPU_CREATE 40
#define HV_VCPU_START 41
#define HV_REGION_CREATE 48
#define HV_REGION_MAP 49
#define HV_REGION_UNMAP 50
#define HV_REGION_INFO 51
#define HV_PORTAL_CREATE 56
#define HV_EVENT_CREATE 60
#define HV_IRQ_CREATE 64
#define HV_IRQ_ACKNOWLEDGE 65
#define HV_DEVICE_FIND 72
#define HV_DEVICE_ASSIGN 73
#define HV_DEVICE_CONFIG_READ 74
#define HV_DEVICE_CONFIG_WRITE 75
#define HV_DEVICE_BAR 76
#define HV_DEVICE_MSI 77
#define HV_TRACE_CONTROL 80
#define HV_TRACE_READ 81
#define HV_MACHINE_SHUTDOWN 82
/**
 * Begins a frame (and so ends the one before).
 */
#define HV_FRAME_START 30

/**
 * The next byte is to be taken with bit 6 flipped.
 */
#define HV_FRAME_ESCAPE 29

/**
 * Added to partition and channel numbers in a frame's header.
 */
#define HV_FRAME_BASE 64

/**
 * Kernel log and terminal of a partition.
 */
#define HV_CHANNEL_TERMINAL 0

/**
 * Framed protocol between the app partition's init and the host tool.
 */
#define HV_CHANNEL_RUN 1

/**
 * Number of channels per partition.
 */
#define HV_CHANNEL_COUNT 2

/**
 * Most bytes that one `console_write` or `console_read` moves.
 */
#define HV_CONSOLE_CHUNK_MAX 4096

/**
 * Words of 64 event bits in the event page.
 */
#define HV_EVENT_WORDS 4

/**
 * Number of event bits of a vCPU.
 */
#define HV_EVENT_COUNT 256

/**
 * The timer that `timer_set` armed has expired.
 */
#define HV_EVENT_TIMER 0

/**
 * `console_read` has something.
 */
#define HV_EVENT_CONSOLE 1

/**
 * Linux: reschedule.
 */
#define HV_EVENT_IPI_RESCHEDULE 2

/**
 * Linux: call function.
 */
#define HV_EVENT_IPI_CALL_FUNCTION 3

/**
 * Linux: call function, single.
 */
#define HV_EVENT_IPI_CALL_FUNCTION_SINGLE 4

/**
 * Linux: irq_work.
 */
#define HV_EVENT_IPI_IRQ_WORK 5

/**
 * Linux: stop for reboot.
 */
#define HV_EVENT_IPI_STOP 6

/**
 * A call is queued at this vCPU: it should go to `portal_reply_wait`.
 */
#define HV_EVENT_PORTAL 7

/**
 * First bit that root gives out.
 */
#define HV_EVENT_FIRST_FREE 8

/**
 * Byte offset of `upcall_pending`.
 */
#define HV_EVENT_PAGE_UPCALL_PENDING 32

/**
 * Byte offset of `looking`.
 */
#define HV_EVENT_PAGE_LOOKING 40

/**
 * First word of a fault message: the bytes `HVFAULT`, so that no ordinary call is mistaken for one.
 * (The badge of the portal tells which partition it was.)
 */
#define HV_FAULT_TAG 23727827094754888

/**
 * Answer: the vCPU stays parked.
 */
#define HV_FAULT_PARK 0

/**
 * Answer: the vCPU tries the instruction again.
 */
#define HV_FAULT_RESUME 1

/**
 * Number of message words.
 */
#define HV_WORDS 6

/**
 * Where the information page is, in every partition.
 */
#define HV_INFO_PAGE_GPA 589824

/**
 * Event page of vCPU 0; vCPU `n` has the `n`-th page after it.
 */
#define HV_EVENT_PAGE_GPA 593920

/**
 * End of the range that holds shared pages (not RAM to the partition's kernel).
 */
#define HV_SHARED_PAGES_END_GPA 655360

/**
 * Magic of [`PartitionInfo`]: the bytes `SAWMILL1`.
 */
#define HV_INFO_MAGIC 3552298083802366291

/**
 * Most connections of a partition.
 */
#define HV_CONNECTIONS_MAX 16

/**
 * Most PCI functions of a partition.
 */
#define HV_DEVICES_MAX 8

/**
 * Most DMA ranges of a partition.
 */
#define HV_DMA_RANGES_MAX 16

/**
 * Bytes of a name, padded with zeros.
 */
#define HV_NAME_MAX 16

/**
 * Version of this interface: bumped by every incompatible change, which
 * also changes `hypervisor/doc/interface.md` and a conformance test.
 */
#define HV_INTERFACE_VERSION 2

/**
 * CPUID leaf at which a partition finds the hypervisor.
 *
 * EAX = highest hypervisor leaf, EBX ECX EDX = [`CPUID_SIGNATURE`].
 */
#define HV_CPUID_LEAF_BASE 1073741824

/**
 * CPUID leaf: EAX = [`ABI_VERSION`], EBX = index of the calling vCPU, ECX = TSC kHz, EDX = 0.
 */
#define HV_CPUID_LEAF_ABI 1073741825

/**
 * Vector that the hypervisor injects when event bits became pending.
 */
#define HV_UPCALL_VECTOR 243

/**
 * Size of a page and of all shared pages, in bytes.
 */
#define HV_PAGE_SIZE 4096

/**
 * `machine_shutdown`: power off.
 */
#define HV_SHUTDOWN_POWER_OFF 0

/**
 * `machine_shutdown`: reset.
 */
#define HV_SHUTDOWN_RESET 1

/**
 * `irq_create`: a global system interrupt (I/O APIC pin); w1 = GSI.
 */
#define HV_IRQ_KIND_GSI 0

/**
 * `irq_create`: a message-signalled interrupt, to be given to `device_msi`.
 */
#define HV_IRQ_KIND_MSI 1

/**
 * `irq_create`: an ISA IRQ (through the MADT's source overrides); w1 = IRQ number.
 */
#define HV_IRQ_KIND_ISA 2

/**
 * `irq_create` flag: level triggered (masked when it fires, unmasked by `irq_acknowledge`).
 */
#define HV_IRQ_LEVEL 1

/**
 * `irq_create` flag: active low.
 */
#define HV_IRQ_ACTIVE_LOW 2

/**
 * `device_assign` flag: the system description allows DMA, and forged interrupt messages, without an IOMMU.
 */
#define HV_DEVICE_UNSAFE_DMA 1

/**
 * `device_msi`: MSI, which the hypervisor programs.
 */
#define HV_MESSAGE_MSI 0

/**
 * `device_msi`: MSI-X, whose table the caller writes.
 */
#define HV_MESSAGE_MSIX 1

/**
 * `device_bar` result kind: no such BAR.
 */
#define HV_BAR_NONE 0

/**
 * `device_bar` result kind: memory; a Region capability is returned.
 */
#define HV_BAR_MEMORY 1

/**
 * `device_bar` result kind: I/O ports; granted to the partition when assigned.
 */
#define HV_BAR_PORTS 2

/**
 * Magic of [`RootInfo`]: the bytes `SAWROOT1`.
 */
#define HV_ROOT_INFO_MAGIC 3554553208004624723

/**
 * Most modules that root is told of.
 */
#define HV_MODULES_MAX 24

/**
 * Most bytes of a module's name, padded with zeros.
 */
#define HV_MODULE_NAME_MAX 32

/**
 * Magic in the header of a flat partition image (`servers/rt`): the bytes `SAWFLAT1`.
 */
#define HV_FLAT_IMAGE_MAGIC 3554537801755607379

/**
 * Partition: map memory, create vCPUs, set the handler, grant ports, destroy.
 */
#define HV_RIGHT_PARTITION_CONTROL 1

/**
 * Partition: read its statistics.
 */
#define HV_RIGHT_PARTITION_INFO 2

/**
 * Partition: put capabilities into its table; create objects on its quota.
 */
#define HV_RIGHT_PARTITION_GRANT 4

/**
 * Partition: signal events of its vCPUs by index (a partition has this on itself).
 */
#define HV_RIGHT_PARTITION_SIGNAL 8

/**
 * Vcpu: start it, create events on it.
 */
#define HV_RIGHT_VCPU_CONTROL 1

/**
 * Portal: call it.
 */
#define HV_RIGHT_PORTAL_CALL 1

/**
 * Portal: use it as a fault handler.
 */
#define HV_RIGHT_PORTAL_CONTROL 2

/**
 * Region: map it readable.
 */
#define HV_RIGHT_REGION_READ 1

/**
 * Region: map it writable.
 */
#define HV_RIGHT_REGION_WRITE 2

/**
 * Region: map it executable.
 */
#define HV_RIGHT_REGION_EXECUTE 4

/**
 * Region: learn its host-physical address, for DMA without an IOMMU.
 */
#define HV_RIGHT_REGION_DMA 8

/**
 * Event: signal it.
 */
#define HV_RIGHT_EVENT_SIGNAL 1

/**
 * Irq: acknowledge it.
 */
#define HV_RIGHT_IRQ_ACKNOWLEDGE 1

/**
 * Device: read and write its configuration space.
 */
#define HV_RIGHT_DEVICE_CONFIG 1

/**
 * Machine: all that the Machine object offers.
 */
#define HV_RIGHT_MACHINE_CONTROL 1

/**
 * Any kind: the capability may be copied.
 */
#define HV_RIGHT_COPY 128

/**
 * Any kind: every right.
 */
#define HV_RIGHT_ALL 255

/**
 * Selector that never names a capability.
 */
#define HV_SELECTOR_NULL 0

/**
 * Selector of the partition itself, with INFO, GRANT and SIGNAL (root: all rights).
 */
#define HV_SELECTOR_SELF 1

/**
 * Selector of the Machine object; only root starts with it.
 */
#define HV_SELECTOR_MACHINE 2

/**
 * Selector of vCPU `n` of the partition is this plus `n`; put there by whoever creates it.
 */
#define HV_SELECTOR_VCPU_BASE 16

/**
 * Number of selectors in a capability table.
 */
#define HV_SELECTOR_COUNT 256

/**
 * Largest number of vCPUs of one partition.
 */
#define HV_VCPUS_MAX 8

/**
 * `region_create`: frames below 4 GiB, for devices that address 32 bits.
 */
#define HV_REGION_BELOW_4G 1

/**
 * `region_create`: aligned to 2 MiB, so that large EPT pages can map it.
 */
#define HV_REGION_ALIGN_2M 2

/**
 * Number of exit counters; index = the classes of [`ExitClass`].
 */
#define HV_EXIT_CLASSES 16

/**
 * What a server puts into RBX of `portal_reply_wait` when it owes no reply.
 */
#define HV_REPLY_NONE (~0ULL)

/**
 * Result of a hypercall.
 */
enum hv_status {
  /**
   * Done.
   */
  HV_STATUS_OK = 0,
  /**
   * No hypercall has this number.
   */
  HV_STATUS_BAD_HYPERCALL = 1,
  /**
   * The selector names no capability of the caller.
   */
  HV_STATUS_BAD_SELECTOR = 2,
  /**
   * The capability is of another kind than this hypercall works on.
   */
  HV_STATUS_BAD_KIND = 3,
  /**
   * The capability lacks the right.
   */
  HV_STATUS_NO_RIGHT = 4,
  /**
   * An argument is out of its range.
   */
  HV_STATUS_BAD_ARGUMENT = 5,
  /**
   * A guest-physical address is not mapped, not aligned, or already in use.
   */
  HV_STATUS_BAD_ADDRESS = 6,
  /**
   * The quota of the partition that pays is used up.
   */
  HV_STATUS_NO_QUOTA = 7,
  /**
   * A table of fixed size (capabilities, objects) is full.
   */
  HV_STATUS_NO_SLOT = 8,
  /**
   * The object is in a state in which this cannot be done.
   */
  HV_STATUS_BUSY = 9,
  /**
   * The partition at the other end died or was destroyed.
   */
  HV_STATUS_PEER_DEAD = 10,
  /**
   * The call used up its budget; the server may still finish the work.
   */
  HV_STATUS_TIMEOUT = 11,
  /**
   * The server took the request and completes it later by its ring.
   */
  HV_STATUS_PENDING = 12,
  /**
   * The wait ended because an event is pending, not because a call came.
   */
  HV_STATUS_INTERRUPTED = 13,
  /**
   * There is nobody left who waits for this reply.
   */
  HV_STATUS_STALE = 14,
  /**
   * This machine or this build cannot do it.
   */
  HV_STATUS_UNSUPPORTED = 15,
  /**
   * The caller did not run at privilege level 0.
   */
  HV_STATUS_NOT_PRIVILEGED = 16,
};

/**
 * Why a vCPU stopped.
 */
enum hv_fault_reason {
  /**
   * Access to a guest-physical address that is not mapped so; address = GPA, qualification: bit 0 read, 1 write, 2 execute.
   */
  HV_FAULT_REASON_EPT_VIOLATION = 1,
  /**
   * Triple fault.
   */
  HV_FAULT_REASON_TRIPLE_FAULT = 2,
  /**
   * VM entry refused the vCPU's state; qualification = the processor's, address = exit reason or VM-instruction error.
   */
  HV_FAULT_REASON_ENTRY_FAILURE = 3,
  /**
   * An exit that nobody asked for; qualification = basic exit reason, address = the processor's qualification.
   */
  HV_FAULT_REASON_UNKNOWN_EXIT = 4,
  /**
   * The partition asked for it (`partition_exit`): address = code, qualification = [`ExitKind`].
   */
  HV_FAULT_REASON_EXIT = 5,
  /**
   * An EPT entry is malformed: a hypervisor defect, confined to the partition; address = GPA.
   */
  HV_FAULT_REASON_EPT_MISCONFIGURATION = 6,
  /**
   * HLT with interrupts off: the vCPU can never run again.
   */
  HV_FAULT_REASON_HALT_FOREVER = 7,
};

/**
 * How a partition ended itself.
 */
enum hv_exit_kind {
  /**
   * Orderly power-off.
   */
  HV_EXIT_KIND_POWER_OFF = 0,
  /**
   * Asks to be started again.
   */
  HV_EXIT_KIND_RESTART = 1,
  /**
   * Its kernel panicked.
   */
  HV_EXIT_KIND_PANIC = 2,
  /**
   * Halted.
   */
  HV_EXIT_KIND_HALT = 3,
};

/**
 * Which end of a connection this partition is.
 */
enum hv_connection_role {
  /**
   * It calls.
   */
  HV_CONNECTION_ROLE_CLIENT = 1,
  /**
   * It is called.
   */
  HV_CONNECTION_ROLE_SERVER = 2,
};

/**
 * Kind of a kernel object.
 */
enum hv_kind {
  /**
   * No object.
   */
  HV_KIND_NONE = 0,
  /**
   * A protection domain: one EPT, one capability table, one quota.
   */
  HV_KIND_PARTITION = 1,
  /**
   * A virtual CPU of a partition, bound to one physical CPU.
   */
  HV_KIND_VCPU = 2,
  /**
   * An entry point into a server partition.
   */
  HV_KIND_PORTAL = 3,
  /**
   * A set of contiguous page frames with an owner (the SawMill dataspace).
   */
  HV_KIND_REGION = 4,
  /**
   * One event bit of one vCPU, to be signalled.
   */
  HV_KIND_EVENT = 5,
  /**
   * An interrupt source bound to an event.
   */
  HV_KIND_IRQ = 6,
  /**
   * A PCI function assigned to a partition.
   */
  HV_KIND_DEVICE = 7,
  /**
   * The machine itself: what only root may do.
   */
  HV_KIND_MACHINE = 8,
};

/**
 * Classes into which VM exits are counted.
 */
enum hv_exit_class {
  /**
   * Hypercalls other than IPC.
   */
  HV_EXIT_CLASS_HYPERCALL = 0,
  /**
   * `portal_call`.
   */
  HV_EXIT_CLASS_PORTAL_CALL = 1,
  /**
   * `portal_reply` and `portal_reply_wait`.
   */
  HV_EXIT_CLASS_PORTAL_REPLY = 2,
  /**
   * Physical interrupts.
   */
  HV_EXIT_CLASS_EXTERNAL_INTERRUPT = 3,
  /**
   * Timer.
   */
  HV_EXIT_CLASS_TIMER = 4,
  /**
   * Interrupt window.
   */
  HV_EXIT_CLASS_INTERRUPT_WINDOW = 5,
  /**
   * CPUID.
   */
  HV_EXIT_CLASS_CPUID = 6,
  /**
   * RDMSR and WRMSR.
   */
  HV_EXIT_CLASS_MSR = 7,
  /**
   * Port access.
   */
  HV_EXIT_CLASS_PORT = 8,
  /**
   * HLT.
   */
  HV_EXIT_CLASS_HALT = 9,
  /**
   * EPT violation.
   */
  HV_EXIT_CLASS_EPT_VIOLATION = 10,
  /**
   * Extended state (#NM, XSETBV): dealt with where it happens, so none is counted.
   */
  HV_EXIT_CLASS_EXTENDED_STATE = 11,
  /**
   * Everything else.
   */
  HV_EXIT_CLASS_OTHER = 12,
};

/**
 * What an entry tells.
 */
enum hv_trace_kind {
  /**
   * VM exit; a = exit class.
   */
  HV_TRACE_KIND_EXIT = 1,
  /**
   * `portal_call`; a = badge, b = first word.
   */
  HV_TRACE_KIND_CALL = 2,
  /**
   * Reply; a = status, b = caller (partition << 8 | vCPU).
   */
  HV_TRACE_KIND_REPLY = 3,
  /**
   * Event signalled; a = partition << 16 | vCPU << 8 | bit.
   */
  HV_TRACE_KIND_EVENT = 4,
  /**
   * Another vCPU runs; a = partition << 8 | vCPU, 0 = none.
   */
  HV_TRACE_KIND_SWITCH = 5,
  /**
   * Physical interrupt; a = vector.
   */
  HV_TRACE_KIND_INTERRUPT = 6,
  /**
   * Fault; a = reason, b = address.
   */
  HV_TRACE_KIND_FAULT = 7,
  /**
   * Mark set by a partition; a, b = its words.
   */
  HV_TRACE_KIND_MARK = 8,
};

/**
 * Layout of the event page (one per vCPU, inside the partition's memory).
 */
struct hv_event_page {
  /**
   * Event bits; bit `n` is bit `n % 64` of word `n / 64`.
   */
  uint64_t pending[HV_EVENT_WORDS];
  /**
   * Non-zero from the first bit set until the vCPU clears it.
   */
  uint64_t upcall_pending;
  /**
   * Non-zero while the vCPU looks at `pending` by itself: bits are set, nothing is injected.
   */
  uint64_t looking;
};

/**
 * One vCPU.
 */
struct hv_vcpu_info {
  /**
   * Selector of the vCPU.
   */
  uint64_t selector;
  /**
   * Physical CPU it is bound to.
   */
  uint64_t cpu;
};

/**
 * A path between a client and a server.
 */
struct hv_connection {
  /**
   * A [`ConnectionRole`]; 0 = unused entry.
   */
  uint64_t role;
  /**
   * Name of the service, for instance `root-fs`.
   */
  uint8_t service[HV_NAME_MAX];
  /**
   * Client: the portal to call. Server: 0.
   */
  uint64_t portal_selector;
  /**
   * Server: the badge with which this client's calls arrive. Client: 0.
   */
  uint64_t badge;
  /**
   * Event to signal the other end.
   */
  uint64_t signal_selector;
  /**
   * Own event bit (of vCPU 0) by which the other end signals.
   */
  uint64_t event_bit;
  /**
   * Control region: rings, message slots; same contents for both.
   */
  uint64_t control_gpa;
  /**
   * Its size in bytes.
   */
  uint64_t control_bytes;
  /**
   * Pool region: page-cache pages of the client (0 bytes = none).
   */
  uint64_t pool_gpa;
  /**
   * Its size in bytes.
   */
  uint64_t pool_bytes;
  /**
   * 1 for a connection to root's own services, else 0.
   */
  uint64_t is_root;
  /**
   * How often the other end has died. Root counts up, then signals `event_bit`: what was asked for will not come.
   */
  uint64_t peer_deaths;
};

/**
 * A PCI function assigned to the partition.
 */
struct hv_device_info {
  /**
   * Selector for `device_config_read` and `device_config_write`.
   */
  uint64_t selector;
  /**
   * bus << 8 | device << 3 | function, as the partition shall see it.
   */
  uint64_t address;
  /**
   * Irq selectors: `irq_acknowledge` works on them; 0 = none.
   */
  uint64_t irq_selectors[4];
  /**
   * Event bits (of vCPU 0) of these.
   */
  uint64_t irq_event_bits[4];
  /**
   * Linux IRQ numbers that drivers expect (14 and 15 for legacy IDE; else the PCI interrupt line).
   */
  uint64_t irq_numbers[4];
  /**
   * `IRQ_LEVEL` and the like, of each.
   */
  uint64_t irq_flags[4];
  /**
   * Number of Irqs of kind MSI for it, to be given to `device_msi`; 0 if it has neither MSI nor MSI-X.
   */
  uint64_t message_count;
  /**
   * Selector of the first of them; the others follow.
   */
  uint64_t message_selector;
  /**
   * Event bit (of vCPU 0) of the first of them; the others follow.
   */
  uint64_t message_event_bit;
};

/**
 * Memory whose device address differs from its guest-physical address (no IOMMU).
 */
struct hv_dma_range {
  /**
   * First guest-physical address.
   */
  uint64_t gpa;
  /**
   * Device (host-physical) address of it.
   */
  uint64_t hpa;
  /**
   * Bytes.
   */
  uint64_t size_bytes;
};

/**
 * The information page.
 */
struct hv_partition_info {
  /**
   * [`INFO_MAGIC`].
   */
  uint64_t magic;
  /**
   * [`crate::ABI_VERSION`].
   */
  uint64_t abi_version;
  /**
   * Name of the partition.
   */
  uint8_t name[HV_NAME_MAX];
  /**
   * Its number (1 = root).
   */
  uint64_t partition_id;
  /**
   * TSC frequency in kHz.
   */
  uint64_t tsc_khz;
  /**
   * Wall clock at `wall_clock_tsc`, ns since 1970 UTC.
   */
  uint64_t wall_clock_ns;
  /**
   * TSC at that moment.
   */
  uint64_t wall_clock_tsc;
  /**
   * Size of the memory at GPA 0, bytes.
   */
  uint64_t memory_bytes;
  /**
   * How often root has started this partition before.
   */
  uint64_t restarts;
  /**
   * Number of vCPUs.
   */
  uint64_t vcpu_count;
  /**
   * The vCPUs.
   */
  struct hv_vcpu_info vcpus[HV_VCPUS_MAX];
  /**
   * Number of valid entries in `connections`.
   */
  uint64_t connection_count;
  /**
   * Number of valid entries in `devices`.
   */
  uint64_t device_count;
  /**
   * Number of valid entries in `dma_ranges`.
   */
  uint64_t dma_range_count;
  /**
   * The connections.
   */
  struct hv_connection connections[HV_CONNECTIONS_MAX];
  /**
   * The devices.
   */
  struct hv_device_info devices[HV_DEVICES_MAX];
  /**
   * The DMA ranges.
   */
  struct hv_dma_range dma_ranges[HV_DMA_RANGES_MAX];
};

/**
 * A file that the boot loader brought.
 */
struct hv_module {
  /**
   * First word of the module's string on the GRUB line.
   */
  uint8_t name[HV_MODULE_NAME_MAX];
  /**
   * Region capability (read, write, DMA) in root's table.
   */
  uint64_t selector;
  /**
   * Bytes used of the region.
   */
  uint64_t size_bytes;
};

/**
 * What root finds at [`crate::info::INFO_PAGE_GPA`] instead of a `PartitionInfo`.
 */
struct hv_root_info {
  /**
   * [`ROOT_INFO_MAGIC`].
   */
  uint64_t magic;
  /**
   * [`crate::ABI_VERSION`].
   */
  uint64_t abi_version;
  /**
   * TSC frequency in kHz.
   */
  uint64_t tsc_khz;
  /**
   * TSC when the hypervisor got control.
   */
  uint64_t boot_tsc;
  /**
   * Running physical CPUs, numbered from 0.
   */
  uint64_t cpu_count;
  /**
   * Size of root's own memory at GPA 0, bytes.
   */
  uint64_t memory_bytes;
  /**
   * Free memory of the machine that root may allocate, in pages.
   */
  uint64_t free_pages;
  /**
   * 1 if an IOMMU confines DMA, else 0.
   */
  uint64_t has_iommu;
  /**
   * Number of valid entries in `modules`.
   */
  uint64_t module_count;
  /**
   * The modules.
   */
  struct hv_module modules[HV_MODULES_MAX];
  /**
   * Hypervisor command line, zero-terminated.
   */
  uint8_t command_line[512];
};

/**
 * First bytes of a flat image: how root (and the conformance partitions) are entered.
 *
 * The file is copied to `load_gpa`; `memory_bytes` from GPA 0 must be mapped. It holds its own page tables.
 */
struct hv_flat_image_header {
  /**
   * [`FLAT_IMAGE_MAGIC`].
   */
  uint64_t magic;
  /**
   * Where the file's first byte goes, page aligned.
   */
  uint64_t load_gpa;
  /**
   * First instruction.
   */
  uint64_t entry;
  /**
   * Page table root (identity map).
   */
  uint64_t cr3;
  /**
   * Initial stack pointer.
   */
  uint64_t stack;
  /**
   * Memory needed from GPA 0, bytes (includes .bss and stack).
   */
  uint64_t memory_bytes;
};

/**
 * Counters of a vCPU.
 */
struct hv_vcpu_statistics {
  /**
   * Exits by [`ExitClass`].
   */
  uint64_t exits[HV_EXIT_CLASSES];
  /**
   * TSC ticks it ran.
   */
  uint64_t run_tsc;
  /**
   * Calls made.
   */
  uint64_t calls;
  /**
   * Calls received.
   */
  uint64_t served;
  /**
   * Times an event was injected.
   */
  uint64_t injections;
};

/**
 * What `partition_statistics` writes.
 */
struct hv_partition_statistics {
  /**
   * 0 = running, 1 = parked after a fault, 2 = dead.
   */
  uint64_t state;
  /**
   * Pages of regions charged to it.
   */
  uint64_t region_pages;
  /**
   * Frames of kernel objects charged to it.
   */
  uint64_t kernel_frames;
  /**
   * Quota of region pages.
   */
  uint64_t region_quota_pages;
  /**
   * Quota of kernel frames.
   */
  uint64_t kernel_quota_frames;
  /**
   * Number of vCPUs.
   */
  uint64_t vcpu_count;
  /**
   * The vCPUs.
   */
  struct hv_vcpu_statistics vcpus[HV_VCPUS_MAX];
};

/**
 * One entry.
 */
struct hv_trace_entry {
  /**
   * Time stamp.
   */
  uint64_t tsc;
  /**
   * A [`TraceKind`].
   */
  uint32_t kind;
  /**
   * partition << 16 | vCPU << 8 | physical CPU.
   */
  uint32_t who;
  /**
   * First datum.
   */
  uint64_t a;
  /**
   * Second datum.
   */
  uint64_t b;
};

/**
 * EBX, ECX, EDX of [`CPUID_LEAF_BASE`]: the bytes `SawMillSawMi` in order.
 */
#define HV_CPUID_SIGNATURE { 1299669331, 1399614569, 1766684513, }

#endif
