// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tests, their verdicts, and the lines that the host tool reads.

use sawmill_abi::status::Status;
use sawmill_rt::hypercall::Outcome;
use sawmill_rt::println;

/// Why a test failed: what was wrong, and the number seen.
#[derive(Clone, Copy, Debug)]
pub struct Why {
    /// What was wrong.
    pub text: &'static str,
    /// What was seen.
    pub seen: u64,
}

/// Verdict of one test.
pub type Verdict = Result<(), Why>;

/// Counts verdicts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
}

impl Tally {
    /// Prints and counts a verdict.
    pub fn note(&mut self, name: &str, verdict: Verdict) {
        match verdict {
            Ok(()) => {
                self.passed += 1;
                println!("ok {name}");
            }
            Err(Why { text, seen }) => {
                self.failed += 1;
                match Status::from_raw(seen) {
                    Some(status) => println!("FAILED {name}: {text} (saw {seen}; as a status: {status:?})"),
                    None => println!("FAILED {name}: {text} (saw {seen:#x})"),
                }
            }
        }
    }
}

/// Passes if the condition holds.
///
/// # Errors
/// The text and number given.
pub fn ensure(condition: bool, text: &'static str, seen: u64) -> Verdict {
    if condition { Ok(()) } else { Err(Why { text, seen }) }
}

/// Passes if two numbers are equal.
///
/// # Errors
/// The text and the number seen.
pub fn equal(seen: u64, wanted: u64, text: &'static str) -> Verdict {
    ensure(seen == wanted, text, seen)
}

/// Passes if a raw hypercall gave this status.
///
/// # Errors
/// The text and the status seen.
pub fn status(outcome: Outcome, wanted: Status, text: &'static str) -> Verdict {
    equal(outcome.status, wanted as u64, text)
}

/// Passes if a wrapped hypercall failed with this status.
///
/// # Errors
/// The text and the status seen.
pub fn refused<T>(result: Result<T, Status>, wanted: Status, text: &'static str) -> Verdict {
    match result {
        Ok(_) => equal(Status::Ok as u64, wanted as u64, text),
        Err(status) => equal(status as u64, wanted as u64, text),
    }
}

/// Unwraps a hypercall that has to work.
///
/// # Errors
/// The text and the status seen.
pub fn works<T>(result: Result<T, Status>, text: &'static str) -> Result<T, Why> {
    result.map_err(|status| Why { text, seen: status as u64 })
}
