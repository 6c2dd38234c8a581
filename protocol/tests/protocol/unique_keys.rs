//! The unique key of enqueued runs, and what goes wrong without each of its rules.

use horolog_protocol::unique_keys::{Rule, UniqueKeys};
use stateright::{Checker, Model};

/// The violated properties.
fn violated(without: Option<Rule>) -> Vec<&'static str> {
    let checker = UniqueKeys { without }.checker().spawn_bfs().join();
    println!(
        "unique keys without {without:?}: {} states",
        checker.unique_state_count()
    );
    let properties = checker.model().properties();
    let is_violated = |name: &&'static str| {
        let property = properties.iter().find(|property| property.name == *name);
        let fails = property.is_some_and(|property| property.expectation.discovery_is_failure());
        checker.discovery(name).is_some() == fails
    };
    properties
        .iter()
        .map(|property| property.name)
        .filter(is_violated)
        .collect()
}

#[test]
fn a_key_has_one_holder_and_each_answer_names_an_execution() {
    assert_eq!(violated(None), Vec::<&str>::new());
}

#[test]
fn without_a_rule_a_key_has_two_holders_or_an_answer_names_nothing() {
    let of = |rule| violated(Some(rule));
    let two = "at most one open execution has the key";
    assert!(of(Rule::InsertWaits).contains(&two));
    assert!(of(Rule::FreedWithTheEnd).contains(&two));
    assert_eq!(of(Rule::TriesAgain), ["an answer names an execution"]);
}
