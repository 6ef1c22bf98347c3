// SPDX-License-Identifier: MIT OR Apache-2.0
//! Build script of all flat images: hands their link script to the linker.

fn main() {
    let directory = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    println!("cargo:rerun-if-changed=../rt/flat.ld");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        println!("cargo:rustc-link-arg-bins=-T{directory}/../rt/flat.ld");
        println!("cargo:rustc-link-arg-bins=--no-pie");
        println!("cargo:rustc-link-arg-bins=-znognustack");
        println!("cargo:rustc-link-arg-bins=-zmax-page-size=4096");
    }
}
