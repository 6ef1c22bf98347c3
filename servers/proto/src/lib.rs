// SPDX-License-Identifier: MIT OR Apache-2.0
//! Placeholder until its first commit.
#![no_std]
pub mod run;
