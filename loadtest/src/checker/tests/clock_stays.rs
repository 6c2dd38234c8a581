//! A clock that stays wrong: a job that rests while the cluster is paused, and every way to break
//! it.

use super::model::RULES;
use super::reruns::{END, JOB, call};
use super::specs::plain;
use crate::micros::Micros;
use crate::{
    checker::clock_stays::{AHEAD, check_clock_stays},
    history::{Delivery, Fault, History, Operation, Scope},
    job::{SECOND, Schedule},
};
use std::collections::BTreeSet;
use uuid::Uuid;

/// While the cluster is paused.
const HELD: [Micros; 2] = [20 * SECOND, 36 * SECOND];

fn delivery(arrived: Micros) -> Delivery {
    Delivery {
        job: JOB,
        execution: Uuid::from_u128(u128::try_from(arrived).unwrap()),
        fire_time: arrived,
        due_time: arrived,
        attempt: 1,
        node: Uuid::from_u128(2),
        kind: "SCHEDULE".to_owned(),
        arrived,
        ended: Some(arrived),
        status: Some(200),
        effect: true,
    }
}

fn fault(kind: &str, from: Micros, until: Micros) -> Fault {
    Fault {
        kind: kind.to_owned(),
        scope: Scope::Cluster,
        nodes: Vec::new(),
        from,
        until,
    }
}

/// A start each second, and none while the cluster is paused.
fn history() -> History {
    let seconds = (2..END / SECOND)
        .map(|second| second * SECOND)
        .filter(|at| !(HELD[0]..HELD[1]).contains(at));
    History {
        ended: END,
        deliveries: seconds.map(delivery).collect(),
        calls: vec![call(
            Operation::Create(plain("each second", Schedule::FixedRate { seconds: 1 })),
            SECOND,
            None,
        )],
        faults: vec![fault(AHEAD, HELD[0], HELD[1])],
        ..History::default()
    }
}

fn mutant(change: impl FnOnce(&mut History)) -> BTreeSet<String> {
    let mut history = history();
    change(&mut history);
    check_clock_stays(&history, &RULES)
        .violations
        .into_iter()
        .map(|violation| violation.rule)
        .collect()
}

#[test]
fn a_rest_during_a_hold_breaks_no_rule_whatever_the_disk_does_meanwhile() {
    assert_eq!(mutant(|_| ()), BTreeSet::new());
    let stall = fault("slow-disk", HELD[0] + SECOND, HELD[0] + 2 * SECOND);
    assert_eq!(
        mutant(|history| history.faults.push(stall)),
        BTreeSet::new()
    );
}

#[test]
fn a_start_during_a_hold_and_a_rest_after_it_are_found() {
    let ran = mutant(|history| history.deliveries.push(delivery(HELD[0] + 5 * SECOND)));
    assert_eq!(ran, BTreeSet::from(["RAN-WHILE-PAUSED".to_owned()]));
    let rests = mutant(|history| {
        history
            .deliveries
            .retain(|delivery| delivery.arrived < HELD[1]);
    });
    assert_eq!(rests, BTreeSet::from(["RESTS".to_owned()]));
}
