//! SECURITY.md: that it has every rule, and that the functions and tests that it names are there.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// As many rules as there are.
const RULES: u32 = 48;

fn read(path: &str) -> String {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(top.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The rows of all tables: four cells each.
fn rows() -> Vec<[String; 4]> {
    let text = read("SECURITY.md");
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()
    };
    let lines = text.lines().filter(|line| line.starts_with("| ") && !line.ends_with("| Tested by |"));
    lines
        .map(|line| cells(line).try_into().unwrap_or_else(|cells| panic!("not four cells: {cells:?}")))
        .collect()
}

/// `file::function`, as often as it stands in a cell.
fn names(cell: &str) -> Vec<(&str, &str)> {
    let quoted = cell.split('`').skip(1).step_by(2);
    quoted.map(|name| name.split_once(".rs::").unwrap_or_else(|| panic!("{name} is no function"))).collect()
}

/// What stands before a function in its file; `None` if it is not there.
fn before(file: &str, function: &str) -> Option<String> {
    let text = read(&format!("{file}.rs"));
    let ends = |c: char| !c.is_alphanumeric() && c != '_';
    let word = format!("fn {function}");
    let mut places = text.match_indices(&word);
    let place = places.find(|(at, _)| text[at + word.len()..].starts_with(ends))?.0;
    Some(text[..place].to_owned())
}

#[test]
fn each_rule_has_one_row() {
    let rows = rows();
    let numbers: Vec<u32> =
        rows.iter().filter_map(|[rule, ..]| rule.parse().ok()).filter(|n| *n <= RULES).collect();
    assert_eq!(numbers, (1..=RULES).collect::<Vec<_>>());
    let cves: BTreeSet<&str> =
        rows.iter().flat_map(|[name, ..]| name.split(", ")).filter(|n| n.contains('-')).collect();
    assert_eq!(cves.len(), 26, "{cves:?}");
}

#[test]
fn what_holds_a_rule_is_there() {
    for [rule, _, held, _] in rows() {
        let names = names(&held);
        assert!(!names.is_empty(), "nothing holds {rule}");
        for (file, function) in names {
            assert!(file.starts_with("src/"), "{rule}: {file}");
            assert!(before(file, function).is_some(), "{rule}: {file}.rs has no function {function}");
        }
    }
}

#[test]
fn what_tests_a_rule_is_a_test() {
    for [rule, _, _, tested] in rows() {
        let names = names(&tested);
        assert!(!names.is_empty(), "nothing tests {rule}");
        for (file, function) in names {
            let text =
                before(file, function).unwrap_or_else(|| panic!("{rule}: {file}.rs has no {function}"));
            let attributes =
                text.trim_end().lines().rev().take_while(|line| line.trim_start().starts_with('#'));
            let is_test = attributes.into_iter().any(|line| line.trim() == "#[test]");
            assert!(is_test, "{rule}: {function} in {file}.rs is no test");
        }
    }
}
