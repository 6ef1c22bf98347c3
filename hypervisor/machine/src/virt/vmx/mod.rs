// SPDX-License-Identifier: MIT OR Apache-2.0
//! VT-x.

/// Turns VMX operation on.
pub fn enable_processor(_index: usize) -> Result<(), &'static str> { Ok(()) }
/// Prepares what all vCPUs share.
pub fn initialize() -> Result<(), &'static str> { Ok(()) }
