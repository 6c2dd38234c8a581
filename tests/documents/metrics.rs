//! `docs/reference/metrics.md` from the descriptions in `src/telemetry.rs` and the labels of the
//! places that record.

use super::{GENERATED, assert_written, cell, code, files, read};
use std::collections::{BTreeMap, BTreeSet};

const INTRODUCTION: &str = "# Metrics

`GET /metrics` of each node. [Monitoring](../monitoring.md) has the interpretation and the alerts.

| metric | type | labels | meaning |
|---|---|---|---|
";

struct Metric {
    kind: &'static str,
    meaning: String,
}

/// The text literals of a call, and the names of the constants that stand for one.
fn arguments(call: &str, constants: &BTreeMap<String, String>) -> Vec<String> {
    let mut found = Vec::new();
    for (index, part) in call.split('"').enumerate() {
        if index % 2 == 1 {
            found.push(part.to_owned());
        } else {
            let names = part.split(|c: char| !c.is_ascii_uppercase() && c != '_');
            found.extend(names.filter_map(|name| constants.get(name).cloned()));
        }
    }
    found
}

/// Constants that hold the name of a metric.
fn constants(source: &str) -> BTreeMap<String, String> {
    let declared = source.split("const ").skip(1).filter_map(|rest| {
        let (name, rest) = rest.split_once(": &str = \"")?;
        let (value, _) = rest.split_once('"')?;
        (!name.contains(' ') && value.starts_with("horolog_"))
            .then(|| (name.to_owned(), value.to_owned()))
    });
    declared.collect()
}

fn described(sources: &str) -> BTreeMap<String, Metric> {
    let constants = constants(sources);
    let mut metrics = BTreeMap::new();
    for kind in ["counter", "gauge", "histogram"] {
        for call in sources.split(&format!("describe_{kind}!(")).skip(1) {
            let (call, _) = call.split_once(");").unwrap();
            let [name, meaning] = arguments(call, &constants).try_into().unwrap();
            metrics.insert(name, Metric { kind, meaning });
        }
    }
    metrics
}

/// The labels with which a metric is recorded somewhere.
fn labels(name: &str, sources: &str, constants: &BTreeMap<String, String>) -> BTreeSet<String> {
    let constant = constants
        .iter()
        .find(|(_, value)| *value == name)
        .map(|(constant, _)| constant.as_str());
    let mut found = BTreeSet::new();
    for kind in ["counter", "gauge", "histogram"] {
        for call in sources.split(&format!("{kind}!(")).skip(1) {
            let (call, _) = call.split_once(')').unwrap();
            let first = call.split(',').next().unwrap().trim();
            if first == format!("\"{name}\"")
                || constant.is_some_and(|constant| first.ends_with(constant))
            {
                let before = call.split("=>").collect::<Vec<_>>();
                let labels = before[..before.len() - 1]
                    .iter()
                    .filter_map(|text| text.trim_end().split('"').nth_back(1));
                found.extend(labels.map(str::to_owned));
            }
        }
    }
    found
}

#[test]
fn the_metrics_are_those_of_the_program() {
    let sources: String = files("src", "rs").iter().map(read).collect();
    let constants = constants(&sources);
    let metrics = described(&sources);
    assert!(metrics.len() > 20, "{}", metrics.len());
    let rows = metrics
        .iter()
        .map(|(name, metric)| {
            let labels: Vec<_> = labels(name, &sources, &constants)
                .iter()
                .map(|label| code(label))
                .collect();
            format!(
                "| {} | {} | {} | {} |\n",
                code(name),
                metric.kind,
                labels.join(", "),
                cell(&metric.meaning)
            )
        })
        .collect::<Vec<_>>()
        .concat();
    assert_written(
        "docs/reference/metrics.md",
        &format!("{GENERATED}{INTRODUCTION}{rows}"),
    );

    // Names with braces are names with their labels.
    let page = read("docs/monitoring.md");
    for name in page
        .split("`horolog_")
        .skip(1)
        .filter_map(|rest| rest.split(['`', '{']).next())
    {
        assert!(
            metrics.contains_key(&format!("horolog_{name}")),
            "docs/monitoring.md: horolog_{name}"
        );
    }
    for name in metrics.keys().filter(|name| !name.ends_with("_build_info")) {
        assert!(
            page.contains(name.as_str()),
            "docs/monitoring.md does not interpret {name}"
        );
    }
}
