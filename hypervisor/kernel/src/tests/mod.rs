// SPDX-License-Identifier: MIT OR Apache-2.0
//! The whole kernel on a fake machine.

mod fake;
mod fuzz;
mod ipc;
mod objects;
mod parallel;
mod world;
