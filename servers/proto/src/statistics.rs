// SPDX-License-Identifier: MIT OR Apache-2.0
//! Counters as text: what root prints with the boot option `top=SECONDS`, and `/proc/sawmill/statistics` says.
//!
//! One reading is a block of lines, numbers in decimal:
//! - `time tsc=N khz=N`
//! - `partition name=TEXT number=N life=TEXT restarts=N pages=N frames=N quota_pages=N quota_frames=N`
//! - `vcpu of=TEXT index=N run=N calls=N served=N injections=N`, then exits by [`EXIT_NAMES`]
//! - `pool pages=N free=N`, from a client that has one
//! - `end`
//!
//! Neighbours: `sawmill-root` and `linux-glue/ipc/statistics.c` write; `servers/top` and `servers/bench` read.

/// Names of the classes of exits, in the order of `ExitClass`.
pub const EXIT_NAMES: [&str; 13] = [
    "hypercall",
    "portal_call",
    "portal_reply",
    "external_interrupt",
    "timer",
    "interrupt_window",
    "cpuid",
    "msr",
    "port",
    "halt",
    "ept_violation",
    "extended_state",
    "other",
];
/// Names of `LIFE_*`, in their order.
pub const LIFE_NAMES: [&str; 4] = ["new", "started", "ready", "dead"];
/// The boot option by which root prints a block every so many seconds.
pub const OPTION: &str = "top=";
