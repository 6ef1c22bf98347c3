// SPDX-License-Identifier: MIT OR Apache-2.0
//! Small partitions that run one program each.

use sawmill_abi::fault::FAULT_PARK;
use sawmill_abi::object::{RIGHT_ALL, RIGHT_REGION_EXECUTE, RIGHT_REGION_READ, RIGHT_REGION_WRITE};
use sawmill_abi::region::REGION_ALIGN_2M;
use sawmill_abi::status::{REPLY_NONE, Status};
use sawmill_conformance::check::{Why, works};
use sawmill_conformance::tables;
use sawmill_rt::calls::{self, Message, SELF, Selector};
use sawmill_rt::memory::Window;
use sawmill_rt::time;

use super::code;
use super::run::Context;

/// Pages of a child's memory.
pub const PAGES: u64 = 512;
/// Region pages that a child may have.
pub const QUOTA_PAGES: u64 = 1024;
/// Frames that the kernel may use for a child.
pub const QUOTA_FRAMES: u64 = 64;
/// Where programs find their arguments and leave their results.
pub const ARGUMENTS: u64 = 0x8000;
/// See [`ARGUMENTS`].
pub const RESULTS: u64 = 0x8100;
/// Priority of children: above the runner, so that they run at once.
pub const PRIORITY: u64 = 4;
/// Where the event page of vCPU 0 is.
pub const EVENT_PAGE: u64 = 0x9_1000;

const TABLES: u64 = 0x1000;
const CODE: u64 = 0x1_0000;
const HANDLER: u64 = 0x1_1000;
const DESCRIPTORS: u64 = 0x9000;
const GATES: u64 = 0xa000;
const STACK: u64 = 0x7f00;

/// A partition that runs one program.
pub struct Child {
    /// Its capability.
    pub partition: Selector,
    /// Its memory.
    pub memory: Selector,
    /// Its vCPU.
    pub vcpu: Selector,
    /// Badge of its fault messages.
    pub badge: u64,
}

impl Child {
    /// Makes a child with this program and these arguments on a CPU.
    ///
    /// # Errors
    /// The step that failed.
    pub fn new(context: &mut Context, program: &[u8], arguments: &[u64], cpu: u64) -> Result<Child, Why> {
        let child = Child::empty(context)?;
        let rights = RIGHT_REGION_READ | RIGHT_REGION_WRITE | RIGHT_REGION_EXECUTE;
        works(calls::region_map(child.memory, child.partition, 0, 0, PAGES, rights), "child: map memory")?;
        child.look(context, |window| fill(window, program, arguments))?;
        match works(calls::vcpu_create(child.partition, 0, cpu, PRIORITY, EVENT_PAGE), "child: vcpu_create") {
            Ok(vcpu) => Ok(Child { vcpu, ..child }),
            Err(why) => {
                // There may be no such CPU: what was made until here goes.
                child.destroy(context)?;
                Err(why)
            }
        }
    }

    /// Makes a partition with memory that is not mapped, and without a vCPU.
    ///
    /// # Errors
    /// The step that failed.
    pub fn empty(context: &mut Context) -> Result<Child, Why> {
        let (partition, _) = works(
            calls::partition_create(SELF, *b"child\0\0\0\0\0\0\0\0\0\0\0", QUOTA_FRAMES, QUOTA_PAGES),
            "child: create",
        )?;
        let memory = works(calls::region_create(partition, PAGES, REGION_ALIGN_2M), "child: region_create")?;
        let badge = context.next_badge();
        let portal = works(calls::capability_copy(context.portal, SELF, 0, RIGHT_ALL, badge), "child: badge")?;
        works(calls::partition_set_handler(partition, portal), "child: set handler")?;
        Ok(Child { partition, memory, vcpu: Selector(0), badge })
    }

    /// Starts its program.
    ///
    /// # Errors
    /// What `vcpu_start` says.
    pub fn start(&self) -> Result<(), Why> {
        works(calls::vcpu_start(self.vcpu, CODE, STACK, TABLES, 0), "child: vcpu_start")
    }

    /// Looks at its memory.
    ///
    /// # Errors
    /// The memory cannot be mapped.
    pub fn look<T>(&self, context: &mut Context, action: impl FnOnce(&mut Window<'_>) -> T) -> Result<T, Why> {
        let rights = RIGHT_REGION_READ | RIGHT_REGION_WRITE;
        let mut window = works(context.place.map(self.memory, 0, PAGES, rights), "child: window")?;
        Ok(action(&mut window))
    }

    /// Returns one of its results.
    ///
    /// # Errors
    /// The memory cannot be mapped.
    pub fn result(&self, context: &mut Context, index: u64) -> Result<u64, Why> {
        self.look(context, |window| window.read_record::<u64>(RESULTS + index * 8).unwrap_or(0))
    }

    /// Waits for its fault message, and leaves it parked.
    ///
    /// # Errors
    /// None comes within a second.
    pub fn fault(&self, context: &Context) -> Result<[u64; 6], Why> {
        let message = next_message(context, 1_000_000)?;
        if message.badge != self.badge {
            return Err(Why { text: "a message with another badge came", seen: message.badge });
        }
        works(calls::portal_reply(Status::Ok as u64, [FAULT_PARK, 0, 0, 0, 0, 0]), "answer to the fault message")?;
        Ok(message.words)
    }

    /// Takes it away.
    ///
    /// # Errors
    /// What `partition_destroy` says.
    pub fn destroy(self, context: &Context) -> Result<(), Why> {
        // Derived capabilities of the portal that this child used; the portal itself stays.
        let verdict = works(calls::partition_destroy(self.partition), "child: destroy");
        let _ = calls::capability_revoke(context.portal);
        verdict
    }
}

/// Waits for the next call or fault message.
///
/// # Errors
/// None comes in time.
pub fn next_message(context: &Context, microseconds: u64) -> Result<Message, Why> {
    let end = time::tsc() + context.microseconds(microseconds);
    loop {
        works(calls::timer_set(end), "timer_set")?;
        let outcome = calls::portal_reply_wait(REPLY_NONE, [0; 6]);
        match outcome {
            Ok(message) => {
                works(calls::timer_set(0), "timer_set")?;
                context.events.take();
                return Ok(message);
            }
            Err(Status::Interrupted) => context.events.take(),
            Err(status) => return Err(Why { text: "waiting for a message", seen: status as u64 }),
        };
        if time::tsc() >= end {
            return Err(Why { text: "no message came", seen: 0 });
        }
    }
}

/// Makes a child, runs it to its fault, and returns the message; the child is still there.
///
/// # Errors
/// The step that failed.
pub fn run(context: &mut Context, program: &[u8], arguments: &[u64]) -> Result<(Child, [u64; 6]), Why> {
    let child = Child::new(context, program, arguments, 0)?;
    child.start()?;
    let words = child.fault(context)?;
    Ok((child, words))
}

/// Writes page tables, descriptors, program and arguments.
fn fill(window: &mut Window<'_>, program: &[u8], arguments: &[u64]) {
    tables::map_first_gib(window, TABLES, tables::USER);
    let mut put = |gpa: u64, word: u64| {
        // All addresses here lie in the window.
        let _ = window.write_record(gpa, &word);
    };
    // SDM Vol. 3A, "Segment Descriptors": 0x10 kernel code, 0x18 user data, 0x20 user code.
    let descriptors = [0, 0, 0x00af_9b00_0000_ffff, 0x00cf_f300_0000_ffff, 0x00af_fb00_0000_ffff];
    for (index, descriptor) in (0u64..).zip(descriptors) {
        put(DESCRIPTORS + index * 8, descriptor);
    }
    // Pseudo-descriptors for LGDT and LIDT: limit, then base.
    put(DESCRIPTORS + 0x100, (DESCRIPTORS << 16) | 0x27);
    put(DESCRIPTORS + 0x108, 0);
    put(DESCRIPTORS + 0x110, (GATES << 16) | 0xfff);
    put(DESCRIPTORS + 0x118, 0);
    // SDM Vol. 3A, "64-Bit Mode IDT": gate of vector 13.
    put(GATES + 13 * 16, (HANDLER & 0xffff) | (0x10 << 16) | (0x8e00 << 32) | (HANDLER >> 16) << 48);
    put(GATES + 13 * 16 + 8, 0);
    for (index, argument) in (0u64..).zip(arguments) {
        put(ARGUMENTS + index * 8, *argument);
    }
    let _ = window.write(CODE, program);
    let _ = window.write(HANDLER, code::protection_handler());
}
