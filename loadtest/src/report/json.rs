//! The report for machines.

use super::Run;
use super::digest::Digest;
use super::format::instant;
use super::statistics::share;
use crate::checker::Analysis;
use crate::history::History;
use serde_json::{Map, Value, json};

/// The report as JSON. Keys are only ever added; `format` is raised when one means something else.
///
/// | key | is |
/// |---|---|
/// | `format` | 1 |
/// | `name` `description` `commit` `program` `nodes` | of the [`Run`] |
/// | `seed` | decimal digits in a string: it may need 64 bits |
/// | `started` | RFC 3339, UTC |
/// | `duration_us` | from the first creation to the final read |
/// | `settings` | object, setting → value |
/// | `skipped` | faults that were skipped, not passed |
/// | `figures` | array of `name` `target` `measured` `met` (null: the run cannot say) |
/// | `conclusion` | `kept`, `broken` or `not_judged` |
/// | `summary` | the same in words |
/// | `counts` | object, as [`crate::checker::Counts`] |
/// | `share_normal` | of `must` and `may`, 0 to 1; null of none |
/// | `deliveries` | object, `done` `failed` `refused` `gone` `hanging` → number |
/// | `violations` | array of `rule` `text` `job` `fire_time` (µs) `execution` |
/// | `violations_by_rule` | object, rule → number |
/// | `lateness_us` | `calm` and `disturbed`: `n` `p50` `p99` `max`; null of none |
/// | `redelivery_us` | object, kind of fault → the same |
/// | `faults` | object, kind → `n` and `bound`, as below |
/// | `bound` | most violations per fault, 95 % confidence: 3/n; null if broken or without faults |
pub fn json(run: &Run, history: &History, analysis: &Analysis) -> Value {
    let digest = Digest::of(run, history, analysis);
    let settings: Map<_, _> = run
        .settings
        .iter()
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect();
    let answers: Map<_, _> = digest
        .answers
        .iter()
        .map(|(answer, count)| (answer.key().to_owned(), json!(count)))
        .collect();
    let redeliveries: Map<_, _> = digest
        .redeliveries
        .iter()
        .map(|(kind, took)| {
            (
                (*kind).to_owned(),
                json!(super::statistics::Spread::of(took)),
            )
        })
        .collect();
    let faults: Map<_, _> = digest
        .faults
        .iter()
        .map(|(kind, n)| {
            (
                (*kind).to_owned(),
                json!({ "n": n, "bound": digest.bound(*n) }),
            )
        })
        .collect();
    json!({
        "format": 1,
        "name": run.name,
        "description": run.description,
        "seed": run.seed.to_string(),
        "commit": run.commit,
        "program": run.program,
        "started": instant(run.started),
        "duration_us": history.ended.saturating_sub(history.began),
        "nodes": run.nodes,
        "settings": settings,
        "skipped": run.skipped,
        "figures": run.figures,
        "conclusion": digest.conclusion.key(),
        "summary": digest.sentence(),
        "counts": analysis.counts,
        "share_normal": share(analysis.counts.normal, digest.fire_times()),
        "deliveries": answers,
        "violations": analysis.violations,
        "violations_by_rule": digest.rules,
        "lateness_us": { "calm": digest.calm, "disturbed": digest.disturbed },
        "redelivery_us": redeliveries,
        "faults": faults,
        "bound": digest.bound(history.faults.len()),
    })
}
