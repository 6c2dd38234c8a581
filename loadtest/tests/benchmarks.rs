//! Every benchmark works and says what it measured. No figure is looked at: the machine may be
//! busy, and `--small` measures nothing.

use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Output};

const NAMES: [&str; 16] = [
    "throughput",
    "lateness",
    "run-now",
    "failover",
    "growth",
    "nodes",
    "idle",
    "backlog",
    "api",
    "start",
    "wal",
    "snapshot",
    "create",
    "enqueue",
    "limit",
    "flood",
];

fn bench(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_horolog-loadtest");
    Command::new(program)
        .arg("bench")
        .args(arguments)
        .output()
        .expect("the program runs")
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
#[ignore = "starts many servers and needs a `horolog` beside the program: make bench-small"]
fn every_benchmark_prints_one_line_that_says_how_it_was_made() {
    let output = bench(&["all", "--small"]);
    assert!(output.status.success(), "{}", told(&output));
    let lines: Vec<Value> = String::from_utf8(output.stdout)
        .expect("JSON is text")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let names: Vec<&str> = lines
        .iter()
        .filter_map(|line| line["benchmark"].as_str())
        .collect();
    assert_eq!(names, NAMES);
    for line in &lines {
        let name = &line["benchmark"];
        let postgresql = &line["settings"]["postgresql"];
        assert_eq!(
            [&postgresql["fsync"], &postgresql["synchronous_commit"]],
            ["on", "on"],
            "{name}"
        );
        assert!(
            line["machine"]["cores"]
                .as_u64()
                .is_some_and(|cores| cores > 0),
            "{name}"
        );
        assert!(
            line["program"]["version"]
                .as_str()
                .is_some_and(|version| !version.is_empty()),
            "{name}"
        );
        let figures = line["figures"].as_array().expect("figures");
        assert!(!figures.is_empty(), "{name} measured nothing");
        figures.iter().for_each(assert_that_it_is_a_figure);
    }
}

fn assert_that_it_is_a_figure(figure: &Value) {
    let number = |name: &str| {
        figure[name]
            .as_f64()
            .unwrap_or_else(|| panic!("no {name}: {figure}"))
    };
    assert!(
        number("min") <= number("median") && number("median") <= number("max"),
        "{figure}"
    );
    let runs = figure["runs"]
        .as_array()
        .unwrap_or_else(|| panic!("no runs: {figure}"));
    assert!(
        !runs.is_empty() && runs.iter().all(Value::is_number),
        "{figure}"
    );
    assert!(
        figure["name"].is_string() && figure["unit"].is_string(),
        "{figure}"
    );
}

#[test]
fn mistakes_of_the_caller_are_said_with_what_would_be_right() {
    let cases: [(&[&str], &str); 4] = [
        (
            &["speed"],
            "no benchmark `speed`: all, throughput, lateness, ",
        ),
        (
            &["limit", "--program", "/no/such/horolog"],
            "there is no /no/such/horolog",
        ),
        (&["limit", "--small", "--large"], "cannot be used with"),
        (&["limit", "--runs", "0"], "not in 1..=1000"),
    ];
    for (arguments, expected) in cases {
        let output = bench(arguments);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{arguments:?}: {}",
            told(&output)
        );
        assert!(
            told(&output).contains(expected),
            "{arguments:?}: {}",
            told(&output)
        );
    }
}

#[test]
fn a_setting_that_postgresql_does_not_know_is_named() {
    let anything = PathBuf::from(env!("CARGO_BIN_EXE_horolog-loadtest"));
    let output = bench(&[
        "limit",
        "--small",
        "--postgres",
        "fsink=on",
        "--program",
        &anything.to_string_lossy(),
    ]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        told(&output).contains("PostgreSQL refuses the setting `fsink=on`"),
        "{}",
        told(&output)
    );
}
