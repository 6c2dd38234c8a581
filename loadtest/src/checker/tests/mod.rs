//! The checker checked: clean histories give no finding, and every way to break them gives one.

mod cluster;
mod execution;
mod synthetic;

use super::check;
use cluster::RULES;

/// How many histories are made; enough that each mutation finds its place several times.
const SEEDS: u64 = 400;

#[test]
fn clean_histories_break_no_rule() {
    let (mut normal, mut must, mut may, mut deliveries) = (0, 0, 0, 0);
    let mut alarms = std::collections::BTreeMap::new();
    for seed in 0..SEEDS {
        let evidence = synthetic::history(seed);
        let verdict = check(&evidence, &RULES);
        for violation in &verdict.violations {
            let sample = alarms.entry(violation.rule.clone()).or_insert_with(|| (0, Vec::new()));
            sample.0 += 1;
            if sample.1.len() < 3 {
                sample.1.push(format!("seed {seed}: {violation:?}"));
            }
        }
        normal += verdict.counts.normal;
        must += verdict.counts.must;
        may += verdict.counts.may;
        deliveries += verdict.counts.deliveries;
    }
    println!("{must} fire times that must, {may} that may, {deliveries} deliveries; judged normal: {} %", normal * 100 / must);
    assert!(alarms.is_empty(), "{alarms:#?}");
}
