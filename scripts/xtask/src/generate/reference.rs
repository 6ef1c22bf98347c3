// SPDX-License-Identifier: MIT OR Apache-2.0
//! `hypervisor/doc/interface.md`: the hypercall table as a page for people.

use std::fmt::Write;

use sawmill_abi::hypercall::{Entry, TABLE};
use sawmill_abi::object::Kind;
use sawmill_abi::status::Status;
use sawmill_abi::{ABI_VERSION, CPUID_LEAF_ABI, CPUID_LEAF_BASE};

const RIGHTS: &str = include_str!("../../../../hypervisor/abi/src/object.rs");
const STATUSES: &str = include_str!("../../../../hypervisor/abi/src/status.rs");

/// The page.
pub fn page() -> String {
    let mut page = String::new();
    let _ = write!(
        page,
        "<!-- SPDX-License-Identifier: MIT OR Apache-2.0 -->\n# The hypervisor's interface\n\nGenerated from \
         `hypervisor/abi` by `cargo xtask generate`; do not edit. Version {ABI_VERSION}.\n\nA partition finds the \
         hypervisor by CPUID leaf {CPUID_LEAF_BASE:#x} and its version by leaf {CPUID_LEAF_ABI:#x}.\nA hypercall \
         is VMCALL at privilege level 0: RAX holds the number, RBX the selector of the object, RDI RSI RDX R10 R8 \
         R9\nthe words w0 to w5. On return RAX is the status, RBX a value; the words change only where the table \
         says so. All other\nregisters keep their values.\n\n"
    );
    page.push_str(
        "## Hypercalls\n\n| number | name | object | right | arguments | results |\n|---|---|---|---|---|---|\n",
    );
    for entry in TABLE {
        let _ = writeln!(
            page,
            "| {} | [`{}`](#{}) | {} | {} | {} | {} |",
            entry.call as u64,
            entry.name,
            entry.name,
            object(entry),
            right(entry),
            or_dash(entry.arguments),
            or_dash(entry.results),
        );
    }
    for entry in TABLE {
        let _ = write!(
            page,
            "\n### {}\n\nNumber {}. Object: {}; right: {}.\n\n- in: {}\n- out: {}\n\n{}\n",
            entry.name,
            entry.call as u64,
            object(entry),
            right(entry),
            or_dash(entry.arguments),
            or_dash(entry.results),
            entry.text,
        );
    }
    page.push_str("\n## Status codes\n\n| code | name | meaning |\n|---|---|---|\n");
    for status in Status::ALL {
        let name = format!("{status:?}");
        let _ = writeln!(page, "| {} | {} | {} |", status as u64, screaming(&name), doc_of_variant(STATUSES, &name));
    }
    page.push_str("\n## Rights\n\n| name | bits | meaning |\n|---|---|---|\n");
    for (name, value, text) in constants(RIGHTS).filter(|(name, ..)| name.starts_with("RIGHT_")) {
        let _ = writeln!(page, "| {name} | {value} | {text} |");
    }
    page
}

fn object(entry: &Entry) -> String {
    if entry.kind == Kind::None { "-".to_owned() } else { format!("{:?}", entry.kind) }
}

/// The name of the needed right: that of the entry's kind with the entry's value.
fn right(entry: &Entry) -> String {
    if entry.right == 0 {
        return "-".to_owned();
    }
    let prefix = format!("RIGHT_{}_", format!("{:?}", entry.kind).to_uppercase());
    let wanted = entry.right.to_string();
    let found = constants(RIGHTS).find(|(name, value, _)| name.starts_with(&prefix) && *value == wanted);
    found.map_or_else(|| format!("{:#x}", entry.right), |(name, ..)| name.trim_start_matches(&prefix).to_owned())
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

/// Top-level integer constants of a source text: name, value, doc line.
fn constants(source: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    let lines = source.lines().zip(source.lines().skip(1));
    lines.filter_map(|(doc, line)| {
        let (name, rest) = line.strip_prefix("pub const ")?.split_once(':')?;
        let value = rest.split_once('=')?.1.trim().trim_end_matches(';');
        Some((name, value, doc.strip_prefix("/// ").unwrap_or_default()))
    })
}

/// The doc line of an enum variant.
fn doc_of_variant<'a>(source: &'a str, variant: &str) -> &'a str {
    let start = format!("{variant} = ");
    let lines = source.lines().zip(source.lines().skip(1));
    let mut found = lines.filter(|(_, line)| line.trim_start().starts_with(&start));
    found.next().map_or("", |(doc, _)| doc.trim_start().strip_prefix("/// ").unwrap_or_default())
}

fn screaming(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(c.to_ascii_uppercase());
    }
    out
}
