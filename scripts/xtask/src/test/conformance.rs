// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tests of the hypercall interface from inside partitions: the conformance suite on each set of processor features,
//! and random calls by the hundred thousand with the suite after them in the same boot.

use anyhow::{Result, bail};

use super::Case;
use super::measure;
use super::support::{Bench, Ended};

/// The tests.
pub const CASES: &[Case] = &[
    Case { name: "conformance-1-cpu", limit_s: 300, run: |bench| conformance(bench, "1", SKYLAKE, "") },
    Case { name: "conformance-2-cpus", limit_s: 400, run: |bench| conformance(bench, "2", SKYLAKE, "") },
    Case { name: "conformance-broadwell-1-cpu", limit_s: 300, run: |bench| conformance(bench, "1", BROADWELL, "") },
    Case { name: "conformance-broadwell-2-cpus", limit_s: 400, run: |bench| conformance(bench, "2", BROADWELL, "") },
    Case { name: "conformance-x-apic", limit_s: 400, run: |bench| conformance(bench, "2", SKYLAKE, "apic=x") },
    Case { name: "fuzz-hypercalls", limit_s: 600, run: |bench| fuzz(bench, "1", "") },
];

/// Those that only run by name or with `--all`: the million on two CPUs, and two with another seed.
pub const LONG: &[Case] = &[
    Case { name: "fuzz-long-2-cpus", limit_s: 1500, run: |bench| fuzz(bench, "2", "") },
    Case { name: "fuzz-long-1-cpu", limit_s: 1800, run: |bench| fuzz(bench, "1", "seed=7 calls=2000000") },
];

/// The two sets of processor features: with APIC virtualization and the like, and without.
const SKYLAKE: &str = "corei7_skylake_x";
const BROADWELL: &str = "broadwell_ult";
/// Instructions in root mode that a call and its reply may take on one CPU.
const EMPTY_CALL_MAX: u64 = 300;

fn conformance(bench: &Bench, cpus: &str, model: &str, options: &str) -> Result<()> {
    let ended = run(bench, "servers/conformance.toml", cpus, model, options)?;
    let Some(cost) = ended.output.lines().find_map(|line| line.strip_prefix("empty call: ")) else {
        bail!("the suite did not say what an empty call costs");
    };
    if model != SKYLAKE || !options.is_empty() {
        return Ok(());
    }
    measure::remember(format!("empty call: {cost} ({cpus} CPU(s))"));
    let instructions: u64 = cost.split(' ').next().unwrap_or_default().parse()?;
    if cpus == "1" && instructions > EMPTY_CALL_MAX {
        bail!("an empty call takes {instructions} instructions in root mode, more than {EMPTY_CALL_MAX}");
    }
    Ok(())
}

fn fuzz(bench: &Bench, cpus: &str, options: &str) -> Result<()> {
    let ended = run(bench, "servers/fuzz.toml", cpus, SKYLAKE, options)?;
    let Some(fuzzed) = ended.output.lines().find_map(|line| line.strip_prefix("fuzzed: ")) else {
        bail!("the fuzzer did not come to its end");
    };
    measure::remember(format!("fuzzed: {fuzzed} ({cpus} CPU(s))"));
    ended.expect_in_output("released: ")?.expect_in_output("exhausted: ")?;
    Ok(())
}

/// Boots a system that tests itself.
fn run(bench: &Bench, system: &str, cpus: &str, model: &str, options: &str) -> Result<Ended> {
    let limit = bench.seconds_left().to_string();
    let mut arguments = vec!["run", "--system", system, "--cpus", cpus, "--cpu-model", model, "--timeout", &limit];
    if !options.is_empty() {
        arguments.extend(["--hypervisor-options", options]);
    }
    let ended = bench.xtask(&arguments, &[])?;
    let failures: Vec<&str> = ended.output.lines().filter(|line| line.contains("FAILED")).collect();
    if !failures.is_empty() {
        bail!("{}", failures.join("\n"));
    }
    ended.expect_status(0)?.expect_in_output(", 0 failed")?;
    Ok(ended)
}
