// SPDX-License-Identifier: MIT OR Apache-2.0
//! The processor is shared: nobody holds it up, and nobody takes the console's interrupt.

use sawmill_abi::hypercall::Hypercall;
use sawmill_abi::machine::{IRQ_KIND_GSI, IRQ_KIND_ISA};
use sawmill_abi::object::SELECTOR_VCPU_BASE;
use sawmill_abi::region::REGION_ALIGN_2M;
use sawmill_abi::status::{REPLY_NONE, Status};
use sawmill_conformance::check::{self, Verdict, ensure, refused, works};
use sawmill_rt::calls::{self, SELF, Selector};
use sawmill_rt::time;

use super::child::{Child, RESULTS};
use super::code;
use super::run::{Context, Test};

/// The tests.
pub const TESTS: &[Test] = &[
    ("call-timeout-from-server-above", timeout_from_above),
    ("region-create-lets-others-run", |context| create_large(context, 0)),
    ("region-create-lets-other-cpu-run", |context| create_large(context, 1)),
    ("console-interrupt-is-kept", console_interrupt),
];

/// A server that is more important than its caller does not keep it from its TIMEOUT.
fn timeout_from_above(context: &mut Context) -> Verdict {
    let arguments = [Hypercall::PortalReplyWait as u64, REPLY_NONE];
    let server = Child::new(context, code::hypercall_and_spin(), &arguments, 0)?;
    server.start()?;
    let portal = works(calls::portal_create(server.partition, 20_000_000), "portal_create")?;
    let start = time::tsc();
    let outcome = calls::portal_call(portal, [0; 6]);
    let took = time::tsc() - start;
    let count = server.result(context, 0)?;
    let until = time::tsc() + context.microseconds(40_000);
    while time::tsc() < until {
        core::hint::spin_loop();
    }
    let later = server.result(context, 0)?;
    server.destroy(context)?;
    let _ = calls::capability_destroy(portal);
    check::status(outcome, Status::Timeout, "a server that spins")?;
    ensure(took >= context.microseconds(19_000), "it ended before the budget", took)?;
    ensure(took < context.microseconds(60_000), "it ended long after the budget", took)?;
    ensure(later > count, "the server does not run any more", later)
}

/// While many pages are cleared, timers of the more important and hypercalls on other CPUs go on.
fn create_large(context: &mut Context, cpu: u64) -> Verdict {
    const PAGES: u64 = 4096;
    const TRIES: usize = 3;
    let interval = context.microseconds(200);
    let arguments = [Hypercall::TimerSet as u64, Hypercall::VcpuWait as u64, interval];
    // There may be no other CPU.
    let Ok(child) = Child::new(context, code::keep_time(), &arguments, cpu) else { return Ok(()) };
    child.start()?;
    let mut best = (u64::MAX, 1);
    for _ in 0..TRIES {
        child.look(context, |window| window.write_record(RESULTS + 8, &0u64))?;
        let before = child.result(context, 0)?;
        let start = time::tsc();
        let region = works(calls::region_create(SELF, PAGES, REGION_ALIGN_2M), "region_create")?;
        let took = time::tsc() - start;
        let (count, late) = (child.result(context, 0)? - before, child.result(context, 1)?);
        works(calls::capability_destroy(region), "destroy")?;
        ensure(count > 0, "the child did not run at all", took)?;
        if late < best.0 {
            best = (late, took);
        }
    }
    child.destroy(context)?;
    ensure(best.0 < best.1 / 4, "somebody waited for the clearing", best.0)
}

fn console_interrupt(_context: &mut Context) -> Verdict {
    const CONSOLE: u64 = 4;
    const UNUSED: u64 = 3;
    let event = works(calls::event_create(Selector(SELECTOR_VCPU_BASE), 50), "event_create")?;
    for kind in [IRQ_KIND_GSI, IRQ_KIND_ISA] {
        refused(calls::irq_create(kind, CONSOLE, 0, event), Status::Busy, "the console's interrupt was taken")?;
    }
    let other = works(calls::irq_create(IRQ_KIND_ISA, UNUSED, 0, event), "another interrupt")?;
    works(calls::capability_destroy(other), "destroy")?;
    works(calls::capability_destroy(event), "destroy").map(|_| ())
}
