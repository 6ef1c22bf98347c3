// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the three partitions of the conformance suite share.
#![no_std]
#![forbid(unsafe_code)]

pub mod account;
pub mod check;
pub mod command;
pub mod connection;
pub mod tables;
