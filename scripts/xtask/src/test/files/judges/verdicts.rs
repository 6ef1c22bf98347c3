// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a judge says of each of its cases, and whether stock Linux's ext2 says the same.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, bail};

use super::super::super::support::Bench;
use crate::command::last_lines;
use crate::ext2;

/// The names of a judge's cases by how they ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdicts {
    /// Those that passed.
    pub ok: BTreeSet<String>,
    /// Those that do not apply.
    pub skipped: BTreeSet<String>,
    /// The rest.
    pub failed: BTreeSet<String>,
}

impl Verdicts {
    /// Reads the lines `CASE ok|skipped|FAILED NAME` of our scripts and `NAME ok|skipped|FAILED` of pjdfstest.
    pub fn parse(text: &str) -> Self {
        let mut all = Self::default();
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (verdict, name) = match words.as_slice() {
                ["CASE", verdict, name, ..] => (*verdict, name.trim_end_matches(':')),
                [name, verdict] => (*verdict, *name),
                _ => continue,
            };
            let set = match verdict {
                "ok" => &mut all.ok,
                "skipped" => &mut all.skipped,
                "FAILED" => &mut all.failed,
                _ => continue,
            };
            set.insert(name.to_owned());
        }
        // A case with several parts fails with any of them.
        all.ok.retain(|name| !all.failed.contains(name));
        all
    }
}

/// What happens outside of a machine; it returns lines of verdicts.
pub type Outside<'a> = &'a (dyn Fn(&Boot) -> String + Sync);

/// One judge: how it runs, and what it has to say at least.
#[derive(Debug)]
pub struct Judge<'a> {
    /// The image that it runs on; a copy of it for each system.
    pub image: &'a Path,
    /// More options of `xtask run`.
    pub options: &'a [&'a str],
    /// The command; the names of cases to run are added, none for all.
    pub command: &'a [&'a str],
    /// What it says when it comes to its end.
    pub end: &'a str,
    /// At least so many cases pass; fewer have not run.
    pub ok_min: usize,
}

/// Which cases a boot runs (none for all), and whether it has ended.
#[derive(Debug, Default)]
pub struct Boot {
    /// Names of the cases.
    pub cases: BTreeSet<String>,
    /// The machine is gone.
    pub has_ended: AtomicBool,
}

impl Judge<'_> {
    /// Fails unless each case passes, or fails on stock Linux, too; afterwards the image is clean.
    pub fn judge(&self, bench: &Bench, name: &str) -> Result<()> {
        self.judge_with(bench, name, &|_| String::new())
    }

    /// The same, and `outside` has a part in it: it runs beside each machine, ends soon after it, and gives verdicts, too.
    pub fn judge_with(&self, bench: &Bench, name: &str, outside: Outside<'_>) -> Result<()> {
        let (verdicts, words) = self.run(bench, "judged.ext2", &[], Boot::default(), outside)?;
        if verdicts.ok.len() < self.ok_min {
            bail!("only {} cases passed, not {}:\n{}", verdicts.ok.len(), self.ok_min, last_lines(&words));
        }
        let mut same = BTreeSet::new();
        if !verdicts.failed.is_empty() {
            let again = Boot { cases: verdicts.failed.clone(), ..Boot::default() };
            let (stock, _) = self.run(bench, "stock.ext2", &["--stock"], again, outside)?;
            same.extend(verdicts.failed.intersection(&stock.failed).cloned());
        }
        let worse: Vec<&str> = verdicts.failed.difference(&same).map(String::as_str).collect();
        if !worse.is_empty() {
            bail!("failed, but not on stock Linux: {}; the end:\n{}", worse.join(", "), last_lines(&words));
        }
        let (ok, skipped) = (verdicts.ok.len(), verdicts.skipped.len());
        let same: Vec<&str> = same.iter().map(String::as_str).collect();
        let as_stock = if same.is_empty() { String::new() } else { format!(" as on stock ({})", same.join(", ")) };
        println!("    {name}: {ok} ok, {skipped} skipped, {} failed{as_stock}", same.len());
        Ok(())
    }

    /// Runs on a copy of the image; returns the verdicts and all words.
    fn run(
        &self,
        bench: &Bench,
        copy: &str,
        options: &[&str],
        boot: Boot,
        outside: Outside<'_>,
    ) -> Result<(Verdicts, String)> {
        let image = bench.path(copy);
        ext2::copy(self.image, &image)?;
        let disk = image.display().to_string();
        let options: Vec<&str> = ["--disk", &disk].iter().chain(self.options).chain(options).copied().collect();
        let command: Vec<&str> = self.command.iter().copied().chain(boot.cases.iter().map(String::as_str)).collect();
        let (ended, words) = std::thread::scope(|scope| {
            let outside = scope.spawn(|| outside(&boot));
            let ended = bench.boot(&options, &command, &[]);
            boot.has_ended.store(true, Ordering::Relaxed);
            (ended, outside.join())
        });
        let ended = ended?;
        ended.expect_in_output(self.end)?;
        ext2::expect_clean(&image)?;
        std::fs::remove_file(&image)?;
        let words = words.map_err(|_| anyhow::anyhow!("what is outside of the machine panicked"))? + &ended.output;
        Ok((Verdicts::parse(&words), words))
    }
}

#[cfg(test)]
mod tests {
    use super::Verdicts;

    #[test]
    fn cases_are_read_in_both_forms_and_fail_with_any_part() {
        let text = "CASE ok a\nCASE ok b\nCASE FAILED b: why\nchmod::x   skipped\n\tnot here\nlink::y  FAILED\nok\n";
        let verdicts = Verdicts::parse(text);
        let names = |set: &std::collections::BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(" ");
        assert_eq!(names(&verdicts.ok), "a");
        assert_eq!(names(&verdicts.skipped), "chmod::x");
        assert_eq!(names(&verdicts.failed), "b link::y");
    }
}
