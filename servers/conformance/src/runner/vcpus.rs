// SPDX-License-Identifier: MIT OR Apache-2.0
//! Creating and starting vCPUs with right and wrong arguments.

use sawmill_abi::status::Status;
use sawmill_conformance::check::{Verdict, ensure, refused, works};
use sawmill_rt::calls;
use sawmill_rt::time;

use super::child::{Child, EVENT_PAGE, PRIORITY};
use super::code;
use super::run::{Context, Test};

/// The tests.
pub const TESTS: &[Test] = &[
    ("vcpu-create-arguments", create),
    ("vcpu-start-arguments", start),
    ("vcpu-stopped-by-destroy", |context| stopped_by_destroy(context, code::spin())),
    ("vcpu-stopped-in-endless-exceptions", |context| stopped_by_destroy(context, code::endless_exceptions())),
];

fn create(context: &mut Context) -> Verdict {
    let child = Child::new(context, code::spin(), &[], 0)?;
    let create = |index, cpu, priority, gpa| calls::vcpu_create(child.partition, index, cpu, priority, gpa);
    refused(create(0, 0, PRIORITY, EVENT_PAGE + 0x1000), Status::Busy, "the same index again")?;
    refused(create(8, 0, PRIORITY, EVENT_PAGE + 0x1000), Status::BadArgument, "index 8")?;
    refused(create(1, 64, PRIORITY, EVENT_PAGE + 0x1000), Status::BadArgument, "CPU 64")?;
    refused(create(1, 0, 8, EVENT_PAGE + 0x1000), Status::BadArgument, "priority 8")?;
    refused(create(1, 0, PRIORITY, EVENT_PAGE + 0x1001), Status::BadAddress, "an odd event page")?;
    refused(create(1, 0, PRIORITY, 0x4000_0000), Status::BadAddress, "an unmapped event page")?;
    works(create(1, 0, PRIORITY, EVENT_PAGE + 0x1000), "a second vCPU")?;
    child.destroy(context)
}

fn start(context: &mut Context) -> Verdict {
    let child = Child::new(context, code::spin(), &[], 0)?;
    let odd = calls::vcpu_start(child.vcpu, 1 << 47, 0, 0x1000, 0);
    refused(odd, Status::BadArgument, "an instruction pointer that is not canonical")?;
    child.destroy(context)
}

fn stopped_by_destroy(context: &mut Context, program: &[u8]) -> Verdict {
    // On the other CPU, if there is one; else it would have to be interrupted, since it is above the runner.
    let child = match Child::new(context, program, &[], 1) {
        Ok(child) => child,
        Err(_) => return Ok(()),
    };
    child.start()?;
    let end = time::tsc() + context.microseconds(1_000_000);
    while child.result(context, 0)? == 0 {
        ensure(time::tsc() < end, "the child does not run", 0)?;
    }
    refused(calls::vcpu_start(child.vcpu, 0x1_0000, 0, 0x1000, 0), Status::Busy, "a running vCPU was started")?;
    let (vcpu, memory) = (child.vcpu, child.memory);
    child.destroy(context)?;
    refused(calls::vcpu_start(vcpu, 0x1_0000, 0, 0x1000, 0), Status::BadSelector, "its vCPU outlived it")?;
    refused(calls::region_info(memory), Status::BadSelector, "its memory outlived it")
}
