// SPDX-License-Identifier: MIT OR Apache-2.0
//! From two real logs to the reports, as a user gets them.

use clap::Parser;

use super::*;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    options: Options,
}

const STOCK: &str = include_str!("testdata/stock.log");
const OURS: &str = include_str!("testdata/ours.log");

fn options(line: &str) -> Options {
    Cli::parse_from(std::iter::once("bench").chain(line.split_whitespace())).options
}

fn compared(ours: &str) -> results::Results {
    let ours = OurLog { output: ours.to_owned(), ..OurLog::default() };
    compare_logs(&options(""), STOCK, &ours).expect("compares")
}

fn accepted() -> accepted::Accepted {
    accepted::Accepted::parse("version = 1\n[case.reread]\naccepted = 1.1\ngoal = 1.0").expect("well formed")
}

#[test]
fn results_survive_json() {
    let results = compared(OURS);
    let text = serde_json::to_string(&results).expect("serializes");
    assert!(serde_json::from_str::<results::Results>(&text).expect("reads back") == results);
    assert!(text.contains("\"version\":2"));
}

#[test]
fn markdown_has_every_case_and_says_why_one_is_missing() {
    let results = compared(OURS);
    let text = markdown::render(&results, &accepted());
    assert!(results.rows.iter().all(|row| text.contains(&format!("| {} |", row.title()))));
    assert!(text.contains("- tcp-stream: stock: cannot open a TCP socket: Address family not supported"));
    assert!(text.contains("Modelled, not measured"));
}

#[test]
fn html_is_self_contained_and_escaped() {
    let mut results = compared(OURS);
    results.notes.push("<script>alert(1)</script>".to_owned());
    let svg = plot::reread(&results.rows, "cycles").expect("plots").expect("has points");
    let text = html::render(&results, &accepted(), &[("caption", svg)]);
    assert!(text.contains("<svg") && text.contains("@media print") && text.contains("viewport"));
    assert!(!text.contains("<script") && !text.contains("src=") && !text.contains("<link"));
}

#[test]
fn a_dead_multiserver_is_told_on_top() {
    let results = compared("panic: nothing works\n");
    assert!(results.notes[0].contains("The multiserver: the benchmark program never started"));
    assert!(results.rows.iter().all(|row| row.ratio.is_none()));
}

#[test]
fn a_failed_run_s_own_words_are_the_reason() {
    let said = " ..  booting\nerror: the hypervisor stopped: no VT-x\n";
    let ours = OurLog { failure: Some(ours::failure(said, "exit status: 125")), ..OurLog::default() };
    let results = compare_logs(&options(""), STOCK, &ours).expect("compares");
    assert!(results.notes[0].contains("no VT-x"), "{}", results.notes[0]);
    assert_eq!(ours::failure("", "signal: 9"), "signal: 9");
}

#[test]
fn facts_have_their_limits() {
    let facts = facts::collect("MEMORY ext2 1800 20\nMEMORY app a000 40\n").expect("collects");
    let beyond = facts.iter().find(|fact| fact.what == "Memory beyond stock Linux").expect("is there");
    assert_eq!((beyond.value, beyond.goal), (24.4, Some(48.0)));
}

#[test]
fn the_conformance_suite_s_figure_is_read() {
    let facts =
        facts::empty_call("[suite] ok x\n[suite] empty call: 271 instructions, 2 exits (150 there, 121 back)\n");
    let values: Vec<_> = facts.iter().map(|fact| (fact.value, fact.goal)).collect();
    assert_eq!(values, [(271.0, Some(300.0)), (2.0, Some(2.0))]);
    assert!(facts::empty_call("empty call: none\n").is_empty());
}

#[test]
fn a_log_of_hardware_is_measured_in_cycles_and_time() {
    let file = paths::repository().join("scripts/xtask/src/bench/testdata/hardware.log");
    let (stock, output) = read::logs(&[file]).expect("has blocks");
    let ours = OurLog { output, ..OurLog::default() };
    let results = compare_logs(&options("--read x"), &stock, &ours).expect("compares");
    assert!(results.notes.is_empty(), "{:?}", results.notes);
    let text = markdown::render(&results, &accepted());
    assert!(text.contains("Measured: ticks") && text.contains("3192 of them are a microsecond"));
    // Exits are told, but their cost is in the cycles already.
    let row = "| stat-uncached of 100 | 6,200 | 11,904 | 2.01 | 1.00 | 0.00 | 11,904 (3.729 us) | 1.92 |  |";
    assert!(text.contains(row), "{text}");
    assert!(html::render(&results, &accepted(), &[]).contains("<span class=\"badge\">measured</span>"));
}

#[test]
fn what_is_above_its_goal_is_told_by_part() {
    let mut results = compared(OURS);
    let row = results.rows.iter().position(|row| row.case == "reread").expect("is there");
    results.rows[row].ratio = Some(1.004);
    assert!(!accepted().is_above_goal(&results.rows[row]));
    results.rows[row].ratio = Some(1.006);
    assert!(accepted().is_above_goal(&results.rows[row]));
    let parts = [("2 client: glue".to_owned(), 1200), ("hypervisor".to_owned(), 400)].into_iter().collect();
    results.parts.push(results::Parts { case: "reread".to_owned(), parameter: 65536, parts });
    let text = markdown::render(&results, &accepted());
    let table = "| part | reread 64 KB |\n|---|--:|\n| client: glue | 1,200 |\n| hypervisor | 400 |\n| all | 1,600 |\n";
    assert!(text.contains(table), "{text}");
    assert!(html::render(&results, &accepted(), &[]).contains("<th scope=\"row\">hypervisor<td>400</tr>"));
}

#[test]
fn unknown_exits_are_confessed() {
    let results = compared(STOCK);
    assert!(results.notes.iter().any(|note| note.contains("told no VM exits")));
    assert_eq!(markdown::cost_name(&results), "instructions only");
}

#[test]
fn options_reach_the_program() {
    let arguments = program_arguments(&options("--only reread,tar,stat --runs 3 --set full"), None);
    assert_eq!(arguments.join(" "), "--set full --runs 3 --only reread,stat");
    assert!(Cli::try_parse_from(["bench", "--runs", "0"]).is_err());
}
