//! `docs/security.md`: the tests of its controls exist, and a control that is present has one.

use super::{files, read};
use std::collections::BTreeSet;

/// Controls of the list that the page follows.
const CONTROLS: usize = 42;

/// Names of all functions in the Rust sources.
fn functions() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for directory in ["src", "tests", "crates", "loadtest"] {
        for file in files(directory, "rs") {
            let text = read(file);
            names.extend(text.split("fn ").skip(1).filter_map(|rest| {
                let (name, _) = rest.split_once('(')?;
                Some(name.to_owned())
            }));
        }
    }
    names
}

#[test]
fn every_control_has_a_state_and_its_tests_exist() {
    let page = read("docs/security.md");
    let (_, table) = page.split_once("| control | state |").unwrap();
    let rows: Vec<&str> = table.lines().skip(2).collect();
    assert_eq!(rows.len(), CONTROLS);
    let functions = functions();
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [control, state, _, tests] = cells[..] else {
            panic!("{row}")
        };
        let tests: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        for test in &tests {
            assert!(functions.contains(*test), "{control}: no test {test}");
        }
        match state {
            "present" => assert!(!tests.is_empty(), "{control}: without a test"),
            "partial" | "absent" | "none needed" => {}
            other => panic!("{control}: {other}"),
        }
    }
}
