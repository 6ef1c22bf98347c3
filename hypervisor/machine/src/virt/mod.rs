// SPDX-License-Identifier: MIT OR Apache-2.0
//! Running vCPUs: one vendor's extension per folder, all behind `VcpuHardware`.

#[cfg(feature = "selftest")]
pub mod selftest;
pub mod vmx;
