//! The protocol, checked: as a whole, and without each of its safeguards.
//!
//! `cargo test -p horolog-protocol -- --nocapture` prints how many states there
//! are and what goes wrong without each safeguard.

mod removed;
mod unique_keys;
mod whole;

use horolog_protocol::model::Protocol;
use horolog_protocol::reachability::{Behaviour, Graph};
use horolog_protocol::state::State;
use horolog_protocol::steps::Step;
use stateright::{Checker, HasDiscoveries, Model};
use std::fmt::Write;

/// Asserts that every property holds, safety and liveness, and prints the number of states.
fn assert_holds(what: &str, protocol: &Protocol) {
    let checker = protocol.clone().checker().spawn_bfs().join();
    for property in protocol.properties() {
        let discovery = checker.discovery(property.name);
        let as_expected = discovery.is_some() != property.expectation.discovery_is_failure();
        let path = discovery.map(|path| (path.clone().into_actions(), *path.last_state()));
        let path = path
            .map(|(steps, end)| trace_text(&steps, &end))
            .unwrap_or_default();
        assert!(
            as_expected,
            "{what}: not as it should be: {:?} {}\n{path}",
            property.expectation, property.name
        );
    }
    let graph = Graph::explore(protocol);
    if let Some(Behaviour { steps, end }) = graph.stuck() {
        panic!(
            "{what}: something is never settled\n{}",
            trace_text(&steps, &end)
        );
    }
    assert_eq!(
        graph.len(),
        checker.unique_state_count(),
        "both walks see the same states"
    );
    println!(
        "{what}: {} states, no way to a violation, from each of them to the end",
        graph.len()
    );
}

/// Asserts that this property is violated, and prints the shortest way there.
fn assert_violates(what: &str, protocol: &Protocol, property: &'static str) -> Vec<Step> {
    let until = HasDiscoveries::AnyOf([property].into());
    let checker = protocol
        .clone()
        .checker()
        .finish_when(until)
        .spawn_bfs()
        .join();
    let path = checker
        .discovery(property)
        .unwrap_or_else(|| panic!("{what}: nothing goes wrong"));
    let (steps, end) = (path.clone().into_actions(), *path.last_state());
    println!(
        "{what}: violates \"{property}\"\n{}",
        trace_text(&steps, &end)
    );
    steps
}

/// Asserts that something can remain unsettled for ever, and prints the shortest way there.
fn assert_gets_stuck(what: &str, protocol: &Protocol) -> Vec<Step> {
    let Some(Behaviour { steps, end }) = Graph::explore(protocol).stuck() else {
        panic!("{what}: nothing goes wrong")
    };
    println!(
        "{what}: something is never settled after\n{}",
        trace_text(&steps, &end)
    );
    steps
}

fn trace_text(steps: &[Step], end: &State) -> String {
    let mut text = String::new();
    for (at, step) in steps.iter().enumerate() {
        writeln!(text, "  {:2}. {step}", at + 1).expect("a String takes everything");
    }
    write!(text, "  ends with: {end}").expect("a String takes everything");
    text
}
