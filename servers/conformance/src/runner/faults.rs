// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a partition must not do reaches its handler, and the machine goes on.

use sawmill_abi::fault::{ExitKind, FAULT_TAG, FaultReason};
use sawmill_abi::hypercall::Hypercall;
use sawmill_abi::object::{RIGHT_PORTAL_CALL, SELECTOR_MACHINE};
use sawmill_abi::status::Status;
use sawmill_conformance::check::{Verdict, Why, ensure, equal, refused, works};
use sawmill_rt::calls;

use super::child::{self, Child};
use super::code;
use super::run::{Context, Test};

/// The tests.
pub const TESTS: &[Test] = &[
    ("fault-triple-fault", |context| expect(context, code::triple_fault(), &[], FaultReason::TripleFault, None)),
    ("fault-read-unmapped", |context| violation(context, code::read_unmapped(), 1, 0x3000_0000)),
    ("fault-write-unmapped", |context| violation(context, code::write_unmapped(), 2, 0x3000_0008)),
    ("fault-execute-unmapped", |context| violation(context, code::execute_unmapped(), 4, 0x3000_0000)),
    ("fault-halt-forever", |context| expect(context, code::halt(), &[], FaultReason::HaltForever, None)),
    ("fault-forbidden-msr-read", |context| forbidden_msr(context, code::read_msr())),
    ("fault-forbidden-msr-write", |context| forbidden_msr(context, code::write_msr())),
    ("allowed-msr", |context| access(context, code::read_msr(), &[0x277], 1)),
    ("fault-forbidden-cr4", forbidden_cr4),
    ("floating-point-emulated", |context| access(context, code::emulate_floating_point(), &[], 7)),
    ("fault-vmx-instruction", |context| any_fault(context, code::vmx_instruction())),
    ("fault-unusual-exit", |context| any_fault(context, code::invalidate_caches())),
    ("fault-entry-failure", entry_failure),
    ("exit-reaches-handler", exit),
    ("ports-not-granted", ports),
    ("hypercall-from-user-mode", user_mode),
    ("hypercall-registers", registers),
    ("machine-not-for-others", machine),
    ("caller-dies-in-call", caller_dies),
];

fn expect(
    context: &mut Context,
    program: &[u8],
    arguments: &[u64],
    reason: FaultReason,
    address: Option<u64>,
) -> Verdict {
    let (child, words) = child::run(context, program, arguments)?;
    child.destroy(context)?;
    equal(words[0], FAULT_TAG, "tag")?;
    equal(words[1], reason as u64, "reason")?;
    equal(words[2], 0, "vCPU")?;
    address.map_or(Ok(()), |address| equal(words[5], address, "address"))
}

fn violation(context: &mut Context, program: &[u8], access: u64, address: u64) -> Verdict {
    let (child, words) = child::run(context, program, &[])?;
    child.destroy(context)?;
    equal(words[1], FaultReason::EptViolation as u64, "reason")?;
    equal(words[4] & 7, access, "kind of access")?;
    equal(words[5], address, "address")
}

fn any_fault(context: &mut Context, program: &[u8]) -> Verdict {
    let (child, words) = child::run(context, program, &[])?;
    child.destroy(context)?;
    equal(words[0], FAULT_TAG, "tag")
}

fn forbidden_msr(context: &mut Context, program: &[u8]) -> Verdict {
    // IA32_APIC_BASE, IA32_VMX_BASIC, a number that no processor has.
    for msr in [0x1b, 0x480, 0x4000_1234] {
        access(context, program, &[msr, 0], 13)?;
    }
    Ok(())
}

/// MCE (machine checks stay the hypervisor's), VMXE, SMXE, PKE, CET.
fn forbidden_cr4(context: &mut Context) -> Verdict {
    [6, 13, 14, 22, 23].into_iter().try_for_each(|bit| access(context, code::set_cr4(), &[1 << bit], 13))
}

/// Runs a program that leaves the vector of its exception, or 1 for none.
fn access(context: &mut Context, program: &[u8], arguments: &[u64], vector: u64) -> Verdict {
    let (child, _) = child::run(context, program, arguments)?;
    let result = child.result(context, 0)?;
    child.destroy(context)?;
    equal(result, vector, "another exception than expected")
}

fn entry_failure(context: &mut Context) -> Verdict {
    let child = Child::new(context, code::spin(), &[], 0)?;
    let start = |cr3| calls::vcpu_start(child.vcpu, 0x1_0000, 0x7f00, cr3, 0);
    refused(start(1 << 62), Status::BadArgument, "a page table root that no processor can have")?;
    // Beyond this processor's physical address width: the hypervisor need not know that, the processor refuses
    // the entry (SDM Vol. 3C, "Checks on Guest Control Registers").
    works(start(1 << 51), "vcpu_start")?;
    let words = child.fault(context)?;
    child.destroy(context)?;
    equal(words[1], FaultReason::EntryFailure as u64, "reason")
}

/// Lets a child make one hypercall: its results, and the fault message after it.
fn remote(context: &mut Context, registers: &[u64]) -> Result<([u64; 6], [u64; 6]), Why> {
    let (child, words) = child::run(context, code::hypercall(), registers)?;
    let mut results = [0; 6];
    for (index, result) in (0u64..).zip(results.iter_mut()) {
        *result = child.result(context, index)?;
    }
    child.destroy(context)?;
    Ok((results, words))
}

fn exit(context: &mut Context) -> Verdict {
    for kind in [ExitKind::PowerOff, ExitKind::Restart, ExitKind::Panic, ExitKind::Halt] {
        let (_, words) = remote(context, &[Hypercall::PartitionExit as u64, 0, kind as u64, 99])?;
        equal(words[1], FaultReason::Exit as u64, "reason")?;
        equal(words[4], kind as u64, "kind")?;
        equal(words[5], 99, "code")?;
    }
    Ok(())
}

fn ports(context: &mut Context) -> Verdict {
    let (child, words) = child::run(context, code::ports(), &[])?;
    let (keyboard, configuration) = (child.result(context, 0)?, child.result(context, 1)?);
    child.destroy(context)?;
    equal(words[1], FaultReason::TripleFault as u64, "it did not get to its end")?;
    equal(keyboard, 0xff, "port 0x60")?;
    equal(configuration, 0xffff_ffff, "PCI configuration space through ports")
}

fn user_mode(context: &mut Context) -> Verdict {
    let (child, _) = child::run(context, code::user(), &[])?;
    let (status, selector) = (child.result(context, 0)?, child.result(context, 1)?);
    child.destroy(context)?;
    equal(selector & 0xffff, 0x23, "it did not reach privilege level 3")?;
    equal(status, Status::NotPrivileged as u64, "status")
}

fn registers(context: &mut Context) -> Verdict {
    let (results, _) = remote(context, &[Hypercall::AbiVersion as u64, 7, 1, 2, 3, 4])?;
    equal(results[0], Status::Ok as u64, "status")?;
    equal(results[1], sawmill_abi::ABI_VERSION, "version")?;
    equal(results[3], 0x1234, "RCX")?;
    equal(results[4], 0x5678, "R11")?;
    equal(results[5], 0x9abc, "R15")
}

fn machine(context: &mut Context) -> Verdict {
    for call in [Hypercall::MachineShutdown, Hypercall::DeviceFind, Hypercall::TraceControl] {
        let (results, _) = remote(context, &[call as u64, SELECTOR_MACHINE, 0, 0])?;
        equal(results[0], Status::BadSelector as u64, "status")?;
    }
    Ok(())
}

fn caller_dies(context: &mut Context) -> Verdict {
    let arguments = [Hypercall::PortalCall as u64, 40, 11, 22, 33, 44];
    let child = Child::new(context, code::hypercall(), &arguments, 0)?;
    works(calls::capability_copy(context.portal, child.partition, 40, RIGHT_PORTAL_CALL, 555), "give portal")?;
    child.start()?;
    let message = child::next_message(context, 1_000_000)?;
    equal(message.badge, 555, "badge")?;
    ensure(message.words[..4] == [11, 22, 33, 44], "words", message.words[0])?;
    child.destroy(context)?;
    refused(calls::portal_reply(0, [0; 6]), Status::Stale, "a reply to a caller that is gone")
}
