// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory: the identity map and access to physical frames.

pub mod paging;
pub mod physical;
