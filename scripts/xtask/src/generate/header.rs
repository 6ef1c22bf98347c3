// SPDX-License-Identifier: MIT OR Apache-2.0
//! C headers: cbindgen for types and constants, the hypercall table for what a macro hides from it.
//!
//! Names in C: `struct hv_event_page`, `HV_EVENT_TIMER`, `HV_PORTAL_CALL`, `HV_STATUS_BUSY`; the run protocol
//! has `RUN_`. The file protocol's header is written by hand beside FUSE's own.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use cbindgen::{Builder, Config, EnumConfig, ExportConfig, ItemType, Language, RenameRule, Style};
use sawmill_abi::hypercall::TABLE;

use crate::paths;

/// A header to be made.
struct Header<'a> {
    guard: &'a str,
    tagline: &'a str,
    origin: &'a str,
    licence: &'a str,
    includes: &'a str,
    prefix: &'a str,
}

/// `linux-glue/include/sawmill/hypercall.h`.
pub fn hypercall() -> Result<String> {
    let header = Header {
        guard: "SAWMILL_HYPERCALL_H",
        tagline: "Everything a partition can see of the hypervisor.",
        origin: "hypervisor/abi",
        licence: "MIT OR Apache-2.0",
        includes: "#include <linux/types.h>\n\n",
        prefix: "hv_",
    };
    let sources = rust_files(&paths::repository().join("hypervisor/abi/src"))?;
    let mut numbers = String::from("/* Hypercall numbers: RAX. */\n");
    for entry in TABLE {
        let _ = writeln!(numbers, "#define HV_{} {}", entry.name.to_uppercase(), entry.call as u64);
    }
    render(&header, &sources, &numbers)
}

/// `servers/run/run.h`.
pub fn run() -> Result<String> {
    let header = Header {
        guard: "SAWMILL_RUN_H",
        tagline: "Frames between the app partition's init and the host tool.",
        origin: "servers/proto/src/run.rs",
        licence: "MIT OR Apache-2.0",
        includes: "",
        prefix: "run_",
    };
    render(&header, &[paths::repository().join("servers/proto/src/run.rs")], "")
}

fn rust_files(dir: &Path) -> Result<Vec<std::path::PathBuf>> {
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .with_context(|| format!("cannot read {}", dir.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect();
    files.sort();
    Ok(files)
}

fn render(header: &Header<'_>, sources: &[std::path::PathBuf], extra: &str) -> Result<String> {
    let mut types = Vec::new();
    let mut has_no_value = Vec::new();
    for source in sources {
        let text = std::fs::read_to_string(source).with_context(|| format!("cannot read {}", source.display()))?;
        types.extend(exported_types(&text));
        if text.contains("macro_rules! hypercalls") {
            has_no_value.push("Hypercall".to_owned());
        }
    }
    let capitals = header.prefix.to_uppercase();
    let mut export = ExportConfig {
        include: types.clone(),
        exclude: has_no_value,
        item_types: vec![ItemType::Constants, ItemType::Enums, ItemType::Structs],
        ..ExportConfig::default()
    };
    for name in &types {
        export.rename.insert(name.clone(), format!("{}{}", header.prefix, snake_case(name)));
    }
    for source in sources {
        for name in constants(&std::fs::read_to_string(source)?) {
            export.rename.insert(name.clone(), format!("{capitals}{}", without_collision(&name)));
        }
    }
    let config = Config {
        language: Language::C,
        style: Style::Tag,
        no_includes: true,
        export,
        documentation: true,
        enumeration: EnumConfig { rename_variants: RenameRule::QualifiedScreamingSnakeCase, ..EnumConfig::default() },
        ..Config::default()
    };
    let mut builder = Builder::new().with_config(config);
    for source in sources {
        builder = builder.with_src(source);
    }
    let bindings = builder.generate().context("cbindgen cannot read the interface")?;
    let mut body = Vec::new();
    bindings.write(&mut body);
    let body = for_the_kernel(&String::from_utf8(body)?);

    let Header { guard, tagline, origin, licence, includes, .. } = header;
    Ok(format!(
        "/* SPDX-License-Identifier: {licence} */\n/*\n * {tagline}\n *\n * Generated from {origin} by `cargo xtask \
         generate`; do not edit.\n */\n#ifndef {guard}\n#define {guard}\n\n{includes}{extra}{}\n#endif\n",
        body.trim_start_matches('\n')
    ))
}

/// A constant's name, unless a hypercall has the same one.
fn without_collision(name: &str) -> String {
    if TABLE.iter().any(|entry| entry.name.eq_ignore_ascii_case(name)) {
        return name.replace("ABI_", "INTERFACE_");
    }
    name.to_owned()
}

/// Takes out what C23 and C++ want and the kernel does not know, and constants of types.
fn for_the_kernel(header: &str) -> String {
    let mut out = String::new();
    let mut is_inside_condition = false;
    for line in header.lines() {
        if line.starts_with("#if __STDC_VERSION__") {
            is_inside_condition = true;
        } else if line.starts_with("#endif // __STDC_VERSION__") {
            is_inside_condition = false;
        } else if line == " {" {
            out.truncate(out.trim_end().len());
            out.push_str(" {\n");
        } else if line.contains("_ALL { ") {
            out.truncate(out.rfind("/**").unwrap_or(out.len()));
        } else if !is_inside_condition {
            out.push_str(&line.replace("UINT64_MAX", "(~0ULL)"));
            out.push('\n');
        }
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

/// Public structs and enums that C code is to see, in order.
fn exported_types(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut has_layout = false;
    for line in text.lines() {
        if line.starts_with("#[repr(") {
            has_layout = true;
        } else if let Some(rest) = line.strip_prefix("pub struct ").or_else(|| line.strip_prefix("pub enum ")) {
            if has_layout {
                names.push(identifier(rest));
            }
            has_layout = false;
        }
    }
    names
}

/// Names of public constants at the top level.
fn constants(text: &str) -> Vec<String> {
    text.lines().filter_map(|line| line.strip_prefix("pub const ")).map(identifier).collect()
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
}

fn snake_case(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{exported_types, snake_case};

    #[test]
    fn types_with_a_fixed_layout_are_exported() {
        let text = "#[repr(C)]\n#[derive(Debug)]\npub struct EventPage {\n}\npub struct Entry {\n}\n";
        assert_eq!(exported_types(text), ["EventPage"]);
    }

    #[test]
    fn snake_case_splits_at_capitals() {
        assert_eq!(snake_case("PartitionInfo"), "partition_info");
    }
}
