// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether stock Linux is configured as the partitions are together, and what differs for which reason.
//!
//! A symbol that any partition sets counts as set; stock's value has to be that of a partition. What is not so has to
//! be explained in `servers/stock/differences.toml`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::linux::{self, Kernel};
use crate::{image, paths};

/// The explanations.
const EXPLANATIONS: &str = "servers/stock/differences.toml";
/// Where the configurations are put beside the reports.
const RECORD: &str = "configurations";
/// A symbol that is not set.
const UNSET: &str = "n";

/// What the report says about the configurations.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Configuration {
    /// Symbols that either has set.
    pub symbols: usize,
    /// Those that stock and the partitions together set alike.
    pub alike: usize,
    /// The others, by reason; an empty reason means that nobody has explained them.
    pub differences: BTreeMap<String, Vec<String>>,
}

impl Configuration {
    /// One sentence for each difference that nobody explained.
    pub fn violations(&self) -> Vec<String> {
        let unexplained = self.differences.get("").into_iter().flatten();
        unexplained.map(|symbol| format!("configuration: {symbol} is not explained in {EXPLANATIONS}")).collect()
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Explanations {
    difference: Vec<Explanation>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Explanation {
    why: String,
    symbols: Vec<String>,
}

/// Compares the kernels that a run boots, and puts their configurations into `out`.
///
/// # Errors
/// A kernel cannot be built or read; the explanations are malformed.
pub fn collect(system: &Path, out: &Path) -> Result<Configuration> {
    let record = out.join(RECORD);
    std::fs::create_dir_all(&record)?;
    let keep = |kernel: &Kernel, name: &str| -> Result<String> {
        let text = std::fs::read_to_string(kernel.config()).context("a kernel lacks its configuration")?;
        std::fs::write(record.join(format!("{name}.config")), &text)?;
        Ok(text)
    };
    let stock = keep(&linux::build("stock")?, "stock")?;
    let mut partitions = Vec::new();
    for name in image::kernel_names(system)? {
        partitions.push(keep(&linux::build(&name)?, &name)?);
    }
    let file = paths::repository().join(EXPLANATIONS);
    let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {EXPLANATIONS}"))?;
    compare(&stock, &partitions, &text)
}

fn compare(stock: &str, partitions: &[String], explanations: &str) -> Result<Configuration> {
    let explanations: Explanations =
        toml::from_str(explanations).with_context(|| format!("malformed {EXPLANATIONS}"))?;
    let stock = linux::settings(stock);
    // Each symbol with the values that partitions give it, the unset ones left out.
    let mut together: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for partition in partitions {
        for (symbol, value) in linux::settings(partition).into_iter().filter(|(_, value)| *value != UNSET) {
            together.entry(symbol).or_default().push(value);
        }
    }
    let set_in_stock = stock.iter().filter(|(_, value)| **value != UNSET).map(|(symbol, _)| *symbol);
    let mut symbols: Vec<&str> = together.keys().copied().chain(set_in_stock).collect();
    symbols.sort_unstable();
    symbols.dedup();
    let mut found = Configuration { symbols: symbols.len(), ..Configuration::default() };
    for symbol in symbols {
        let ours = together.get(symbol).map_or(&[][..], Vec::as_slice);
        let value = stock.get(symbol).copied().unwrap_or(UNSET);
        if ours.contains(&value) || ours.is_empty() && value == UNSET {
            found.alike += 1;
            continue;
        }
        let why = explanations.difference.iter().find(|one| one.symbols.iter().any(|pattern| matches(pattern, symbol)));
        let why = why.map_or_else(String::new, |one| one.why.clone());
        let ours = ours.first().copied().unwrap_or(UNSET);
        found.differences.entry(why).or_default().push(match (value, ours) {
            ("y", UNSET) => format!("{symbol} (stock)"),
            (UNSET, "y") => format!("{symbol} (partitions)"),
            _ => format!("{symbol} (stock {value}, partitions {ours})"),
        });
    }
    Ok(found)
}

/// Whether a symbol is meant; `*` stands for anything.
fn matches(pattern: &str, symbol: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == symbol,
        Some((start, rest)) => symbol.strip_prefix(start).is_some_and(|tail| {
            rest.is_empty() || (0..=tail.len()).any(|at| tail.get(at..).is_some_and(|tail| matches(rest, tail)))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPLAINED: &str = "[[difference]]\nwhy = \"the PC\"\nsymbols = [\"ACPI*\", \"X86_*THERMAL\"]";

    fn compared(stock: &str, partitions: &[&str]) -> Configuration {
        let partitions: Vec<String> = partitions.iter().map(|text| (*text).to_owned()).collect();
        compare(stock, &partitions, EXPLAINED).expect("well formed")
    }

    #[test]
    fn partitions_count_together() {
        let found = compared(
            "CONFIG_A=y\nCONFIG_B=y\n# CONFIG_C is not set\nCONFIG_HZ=250\n",
            &["CONFIG_A=y\nCONFIG_HZ=250\n", "# CONFIG_A is not set\nCONFIG_B=y\nCONFIG_HZ=100\n"],
        );
        assert_eq!((found.symbols, found.alike), (3, 3));
        assert!(found.violations().is_empty());
    }

    #[test]
    fn a_difference_has_its_reason_or_is_a_violation() {
        let found = compared("CONFIG_ACPI_FAN=y\nCONFIG_SLOB=y\nCONFIG_X86_PKG_THERMAL=y\n", &["CONFIG_SLUB=y\n"]);
        assert_eq!(found.differences["the PC"], ["ACPI_FAN (stock)", "X86_PKG_THERMAL (stock)"]);
        assert_eq!(found.differences[""], ["SLOB (stock)", "SLUB (partitions)"]);
        assert_eq!(found.violations().len(), 2);
    }

    #[test]
    fn the_repository_s_explanations_are_well_formed() {
        let text = include_str!("../../../../servers/stock/differences.toml");
        let pci = compare("CONFIG_ACPI=y\n", &[], text).expect("well formed");
        assert!(pci.violations().is_empty() && pci.differences.len() == 1);
    }
}
