// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the numbers in a trace mean.

use sawmill_abi::event::{
    EVENT_CONSOLE, EVENT_IPI_CALL_FUNCTION, EVENT_IPI_CALL_FUNCTION_SINGLE, EVENT_IPI_IRQ_WORK, EVENT_IPI_RESCHEDULE,
    EVENT_IPI_STOP, EVENT_PORTAL, EVENT_TIMER,
};
use sawmill_abi::status::Status;
use sawmill_proto::root::{
    ROOT_LET_GO, ROOT_LOOKUP_NAME, ROOT_PARTITION, ROOT_RECONNECT, ROOT_REGION_ALLOCATE, ROOT_REPORT_READY,
    ROOT_REPORT_STATUS,
};
use sawmill_proto::statistics::EXIT_NAMES;

use super::frames::Recording;

/// Root's number.
const ROOT: u64 = 1;
/// In a badge of a call to root: it is a fault message.
const BADGE_FAULT: u64 = 1 << 32;
/// The first word by which root looks whether a server answers.
const PING: u64 = u64::MAX;

/// FUSE's operations by opcode, from Linux's `uapi/linux/fuse.h`; an empty name: none.
const FUSE: [&str; 52] = [
    "",
    "LOOKUP",
    "FORGET",
    "GETATTR",
    "SETATTR",
    "READLINK",
    "SYMLINK",
    "",
    "MKNOD",
    "MKDIR",
    "UNLINK",
    "RMDIR",
    "RENAME",
    "LINK",
    "OPEN",
    "READ",
    "WRITE",
    "STATFS",
    "RELEASE",
    "",
    "FSYNC",
    "SETXATTR",
    "GETXATTR",
    "LISTXATTR",
    "REMOVEXATTR",
    "FLUSH",
    "INIT",
    "OPENDIR",
    "READDIR",
    "RELEASEDIR",
    "FSYNCDIR",
    "GETLK",
    "SETLK",
    "SETLKW",
    "ACCESS",
    "CREATE",
    "INTERRUPT",
    "BMAP",
    "DESTROY",
    "IOCTL",
    "POLL",
    "NOTIFY_REPLY",
    "BATCH_FORGET",
    "FALLOCATE",
    "READDIRPLUS",
    "RENAME2",
    "LSEEK",
    "COPY_FILE_RANGE",
    "SETUPMAPPING",
    "REMOVEMAPPING",
    "SYNCFS",
    "TMPFILE",
];

/// Operations of the socket service, from `sawmill_proto::socket::Operation`; they count from 1.
const SOCKET: [&str; 18] = [
    "hello",
    "create",
    "bind",
    "connect",
    "listen",
    "accept",
    "shutdown",
    "getname",
    "setsockopt",
    "getsockopt",
    "ioctl",
    "flush",
    "send urgent",
    "receive special",
    "close",
    "read file",
    "resize",
    "serve",
];

/// Reasons of faults, from `sawmill_abi::fault::FaultReason`; they count from 1.
const FAULTS: [&str; 7] =
    ["EPT violation", "triple fault", "entry failure", "unknown exit", "exit", "EPT misconfiguration", "halt forever"];

/// Names a call to partition `server`, if that is known: service and operation.
pub fn call(recording: &Recording, server: Option<u64>, badge: u64, word: u64) -> String {
    if word == PING {
        return "ping".to_owned();
    }
    let Some(server) = server else { return "call".to_owned() };
    if server == ROOT {
        return root_call(badge, word);
    }
    let Some(connection) = recording.connections.get(&(server, badge)) else {
        return format!("call with badge {badge}");
    };
    let service = &connection.service;
    // A word with only a slot in it comes from a service that says no operation.
    let operation = if connection.pool_bytes != 0 { (word >> 48) as usize } else { (word & 0xffff) as usize };
    let table: &[&str] = if connection.pool_bytes != 0 { &FUSE } else { &SOCKET };
    let index = if connection.pool_bytes != 0 { Some(operation) } else { operation.checked_sub(1) };
    match index.and_then(|index| table.get(index)) {
        Some(name) if !name.is_empty() => format!("{service} {name}"),
        _ => format!("{service} operation {operation}"),
    }
}

fn root_call(badge: u64, word: u64) -> String {
    if badge & BADGE_FAULT != 0 {
        return "fault message".to_owned();
    }
    let name = match word {
        ROOT_REPORT_READY => "report ready",
        ROOT_REPORT_STATUS => "report status",
        ROOT_LOOKUP_NAME => "look up name",
        ROOT_REGION_ALLOCATE => "allocate region",
        ROOT_RECONNECT => "reconnect",
        ROOT_LET_GO => "let go",
        ROOT_PARTITION => "partition",
        _ => return format!("root request {word}"),
    };
    format!("root {name}")
}

/// Names a class of exits.
pub fn exit(class: u64) -> String {
    find(&EXIT_NAMES, class, "exit class")
}

/// Names a fault's reason.
pub fn fault(reason: u64) -> String {
    find(&FAULTS, reason.wrapping_sub(1), "fault")
}

fn find(table: &[&str], index: u64, what: &str) -> String {
    let found = usize::try_from(index).ok().and_then(|index| table.get(index));
    found.map_or_else(|| format!("{what} {index}"), |name| (*name).to_owned())
}

/// Names an event bit.
pub fn event(bit: u64) -> String {
    let name = match bit {
        EVENT_TIMER => "timer",
        EVENT_CONSOLE => "console",
        EVENT_PORTAL => "portal",
        EVENT_IPI_RESCHEDULE => "reschedule",
        EVENT_IPI_CALL_FUNCTION | EVENT_IPI_CALL_FUNCTION_SINGLE => "call function",
        EVENT_IPI_IRQ_WORK => "irq work",
        EVENT_IPI_STOP => "stop",
        _ => return format!("event {bit}"),
    };
    format!("event {name}")
}

/// Names the status of a reply.
pub fn status(status: u64) -> String {
    let found = Status::ALL.into_iter().find(|known| *known as u64 == status);
    found.map_or_else(|| format!("{status:#x}"), |known| format!("{known:?}"))
}
