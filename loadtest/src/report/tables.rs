//! The tables of the page.

use super::digest::Digest;
use super::format::{bound_of, clock_exact, counted, duration, grouped, hit, scope, share_of};
use super::statistics::Spread;
use crate::history::{Fault, NodeLife};
use maud::{Markup, html};

/// Most rows of faults and of nodes.
const ROWS_MAX: usize = 1_000;

/// A table, scrollable when too wide; the first cell of a row is the head.
fn table(caption: &str, heads: &[&str], rows: &[Vec<String>]) -> Markup {
    html! {
        // The keyboard scrolls only an element that can have the focus.
        div.scroll tabindex="0" role="region" aria-label=(caption) {
            table {
                caption { (caption) }
                thead { tr { @for head in heads { th scope="col" { (head) } } } }
                tbody {
                    @for row in rows.iter().take(ROWS_MAX) {
                        tr {
                            @for (index, cell) in row.iter().enumerate() {
                                @if index == 0 { th scope="row" { (cell) } } @else { td { (cell) } }
                            }
                        }
                    }
                }
            }
        }
        @if rows.len() > ROWS_MAX {
            p.more { "And " (counted(rows.len() - ROWS_MAX, "row")) " more." }
        }
    }
}

/// Figures with their targets.
pub fn figures(digest: &Digest) -> Markup {
    if digest.run.figures.is_empty() {
        return html! {};
    }
    let rows = digest.run.figures.iter().map(|figure| {
        let met = match figure.met {
            Some(true) => "✓ met",
            Some(false) => "✕ not met",
            None => "– cannot say",
        };
        vec![
            figure.name.clone(),
            figure.measured.clone(),
            figure.target.clone(),
            met.to_owned(),
        ]
    });
    html! {
        section {
            h2 { "Figures" }
            (table("Figures and their targets", &["Figure", "Measured", "Target", "Met"],
                &rows.collect::<Vec<_>>()))
        }
    }
}

/// Number of violations by rule.
pub fn rules(digest: &Digest) -> Markup {
    let rows: Vec<_> = digest
        .rules
        .iter()
        .map(|(rule, count)| vec![(*rule).to_owned(), grouped(*count)])
        .collect();
    table("Violations by rule", &["Rule", "Violations"], &rows)
}

fn spread(name: &str, spread: Option<Spread>) -> Vec<String> {
    // No spread: nothing was measured, and a time of 0 would be a lie.
    let cells = spread.map_or_else(
        || ["0", "–", "–", "–"].map(str::to_owned),
        |Spread { n, p50, p99, max }| [grouped(n), duration(p50), duration(p99), duration(max)],
    );
    [vec![name.to_owned()], cells.to_vec()].concat()
}

/// Quantiles of lateness, calm and disturbed.
pub fn lateness(digest: &Digest) -> Markup {
    let rows = [
        spread("calm", digest.calm),
        spread("disturbed", digest.disturbed),
    ];
    table(
        "Lateness of first starts",
        &["When", "n", "p50", "p99", "max"],
        &rows,
    )
}

/// Quantiles of redelivery times.
pub fn redeliveries(digest: &Digest) -> Markup {
    let rows: Vec<_> = digest
        .redeliveries
        .iter()
        .map(|(kind, took)| spread(kind, Spread::of(took)))
        .collect();
    table(
        "Redelivery times by kind of fault",
        &["Fault", "n", "p50", "p99", "max"],
        &rows,
    )
}

/// Numbers of checked items.
pub fn counts(digest: &Digest) -> Markup {
    let counts = &digest.analysis.counts;
    // Without this remark a reader would take a lenient run for a strict one.
    let soft = if digest.lenient() {
        " (too few: the rules were soft nearly everywhere)"
    } else {
        ""
    };
    let normal = share_of(counts.normal, digest.fire_times());
    let mut rows: Vec<[String; 2]> = vec![
        ["Jobs".into(), grouped(counts.jobs)],
        [
            "Fire times that had to be taken".into(),
            grouped(counts.must),
        ],
        [
            "Fire times that might be taken: a command was under way".into(),
            grouped(counts.may),
        ],
        [
            "Checked under normal rules".into(),
            format!("{}, {normal}{soft}", grouped(counts.normal)),
        ],
        ["Left out by a policy".into(), grouped(counts.skipped)],
        ["Manual runs".into(), grouped(counts.manual)],
        [
            "Deliveries".into(),
            grouped(digest.history.deliveries.len()),
        ],
    ];
    rows.extend(
        digest
            .answers
            .iter()
            .map(|(answer, count)| [format!("… {}", answer.label()), grouped(*count)]),
    );
    rows.extend([
        ["Surplus effects".into(), digest.surplus()],
        [
            "Overlaps of attempts while a node was frozen".into(),
            grouped(counts.frozen_overlaps),
        ],
        ["Refusals of fenced targets".into(), grouped(counts.fenced)],
        ["API calls".into(), grouped(digest.history.calls.len())],
        [
            "Rows in the database at the end".into(),
            grouped(digest.history.rows.len()),
        ],
        [
            "Findings of the audits of stuck states".into(),
            grouped(digest.history.stuck.len()),
        ],
    ]);
    let rows: Vec<_> = rows.into_iter().map(Vec::from).collect();
    html! {
        section {
            h2 { "Counts" }
            (table("What was seen and checked", &["Count", "Number"], &rows))
        }
    }
}

/// Faults by kind with their bounds, then each fault.
pub fn faults(digest: &Digest) -> Markup {
    // The rule of three is about trials without any violation: with one there is no bound.
    let broken = !digest.bounded();
    let n = digest.history.faults.len();
    let mut kinds: Vec<Vec<String>> = digest
        .faults
        .iter()
        .map(|(kind, count)| {
            vec![
                (*kind).to_owned(),
                grouped(*count),
                bound_of(*count, broken),
            ]
        })
        .collect();
    // All faults together give the tightest bound.
    kinds.push(vec!["all".to_owned(), grouped(n), bound_of(n, broken)]);
    let each = digest.history.faults.iter().map(|fault: &Fault| {
        let since = fault.from.saturating_sub(digest.history.began);
        let lasted = duration(fault.until.saturating_sub(fault.from));
        vec![
            fault.kind.clone(),
            scope(fault.scope).to_owned(),
            hit(fault),
            clock_exact(since),
            lasted,
        ]
    });
    html! {
        section {
            h2 { "Faults" }
            @if n == 0 {
                p { "None was injected." }
            } @else {
                (table("Faults by kind", &["Kind", "n", "Violations per fault"], &kinds))
                p.more {
                    "Without a violation in n faults, fewer than 3/n of such faults cause one, \
                     with 95 % confidence."
                    @if broken { " It does not hold here: there are violations, \
                        or the run was inconclusive." }
                }
                (table("Each fault", &["Kind", "Hits", "Nodes", "Since start", "Lasted"],
                    &each.collect::<Vec<_>>()))
            }
        }
    }
}

/// The lifetimes of nodes.
pub fn nodes(digest: &Digest) -> Markup {
    let began = digest.history.began;
    let each = digest.history.nodes.iter().map(|life: &NodeLife| {
        let ended = life
            .ended_at
            .map(|at| clock_exact(at.saturating_sub(began)));
        vec![
            life.name.clone(),
            life.id.to_string(),
            life.state.clone(),
            clock_exact(life.started_at.saturating_sub(began)),
            ended.unwrap_or_else(|| "–".to_owned()),
            life.ended_by.clone().unwrap_or_else(|| "–".to_owned()),
        ]
    });
    html! {
        section {
            h2 { "Nodes" }
            @if digest.history.nodes.is_empty() {
                p { "None joined." }
            } @else {
                (table("Node lifetimes", &["Name", "Id", "State", "Started", "Ended", "By"],
                    &each.collect::<Vec<_>>()))
            }
        }
    }
}
