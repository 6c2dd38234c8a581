//! The checker checked: clean histories give no finding, and every way to break them gives one.

mod cancelled_in_line;
mod cancels;
mod clock_stays;
mod enqueues;
mod execution;
mod lives;
mod model;
mod mutant;
mod mutations;
mod mutations_of_cluster;
mod mutations_of_rows;
mod paused_queue;
mod reruns;
mod soak;
mod specs;
mod synthetic;

use super::check;
use crate::history::{Fault, Scope};
use crate::job::SECOND;
use crate::micros::Micros;
use fastrand::Rng;
use model::RULES;
use mutant::Mutant;
use std::collections::{BTreeMap, BTreeSet};

/// How many histories are made; enough that each mutation finds its place several times.
const SEEDS: u64 = 120;
const SEEDS_OF_MUTATIONS: u64 = 24;

#[test]
fn clean_histories_break_no_rule() {
    let (mut normal, mut must, mut may, mut deliveries) = (0, 0, 0, 0);
    let mut alarms = BTreeMap::new();
    for seed in 0..SEEDS {
        let history = synthetic::history(seed);
        let analysis = check(&history, &RULES);
        for violation in &analysis.violations {
            let sample = alarms
                .entry(violation.rule.clone())
                .or_insert_with(|| (0, Vec::new()));
            sample.0 += 1;
            if sample.1.len() < 3 {
                sample.1.push(format!("seed {seed}: {violation:?}"));
            }
        }
        normal += analysis.counts.normal;
        must += analysis.counts.must;
        may += analysis.counts.may;
        deliveries += analysis.counts.deliveries;
    }
    println!(
        "{must} fire times that must, {may} that may, {deliveries} deliveries; \
         checked normal: {} %",
        normal * 100 / must
    );
    assert!(alarms.is_empty(), "{alarms:#?}");
}

#[test]
fn every_mutation_is_caught_wherever_it_can_be_made() {
    let all = [
        mutations::AT_THE_SINK,
        mutations_of_rows::IN_THE_LOG,
        mutations_of_cluster::IN_THE_CLUSTER,
    ]
    .concat();
    let mut made = vec![0; all.len()];
    let mut missed = Vec::new();
    for seed in 0..SEEDS_OF_MUTATIONS {
        let clean = synthetic::history(seed);
        for (index, (name, mutation)) in all.iter().enumerate() {
            let mut mutant = Mutant {
                history: clean.clone(),
                rng: Rng::with_seed(seed * 1_000 + index as u64),
            };
            let Some(expected) = mutation(&mut mutant) else {
                continue;
            };
            made[index] += 1;
            let analysis = check(&mutant.history, &RULES);
            let said: BTreeSet<&str> = analysis
                .violations
                .iter()
                .map(|violation| violation.rule.as_str())
                .collect();
            if !expected.iter().all(|rule| said.contains(rule)) {
                missed.push(format!(
                    "seed {seed}, {name}: not all of {expected:?} in {said:?}"
                ));
            }
        }
    }
    for ((name, _), made) in all.iter().zip(&made) {
        println!("{made:4} × {name}");
    }
    assert!(missed.is_empty(), "{} missed: {missed:#?}", missed.len());
    assert!(
        made.iter().all(|made| *made > 0),
        "some mutation was never made: {made:?}"
    );
}

#[test]
fn only_a_failover_that_loses_writes_explains_a_duplicate_attempt() {
    let place = |seed| {
        let mut mutant = Mutant {
            history: synthetic::history(seed),
            rng: Rng::with_seed(seed),
        };
        let place =
            mutant.plain(|deliveries, row| deliveries.len() == 1 && row.status == "SUCCESS");
        place.map(|(deliveries, _)| (mutant, deliveries))
    };
    let (mut mutant, deliveries) = (0..SEEDS).find_map(place).unwrap();
    let mut duplicate = deliveries[0].clone();
    duplicate.arrived += 2 * model::MILLI;
    mutant.history.deliveries.push(duplicate.clone());
    let rules = |mutant: &Mutant| -> BTreeSet<String> {
        check(&mutant.history, &RULES)
            .violations
            .into_iter()
            .map(|violation| violation.rule)
            .collect()
    };
    assert_eq!(rules(&mutant), BTreeSet::from(["DUP-ATTEMPT".to_owned()]));
    let mut fault = Fault {
        kind: "restart".to_owned(),
        scope: Scope::Cluster,
        nodes: Vec::new(),
        from: duplicate.arrived - 5,
        until: duplicate.arrived,
    };
    mutant.history.faults.push(fault.clone());
    assert_eq!(
        rules(&mutant),
        BTreeSet::from(["DUP-ATTEMPT".to_owned()]),
        "no other fault of the database"
    );
    mutant.history.faults.pop();
    fault.kind = "failover-async".to_owned();
    mutant.history.faults.push(fault);
    assert_eq!(rules(&mutant), BTreeSet::new());
    assert!(check(&mutant.history, &RULES).counts.surplus_effects > 0);
}

#[test]
fn only_a_lock_of_the_log_explains_half_a_ttl_beyond_the_grace() {
    let name = "a misfire that ran although the policy is SKIP";
    let (_, ran_late) = mutations_of_rows::IN_THE_LOG
        .iter()
        .find(|(other, _)| *other == name)
        .unwrap();
    let mut outcomes = BTreeSet::new();
    for seed in 0..SEEDS {
        // Not the seed of the history: its ids would come again.
        let mut mutant = Mutant {
            history: synthetic::history(seed),
            rng: Rng::with_seed(SEEDS + seed),
        };
        if ran_late(&mut mutant).is_none() {
            continue;
        }
        let late = |mutant: &Mutant| {
            let violations = check(&mutant.history, &RULES).violations;
            violations
                .into_iter()
                .find(|violation| violation.rule == "MISFIRE-FIRED")
        };
        let run = late(&mutant).unwrap().execution;
        let run = mutant
            .history
            .deliveries
            .iter()
            .find(|delivery| Some(delivery.execution) == run)
            .unwrap()
            .clone();
        let grace = mutant.spec(run.job).unwrap().misfire_grace_seconds;
        let beyond = run.arrived - run.fire_time - Micros::from(grace) * SECOND - RULES.lateness;
        if beyond <= 0 {
            continue; // its grace was shorter when it ran
        }
        let fault = |kind: &str| {
            let (from, until) = (run.arrived - 5, run.arrived);
            Fault {
                kind: kind.to_owned(),
                scope: Scope::Cluster,
                nodes: Vec::new(),
                from,
                until,
            }
        };
        mutant.history.faults.push(fault("restart"));
        assert!(
            late(&mutant).is_some(),
            "seed {seed}: no other fault of the database"
        );
        mutant.history.faults.push(fault("table-lock"));
        assert_eq!(
            late(&mutant).is_some(),
            beyond > RULES.ttl / 2,
            "seed {seed}: {beyond} us beyond"
        );
        outcomes.insert(beyond > RULES.ttl / 2);
    }
    assert_eq!(outcomes.len(), 2, "some are later than that, some are not");
}

#[test]
fn a_stalled_disk_explains_only_lateness_until_a_second_after_it() {
    let (_, late) = mutations::AT_THE_SINK
        .iter()
        .find(|(name, _)| *name == "6 s late")
        .unwrap();
    let made = |seed| {
        let mut mutant = Mutant {
            history: synthetic::history(seed),
            rng: Rng::with_seed(SEEDS + seed),
        };
        late(&mut mutant)?;
        let only = ["MATCHING-EXTRA", "MATCHING-MISSING", "LATE"];
        let all = check(&mutant.history, &RULES).violations;
        all.iter()
            .all(|violation| only.contains(&violation.rule.as_str()))
            .then_some(mutant)
    };
    let mutant = (0..SEEDS).find_map(made).unwrap();
    let rules = |faults: &[(Scope, Micros, Micros)]| -> BTreeSet<String> {
        let mut history = mutant.history.clone();
        history
            .faults
            .extend(faults.iter().map(|&(scope, from, until)| Fault {
                kind: "slow-disk".to_owned(),
                scope,
                nodes: Vec::new(),
                from,
                until,
            }));
        check(&history, &RULES)
            .violations
            .into_iter()
            .map(|violation| violation.rule)
            .collect()
    };
    let before = rules(&[]);
    assert!(before.contains("LATE"), "{before:?}");
    let late = check(&mutant.history, &RULES)
        .violations
        .into_iter()
        .find(|v| v.rule == "LATE")
        .unwrap();
    let start = mutant
        .history
        .deliveries
        .iter()
        .find(|delivery| Some(delivery.execution) == late.execution)
        .unwrap();
    let stall = (start.fire_time, start.arrived - RULES.lateness);
    assert_eq!(rules(&[(Scope::Stalls, stall.0, stall.1)]), BTreeSet::new());
    assert!(
        rules(&[(Scope::Stalls, stall.0, stall.1 - 1)]).contains("LATE"),
        "it had a second since the end of the stall"
    );
    assert_eq!(rules(&[(Scope::Harmless, stall.0, stall.1)]), before);
}

/// A soak of a day has to be checked within minutes. The time is printed, for machines differ.
#[test]
fn a_hundred_thousand_fire_times_under_three_hundred_faults_are_checked() {
    let history = soak::history(100, 1_000, 300);
    let begin = std::time::Instant::now();
    let analysis = check(&history, &RULES);
    let counts = &analysis.counts;
    println!(
        "{} fire times, {} deliveries, {} faults: {:?}",
        counts.must + counts.may,
        counts.deliveries,
        counts.faults,
        begin.elapsed()
    );
    println!("checked normal: {} %", counts.normal * 100 / counts.must);
    assert_eq!(analysis.violations, []);
    assert_eq!(
        (counts.must + counts.may, counts.faults),
        (100 * 1_000, 300)
    );
}
