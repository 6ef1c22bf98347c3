// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one table of hypercalls.
//!
//! VMCALL at privilege level 0. RAX = number, RBX = selector of the object,
//! RDI RSI RDX R10 R8 R9 = words w0 to w5. On return RAX = status, RBX = value
//! (badge, new selector, count), and the six words where the entry says so.
//! All other registers keep their values.

#[cfg(feature = "reference")]
use crate::object::{self, Kind};

/// Number of message words.
pub const WORDS: usize = 6;

/// One row of the table.
#[cfg(feature = "reference")]
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The call.
    pub call: Hypercall,
    /// Its name, `noun_verb`.
    pub name: &'static str,
    /// Kind of object that RBX selects; `Kind::None` if RBX is not a selector.
    pub kind: Kind,
    /// Right needed on it.
    pub right: u64,
    /// Arguments by register order.
    pub arguments: &'static str,
    /// Results.
    pub results: &'static str,
    /// What it does and how it fails.
    pub text: &'static str,
}

macro_rules! hypercalls {
    ($(#[doc = $text:literal] $number:literal $variant:ident $name:literal $kind:ident $right:expr, ($arguments:literal) -> ($results:literal);)*) => {
        /// Number of a hypercall.
        #[repr(u64)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Hypercall {
            $(#[doc = $text] $variant = $number,)*
        }

        impl Hypercall {
            /// Returns the hypercall with this number, if there is one.
            #[inline]
            pub fn from_raw(raw: u64) -> Option<Hypercall> {
                match raw { $($number => Some(Hypercall::$variant),)* _ => None }
            }
        }

        /// All hypercalls.
        #[cfg(feature = "reference")]
        pub const TABLE: &[Entry] = &[
            $(Entry { call: Hypercall::$variant, name: $name, kind: Kind::$kind, right: $right,
                      arguments: $arguments, results: $results, text: $text.trim_ascii() },)*
        ];
    };
}

hypercalls! {
    /// Returns the version of this interface.
    0 AbiVersion "abi_version" None 0, ("") -> ("rbx version");
    /// Calls the server behind a portal and waits for its reply. RAX is the status that the server gave (OK, PENDING or an error of its choice), TIMEOUT when the portal's budget is used up (RBX = 1 if the server had taken the call, 0 if it never saw it), PEER_DEAD when the server died. Interrupts of the caller are delivered when the call ends.
    1 PortalCall "portal_call" Portal object::RIGHT_PORTAL_CALL, ("w0..w5 message") -> ("w0..w5 reply");
    /// Answers the current call, if there is one, and waits for the next. INTERRUPTED when an event is pending for this vCPU (the reply, if any, was delivered). STALE, without waiting, when nobody waits for the reply any more: the caller is gone or its budget is used up. BUSY when a call is already current and REPLY_NONE is given: the server has to answer first. With REPLY_NONE w0 may be an Irq to acknowledge and w1 an Event to signal before the wait; what is no selector of such an object, or lacks the right, is passed over.
    2 PortalReplyWait "portal_reply_wait" None 0, ("rbx status of the reply, or REPLY_NONE; w0..w5 reply, or w0 Irq, w1 Event") -> ("rbx badge; w0..w5 message");
    /// Answers the current call and goes on. STALE when there is none or its caller is gone.
    3 PortalReply "portal_reply" None 0, ("rbx status of the reply; w0..w5 reply") -> ("");
    /// Waits until an event is pending for this vCPU; returns at once if one is. Works with interrupts off in the guest, too: the bits are in the event page.
    4 VcpuWait "vcpu_wait" None 0, ("") -> ("");
    /// Arms the vCPU's one-shot timer, which sets event bit TIMER.
    5 TimerSet "timer_set" None 0, ("w0 deadline, absolute TSC; 0 = off") -> ("");
    /// Sets the event's bit in its vCPU's event page and wakes the vCPU or interrupts it.
    6 EventSignal "event_signal" Event object::RIGHT_EVENT_SIGNAL, ("") -> ("");
    /// Sets one event bit in several vCPUs of a partition (inter-processor interrupts).
    7 VcpuSignal "vcpu_signal" Partition object::RIGHT_PARTITION_SIGNAL, ("w0 mask of vCPU indices, w1 event bit") -> ("");
    /// Writes to the partition's console channel. BAD_ADDRESS if the bytes are not mapped readable memory in one piece of at most one page.
    8 ConsoleWrite "console_write" None 0, ("w0 channel, w1 GPA, w2 length in bytes") -> ("rbx bytes written");
    /// Reads what arrived for the partition's console channel; never waits.
    9 ConsoleRead "console_read" None 0, ("w0 channel, w1 GPA, w2 length in bytes") -> ("rbx bytes read");
    /// Ends the calling partition: all its vCPUs park and its handler gets a fault message with reason Exit. Does not return.
    10 PartitionExit "partition_exit" None 0, ("w0 ExitKind, w1 code") -> ("");
    /// Writes a mark into the trace ring of this CPU, if tracing is on.
    11 TraceMark "trace_mark" None 0, ("w0, w1 data") -> ("");

    /// Copies a capability with the same or fewer rights; needs RIGHT_COPY on it and RIGHT_PARTITION_GRANT on the receiver. A badge can be given once, to an unbadged capability. BUSY if the slot is taken.
    16 CapabilityCopy "capability_copy" None 0, ("rbx any selector; w0 Partition selector of the receiver, w1 slot (0 = any free), w2 rights, w3 badge") -> ("rbx slot");
    /// Removes all capabilities derived from this one, and the mappings made through them. When the capability that an object was created with is removed, the object itself is destroyed and what it cost is given back.
    17 CapabilityRevoke "capability_revoke" None 0, ("rbx any selector; w0 1 = this capability too, 0 = only those derived from it") -> ("rbx how many");
    /// Tells what a selector names.
    18 CapabilityIdentify "capability_identify" None 0, ("rbx any selector") -> ("rbx kind, w0 rights, w1 badge");

    /// Creates an empty partition. Its quotas are taken out of the payer's.
    32 PartitionCreate "partition_create" Partition object::RIGHT_PARTITION_GRANT, ("rbx who pays; w0,w1 name (16 bytes), w2 quota of kernel frames, w3 quota of region pages") -> ("rbx selector, w0 partition id");
    /// Stops its vCPUs, ends all calls from and to it with PEER_DEAD, removes its capabilities and mappings, gives its quota back. Removes the selector as well.
    33 PartitionDestroy "partition_destroy" Partition object::RIGHT_PARTITION_CONTROL, ("") -> ("");
    /// Names the portal that gets fault messages of this partition.
    34 PartitionSetHandler "partition_set_handler" Partition object::RIGHT_PARTITION_CONTROL, ("w0 Portal selector (needs CONTROL)") -> ("");
    /// Writes a PartitionStatistics into the caller's memory.
    35 PartitionStatistics "partition_statistics" Partition object::RIGHT_PARTITION_INFO, ("w0 GPA of a page") -> ("");
    /// Lets the partition access I/O ports directly, as long as it lives.
    36 PartitionGrantPorts "partition_grant_ports" Partition object::RIGHT_PARTITION_CONTROL, ("w0 Machine selector, w1 first port, w2 count") -> ("");
    /// Gives the partition the terminal: plain-format input goes to it, and its channel 0 is not prefixed.
    37 PartitionSetConsole "partition_set_console" Partition object::RIGHT_PARTITION_CONTROL, ("w0 Machine selector, w1 1 = foreground") -> ("");

    /// Creates a vCPU, stopped. The event page must be mapped writable memory of the partition; when it is unmapped, the vCPU gets no more events. NO_RIGHT if the priority is above that of the calling vCPU, unless its partition has the machine at SELECTOR_MACHINE.
    40 VcpuCreate "vcpu_create" Partition object::RIGHT_PARTITION_CONTROL, ("w0 index, w1 physical CPU, w2 priority (0 lowest to 7), w3 GPA of its event page") -> ("rbx selector");
    /// Starts a stopped vCPU in 64-bit mode with flat segments, interrupts off. BUSY if it runs.
    41 VcpuStart "vcpu_start" Vcpu object::RIGHT_VCPU_CONTROL, ("w0 RIP, w1 RSP, w2 CR3, w3 RDI and RSI at entry") -> ("");

    /// Allocates contiguous zeroed frames.
    48 RegionCreate "region_create" Partition object::RIGHT_PARTITION_GRANT, ("rbx who pays; w0 pages, w1 REGION_* flags") -> ("rbx selector");
    /// Maps a part of a region into a partition, with large pages where alignment allows. The rights must be held on the region. BAD_ADDRESS if something is mapped there.
    49 RegionMap "region_map" Region 0, ("w0 Partition selector (needs CONTROL), w1 GPA, w2 offset in pages, w3 pages, w4 rights (READ, perhaps WRITE and EXECUTE)") -> ("");
    /// Removes whole mappings that lie in this range. On return no CPU can reach them.
    50 RegionUnmap "region_unmap" Partition object::RIGHT_PARTITION_CONTROL, ("w0 GPA, w1 pages") -> ("");
    /// Tells the size of a region and, with the right, where it is.
    51 RegionInfo "region_info" Region 0, ("") -> ("rbx pages, w0 HPA (0 without RIGHT_REGION_DMA)");

    /// Creates a portal into a partition; calls go to its vCPU on the caller's CPU, or to vCPU 0.
    56 PortalCreate "portal_create" Partition object::RIGHT_PARTITION_GRANT, ("rbx the server partition; w0 budget in ns (0 = none)") -> ("rbx selector");
    /// Creates an Event object for one bit of a vCPU's event page.
    60 EventCreate "event_create" Vcpu object::RIGHT_VCPU_CONTROL, ("w0 event bit") -> ("rbx selector");

    /// Binds an interrupt source to an event. BUSY if its pin has an Irq, or is the console's.
    64 IrqCreate "irq_create" Machine object::RIGHT_MACHINE_CONTROL, ("w0 IRQ_KIND_*, w1 number, w2 IRQ_* flags, w3 Event selector") -> ("rbx selector");
    /// Unmasks a level-triggered interrupt after its cause was handled.
    65 IrqAcknowledge "irq_acknowledge" Irq object::RIGHT_IRQ_ACKNOWLEDGE, ("") -> ("");
    /// Lists the PCI functions of the machine; BAD_ARGUMENT past the last.
    72 DeviceFind "device_find" Machine object::RIGHT_MACHINE_CONTROL, ("w0 index") -> ("rbx address (bus << 8 | device << 3 | function), w0 vendor | device << 16, w1 class code << 8 | revision, w2 interrupt line | pin << 8");
    /// Assigns a PCI function: its port BARs are granted. UNSUPPORTED without an IOMMU unless DEVICE_UNSAFE_DMA: such a device can reach all memory, and can forge the message of any interrupt, since a message is a write to memory. BUSY if assigned.
    73 DeviceAssign "device_assign" Partition object::RIGHT_PARTITION_CONTROL, ("w0 Machine selector, w1 address, w2 DEVICE_* flags") -> ("rbx Device selector, w0 messages by MSI (0 or 1), w1 entries of its MSI-X table (0 = none)");
    /// Reads configuration space.
    74 DeviceConfigRead "device_config_read" Device object::RIGHT_DEVICE_CONFIG, ("w0 offset, w1 width (1, 2, 4)") -> ("rbx value");
    /// Writes configuration space; writes to BARs only size them (the old value is put back by the next write), to the MSI capability they are refused with NO_RIGHT unless they disable it.
    75 DeviceConfigWrite "device_config_write" Device object::RIGHT_DEVICE_CONFIG, ("w0 offset, w1 width, w2 value") -> ("");
    /// Describes a base address register; for memory it makes a Region capability (needs caller to hold COPY). UNSUPPORTED for less than a page of memory that shares its page with registers of another function.
    76 DeviceBar "device_bar" Device object::RIGHT_DEVICE_CONFIG, ("w0 index") -> ("rbx BAR_*, w0 base, w1 size in bytes, w2 Region selector for memory");
    /// Lets a device send an Irq of kind MSI. MESSAGE_MSI: the message is programmed and enabled. MESSAGE_MSIX: the caller writes address and data into the entry of the table, in memory of the device that is mapped to it, unmasks it, and enables MSI-X in configuration space. UNSUPPORTED if the device has no messages of this kind, BUSY if another device sends this Irq. When the Irq is destroyed the device's messages of this kind are disabled.
    77 DeviceMsi "device_msi" Device object::RIGHT_DEVICE_CONFIG, ("w0 MESSAGE_*, w1 entry (0 for MSI), w2 Irq selector") -> ("w0 address, w1 data");

    /// Chooses what is traced.
    80 TraceControl "trace_control" Machine object::RIGHT_MACHINE_CONTROL, ("w0 mask of 1 << TraceKind; 0 = off") -> ("");
    /// Copies trace entries out.
    81 TraceRead "trace_read" Machine object::RIGHT_MACHINE_CONTROL, ("w0 CPU, w1 cursor, w2 GPA of a page") -> ("rbx entries written, w0 new cursor, w1 entries lost");
    /// Powers off or resets the machine. Does not return.
    82 MachineShutdown "machine_shutdown" Machine object::RIGHT_MACHINE_CONTROL, ("w0 SHUTDOWN_*") -> ("");
}
