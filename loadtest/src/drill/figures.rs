//! Figures of a drill, held against what its file expects.

use super::file::Expect;
use crate::checker::Verdict;
use crate::evidence::{Evidence, Micros, Scope};
use crate::report::Figure;
use crate::report::statistics::Spread;
use std::collections::HashSet;

/// What was reached of what was expected; what was measured on the way comes last.
pub fn figures(
    expect: &Expect,
    evidence: &Evidence,
    verdict: &Verdict,
    measured: Vec<(String, String)>,
) -> Vec<Figure> {
    let redeliveries: Vec<Micros> = verdict.redeliveries.iter().map(|redelivery| redelivery.took).collect();
    let redelivered = Spread::of(&redeliveries);
    let lateness: Vec<Micros> = verdict.lateness_calm.iter().chain(&verdict.lateness_disturbed).copied().collect();
    let longest = |times: &[Micros]| times.iter().max().copied();
    let mut figures = Vec::new();
    let mut time = |name: &str, most: Option<i64>, was: Option<Micros>| {
        if let Some(most) = most {
            figures.push(Figure {
                name: name.to_owned(),
                target: format!("≤ {most} ms"),
                measured: was.map_or("nothing to measure".to_owned(), |was| format!("{} ms", was / 1_000)),
                met: was.map(|was| was <= most * 1_000),
            });
        }
    };
    let count = redeliveries.len();
    time(&format!("fault to next attempt, median of {count}"), expect.redelivery_median, redelivered.map(|s| s.p50));
    time(&format!("fault to next attempt, longest of {count}"), expect.redelivery_max, longest(&redeliveries));
    let again = fires_again(evidence);
    let name = format!("end of a fault of the whole cluster to the next delivery, longest of {}", again.len());
    time(&name, expect.fires_again_max, longest(&again));
    time("latest start, faults or not", expect.lateness_max, longest(&lateness));
    let mut number = |name: &str, target: String, was: usize, met: bool| {
        let measured = was.to_string();
        figures.push(Figure { name: name.to_owned(), target, measured, met: Some(met) });
    };
    if let Some(most) = expect.false_deaths {
        let deaths = false_deaths(evidence);
        number("nodes declared dead that were not killed", format!("≤ {most}"), deaths, deaths <= most);
    }
    if let Some(most) = expect.second_attempts {
        let second = second_attempts(evidence);
        number("executions with a second attempt", format!("≤ {most}"), second, second <= most);
    }
    if let Some(least) = expect.faults_min {
        let faults = evidence.faults.len();
        number("faults", format!("≥ {least}"), faults, faults >= least);
    }
    let judged = verdict.counts.must + verdict.counts.may;
    if let Some(least) = expect.fire_times_min {
        number("fire times", format!("≥ {least}"), judged, judged >= least);
    }
    if let Some(least) = expect.normal_min {
        let share = verdict.counts.normal * 100 / judged.max(1);
        number("judged under normal rules, percent", format!("≥ {least}"), share, share >= least);
    }
    let told = |(name, measured)| Figure { name, target: "measured".to_owned(), measured, met: None };
    figures.extend(measured.into_iter().map(told));
    figures
}

/// From the end of each fault of the whole cluster to the next delivery.
fn fires_again(evidence: &Evidence) -> Vec<Micros> {
    let of_all = evidence.faults.iter().filter(|fault| fault.scope == Scope::Cluster);
    of_all
        .filter_map(|fault| {
            let next = evidence.deliveries.partition_point(|delivery| delivery.arrived < fault.until);
            Some(evidence.deliveries.get(next)?.arrived - fault.until)
        })
        .collect()
}

/// Nodes that are dead although no fault ended them.
fn false_deaths(evidence: &Evidence) -> usize {
    let ended = |fault: &&crate::evidence::Fault| fault.scope == Scope::Ends || fault.kind == "restart-all";
    let killed: HashSet<&String> = evidence.faults.iter().filter(ended).flat_map(|fault| &fault.nodes).collect();
    evidence.nodes.iter().filter(|node| node.state == "DEAD" && !killed.contains(&node.name)).count()
}

/// Executions that were run a second time although they had not failed: lost ones.
fn second_attempts(evidence: &Evidence) -> usize {
    evidence.rows.iter().filter(|row| row.recoveries > 0).count()
}
