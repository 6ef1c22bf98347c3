// SPDX-License-Identifier: MIT OR Apache-2.0
//! Kernel configuration: a fragment over tinyconfig, and a check that every asked symbol took.
//!
//! A fragment may say `# allow: SYMBOL reason` for a symbol that Linux is known to set its own way.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use super::Recipe;
use super::key::hex;
use crate::command::Tool;

/// Configures `build`; does nothing when fragment and Kconfig files are those of the last time.
pub fn apply(recipe: &Recipe, tree: &Path, build: &Path, log: &Path) -> Result<()> {
    let fragment = std::fs::read_to_string(&recipe.fragment)?;
    let stamp = stamp(&fragment, tree)?;
    let stamp_file = build.join(".sawmill-config");
    let config = build.join(".config");
    if config.is_file() && std::fs::read_to_string(&stamp_file).is_ok_and(|old| old == stamp) {
        return Ok(());
    }
    let make = |target: &str| {
        let make = Tool::new("make").arg("-C").arg(tree).arg(format!("O={}", build.display()));
        make.arg(target).log(log).run()
    };
    make("tinyconfig")?;
    let merge = Tool::new("scripts/kconfig/merge_config.sh").args(["-m", "-O"]).arg(build).arg(&config);
    merge.arg(&recipe.fragment).env("KCONFIG_CONFIG", &config).dir(tree).log(log).run()?;
    make("olddefconfig")?;

    let result = std::fs::read_to_string(&config).context("olddefconfig left no .config")?;
    let refused = refused(&fragment, &result);
    if !refused.is_empty() {
        bail!("{}: Linux did not take\n  {}", recipe.fragment.display(), refused.join("\n  "));
    }
    std::fs::write(&stamp_file, stamp)?;
    Ok(())
}

/// The asked settings that the resulting configuration does not have.
fn refused(fragment: &str, result: &str) -> Vec<String> {
    let allowed: BTreeSet<&str> = fragment
        .lines()
        .filter_map(|line| line.strip_prefix("# allow: ")?.split_whitespace().next())
        .map(|symbol| symbol.strip_prefix("CONFIG_").unwrap_or(symbol))
        .collect();
    let have = settings(result);
    let mut refused = Vec::new();
    for (symbol, value) in settings(fragment) {
        let got = have.get(symbol).copied().unwrap_or("n");
        if got != value && !allowed.contains(symbol) {
            refused.push(format!("CONFIG_{symbol}={value} (it is {got})"));
        }
    }
    refused
}

/// Symbols and values of a configuration text; "is not set" counts as `n`.
pub fn settings(text: &str) -> BTreeMap<&str, &str> {
    let mut settings = BTreeMap::new();
    for line in text.lines().map(str::trim) {
        if let Some((symbol, value)) = line.strip_prefix("CONFIG_").and_then(|line| line.split_once('=')) {
            settings.insert(symbol, value);
        } else if let Some(symbol) = line.strip_prefix("# CONFIG_").and_then(|line| line.strip_suffix(" is not set")) {
            settings.insert(symbol, "n");
        }
    }
    settings
}

/// A fingerprint of what decides a configuration: the fragment, and our and patched Kconfig files.
fn stamp(fragment: &str, tree: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    hash.update(fragment.as_bytes());
    let manifest = std::fs::read_to_string(tree.join(".sawmill-files")).unwrap_or_default();
    for file in manifest.lines().filter(|file| file.rsplit('/').next().is_some_and(|name| name.starts_with("Kconfig")))
    {
        hash.update(std::fs::read(tree.join(file)).with_context(|| format!("cannot read {file}"))?);
    }
    Ok(hex(&hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::refused;

    #[test]
    fn a_symbol_that_did_not_take_is_reported() {
        let asked = "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=\"x\"\n";
        assert_eq!(refused(asked, "CONFIG_A=y\nCONFIG_C=\"x\"\n"), Vec::<String>::new());
        assert_eq!(refused(asked, "CONFIG_B=y\nCONFIG_C=\"x\"\n").len(), 2);
    }

    #[test]
    fn an_allowed_symbol_is_not_reported() {
        let asked = "# allow: B it is selected\n# CONFIG_B is not set\n";
        assert_eq!(refused(asked, "CONFIG_B=y\n"), Vec::<String>::new());
    }
}
